"""A site's agent put together: its machine and loop (sites.agent), the cache, and an engine that starts runs."""
