"""What the pages show, read from the database: values, no HTML and no request. One file a noun."""
