"""The honest comparison: every contender on the same rows, in a process of its own, measured from outside.

Nothing is extrapolated: a figure was measured, or its row says why there is none.
"""
