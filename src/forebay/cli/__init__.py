"""The command line: one file a noun. It stands on `client`, chooses words, tables and exit codes, and decides nothing.

Importing any module here is light (Typer alone): what a command needs is imported when it runs.
"""
