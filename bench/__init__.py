"""Measurements: one script a claim, each run beside its peer in one call; a table, then one JSON line."""

import os

# Where it is set, every process would compile all that it imports again, and starting would be timed as compiling.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
