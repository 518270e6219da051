"""The dashboard for tests: a hub with something on every page, its addresses, and a browser that looks at them."""
