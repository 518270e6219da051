"""Sites: compute plus the cache volume close to it, its labels, and its links to lakes and other sites."""
