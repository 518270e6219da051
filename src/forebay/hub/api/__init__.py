"""The hub over HTTP: REST under /api/v1, one file a resource. It knows `wire.Hub` and nothing below it."""
