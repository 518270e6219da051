"""Measurements: one script a claim, each run beside its peer in one call; a table, then one JSON line."""
