"""A client of a hub that is served over HTTP: the same `wire.Hub`, one file a part."""
