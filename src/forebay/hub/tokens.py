"""One token that lets its bearer do everything: the simplest way to keep strangers out of a hub.

Kept as its SHA-256, told once, when it is made, and compared in constant time.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from forebay.errors import DamagedError, NotAllowedError
from forebay.wire.hub import Hub

_FILE = "hub-token"
_PREFIX = "fbt_"
_RANDOM_BYTES = 32


def digest_of(token: str) -> str:
    """What is kept of a token."""
    return hashlib.sha256(token.encode(errors="surrogateescape")).hexdigest()


def first_token(home: Path) -> tuple[str, str | None]:
    """The digest of a home's token; and the token itself when it was made just now.

    Of two hubs that start together in one home, one's token stays. DamagedError `hub-token`.
    """
    path = home / _FILE
    made = None
    if not path.exists():
        token = _PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)
        if _kept(path, digest_of(token)):
            made = token
    digest = path.read_text().strip()
    if len(digest) != hashlib.sha256().digest_size * 2:
        raise DamagedError("hub-token", f"{path} holds no digest.", todo="Delete it; the next start makes a new token.")
    return digest, made


def guarded_by(digest: str, hub: Hub) -> Callable[[str | None], Hub]:
    """Gives the hub to whoever shows the token of this digest; NotAllowedError `not-signed-in` to everybody else."""

    def hub_for(token: str | None) -> Hub:
        if token is None or not hmac.compare_digest(digest_of(token), digest):
            raise NotAllowedError(
                "not-signed-in",
                "The hub wants a token, and this is none of its.",
                todo="Set FOREBAY_TOKEN to the token that `forebay hub serve` told at its first start.",
            )
        return hub

    return hub_for


def _kept(path: Path, digest: str) -> bool:
    """Whether this digest is the one that stays."""
    candidate = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    descriptor = os.open(candidate, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(f"{digest}\n")
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(candidate, path)
            return True
        return False
    finally:
        candidate.unlink(missing_ok=True)
