"""The dashboard: pages that the hub renders, for people. A page is a function, a dataclass and a template."""
