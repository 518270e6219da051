"""The cache engine: volume layout, fill, lease, eviction, verification, recovery.

Decisions are pure (`machine`, `plan`, `policy`, `repair`); the shells execute them on a volume and report to a hub.
"""
