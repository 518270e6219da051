"""What is measured: the families, and how they are told. Never a dataset, a version, a user or a team in a label."""
