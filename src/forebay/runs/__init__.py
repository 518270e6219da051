"""Runs: which site takes one, what must be moved there first, and when it starts."""
