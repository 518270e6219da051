"""The lake: object stores where dataset bytes durably live. Lists, reads, plans transfers, publishes.

Nothing here knows about volumes, replicas or the catalog's records, and no error or log line here holds a secret.
"""
