"""What a person or a program does with forebay: open, register, commit, keep, let go.

Puts hub, cache and lakes together from the settings. The command line and `forebay.open` stand on this and on nothing
below it.
"""
