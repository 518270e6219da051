"""What a run asks of Python packages, pure: what its environment is called, and what its requirements may not say."""

from __future__ import annotations

import re

from forebay.digest import digest_bytes
from forebay.errors import InputError

_FILES = re.compile(r"(-[rce]|--(requirement|constraint|editable)\b|\.{0,2}/|\.$|[^\s#]+\s*@\s*file:\.)")


def environment_key(text: str, python: str) -> str:
    """A name that the same requirements and the same Python have in common; 32 hex digits."""
    return digest_bytes(b"\0".join([b"forebay environment 1", python.encode(), text.encode()])).hex()[:32]


def check_requirements(text: str) -> None:
    """InputError `bad-requirements` for a line that means a file beside this one, which does not go along."""
    for number, line in enumerate(text.splitlines(), start=1):
        if _FILES.match(line.strip()):
            raise InputError(
                "bad-requirements",
                f"line {number} of the requirements, {line.strip()!r}, means another file",
                todo="Write what it says into one file: uv pip compile, or pip freeze.",
            )
