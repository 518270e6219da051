"""Keeps credentials out of the catalog: a lake URL that carries any is refused, without repeating them. Pure."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, urlsplit

from forebay.errors import InputError

_SECRET_NAME = re.compile(
    r"^sig$|signature|secret|password|passwd|token|credential|access_?key|account_?key|shared_?key|api_?key|^s[ekv]$",
    re.IGNORECASE,
)
_AWS_KEY = re.compile(r"\b(AKIA|ASIA)[0-9A-Z]{16}\b")
# In these schemes the part before the @ is a container, not a user.
_CONTAINER_BEFORE_AT = {"abfs", "abfss", "wasb", "wasbs"}


def check_lake_url(url: str) -> str:
    """The URL itself; InputError `credentials-in-url` or `bad-lake-url`."""
    try:
        parts = urlsplit(url)
        secret = _in_user(parts.scheme, parts.netloc) or _in_parameters(parts.query, parts.fragment)
    except ValueError:
        raise InputError("bad-lake-url", "The lake URL cannot be parsed.", todo=_EXAMPLE) from None
    if secret or _AWS_KEY.search(url):
        raise InputError(
            "credentials-in-url",
            f"The lake URL (its scheme is {parts.scheme or 'missing'!r}) carries credentials.",
            todo="Leave them out of the URL: give them in the environment, or name a profile that holds them.",
        )
    if "://" not in url or not parts.scheme or not url.isprintable():
        why = "it has control characters" if "://" in url and parts.scheme else "it has no scheme"
        raise InputError("bad-lake-url", f"{url!r} is no lake URL: {why}.", todo=_EXAMPLE)
    return url


_EXAMPLE = "Write it as s3://bucket/folder, az://container/folder, gs://bucket/folder or file:///folder."


def _in_user(scheme: str, netloc: str) -> bool:
    user, at, _ = netloc.rpartition("@")
    return bool(at) and (scheme.lower() not in _CONTAINER_BEFORE_AT or ":" in user)


def _in_parameters(*parts: str) -> bool:
    names = (name for part in parts for name, _ in parse_qsl(part, keep_blank_values=True, max_num_fields=1000))
    return any(_SECRET_NAME.search(name) for name in names)
