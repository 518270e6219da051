"""The secrets of tokens: how one is made, told from other texts, and kept: as its SHA-256 alone.

A secret is 256 random bits, so a fast hash keeps it as well as a slow one would, and is looked up as it is.
"""

from __future__ import annotations

import hashlib
import re
import secrets

PREFIX = "fbt_"
"""What every secret begins with, so that people and scanners of repositories know one when they see it."""

WEB = "web-"
"""What the id of a token begins with that is a web session's."""

_SECRET = re.compile(rf"{PREFIX}[0-9A-Za-z_-]{{43}}", re.ASCII)


def new_secret() -> str:
    """`fbt_` and 256 random bits."""
    return PREFIX + secrets.token_urlsafe(32)


def new_token_id() -> str:
    """What names a token where its secret must not stand."""
    return secrets.token_hex(6)


def hash_of(secret: str) -> str:
    """What the database knows of a secret."""
    return hashlib.sha256(secret.encode()).hexdigest()


def is_secret(text: str) -> bool:
    """Whether a text could be one at all."""
    return _SECRET.fullmatch(text) is not None
