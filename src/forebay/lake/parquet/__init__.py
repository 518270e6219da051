"""Parquet objects from outside: their footers, which of their bytes a selection needs, a smaller file of just those.

Nothing here decodes or encodes data: column chunks are copied as they are, only the footer is written anew.
"""
