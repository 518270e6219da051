"""Patterns over object keys: `*` and `?` within a component, `**` across components, `[a-z]`, `[!a]`. Pure.

Translated to the regular expressions of RE2, so that Arrow can match a million keys at once.
"""

from __future__ import annotations

import re

from forebay.errors import InputError

_SPECIAL = re.compile(r"[*?\[]")
_TOKEN = re.compile(r"\*\*/|\*\*|\*|\?|\[[!^]?\]?[^\]]*\]|\[|[^*?\[]+", re.DOTALL)
_SIMPLE = {"**/": r"(?:[^/]+/)*", "**": r".*", "*": r"[^/]*", "?": r"[^/]"}


def split_pattern(path: str) -> tuple[str, str | None]:
    """The literal folder that every match lies in (with its slash, or empty), and the rest when it has a pattern.

    Without a pattern the path comes back whole, with None. A pattern that ends in a slash means everything below it.
    """
    found = _SPECIAL.search(path)
    if found is None:
        return path, None
    cut = path.rfind("/", 0, found.start()) + 1
    pattern = path[cut:]
    return path[:cut], f"{pattern}**" if pattern.endswith("/") else pattern


def escape(text: str) -> str:
    """The pattern that matches exactly `text`."""
    return _SPECIAL.sub(lambda special: f"[{special.group()}]", text)


def pattern_regex(pattern: str) -> str:
    """The regular expression for whole keys; InputError `bad-pattern` for a bracket without its end."""
    return "(?s)^" + "".join(_translated(token, pattern) for token in _TOKEN.findall(pattern)) + "$"


def _translated(token: str, pattern: str) -> str:
    if token in _SIMPLE:
        return _SIMPLE[token]
    if not token.startswith("["):
        return re.escape(token)
    if len(token) < 3 or token in ("[!]", "[^]"):
        why = f"The pattern {pattern!r} has a '[' without its ']'."
        raise InputError("bad-pattern", why, todo="Write [[] for the bracket itself.")
    negated = token[1] in "!^"
    members = re.sub(r"([\\\[\]^&~|])", r"\\\1", token[2 if negated else 1 : -1])
    return f"[^/{members}]" if negated else f"[{members}]"
