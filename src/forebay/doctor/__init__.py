"""Finds the usual faults of a forebay and says how to mend them. Looks and tries, and mends nothing."""
