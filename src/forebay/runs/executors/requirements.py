"""What a run asks of Python packages, pure: what its environment is called, and what its requirements may not say."""

from __future__ import annotations

import re
from hashlib import sha256

from forebay.digest import digest_bytes
from forebay.errors import InputError

_LONGEST_NAMED = 80
_FILES = re.compile(r"(-[rce]|--(requirement|constraint|editable)\b|\.{0,2}/|\.$|[^\s#]+\s*@\s*file:\.)")


def environment_key(text: str, python: str) -> str:
    """A name that the same requirements and the same Python have in common; 32 hex digits."""
    return digest_bytes(b"\0".join([b"forebay environment 1", python.encode(), text.encode()])).hex()[:32]


def told_environment(text: str, python: str, engine: str) -> str:
    """What a run ran in, for the record of what it made: requirements, Python, engine. `python` is the agent's."""
    lines = [line.strip() for line in text.splitlines()]
    named = [line for line in lines if line and not line.startswith("#")]
    if not named:
        return f"no requirements; the site's own python (its agent: {python}); engine {engine}"
    first = named[0] if len(named[0]) <= _LONGEST_NAMED else f"{named[0][:_LONGEST_NAMED]}..."
    more = f" and {len(named) - 1} more" if len(named) > 1 else ""
    return f"requirements sha256:{sha256(text.encode()).hexdigest()} ({first}{more}); python {python}; engine {engine}"


def check_requirements(text: str) -> None:
    """InputError `bad-requirements` for a line that means a file beside this one, which does not go along."""
    for number, line in enumerate(text.splitlines(), start=1):
        if _FILES.match(line.strip()):
            raise InputError(
                "bad-requirements",
                f"line {number} of the requirements, {line.strip()!r}, means another file",
                todo="Write what it says into one file: uv pip compile, or pip freeze.",
            )
