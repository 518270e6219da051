"""The messages between client, agent and hub, and the `Hub` protocol that every hub face implements.

Messages are frozen standard-library dataclasses (pydantic validates them at the HTTP edge without being imported here),
so that the cheap commands stay cheap. Times are Unix seconds (UTC), sizes are bytes, digests are lower-case hex.
"""
