"""How a command is told where its versions are: `{name}` in its arguments, FOREBAY_NAME in its environment. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path


def filled_in(arguments: Sequence[str], paths: Mapping[str, Path]) -> list[str]:
    """The arguments with `{name}` replaced where `name` is one of ours; all other braces as they are."""
    known = "|".join(re.escape(name) for name in sorted(paths, key=len, reverse=True))
    return [re.sub(rf"\{{({known})\}}", lambda found: str(paths[found[1]]), argument) for argument in arguments]


def variables_of(paths: Mapping[str, str], taken: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """FOREBAY_NAME for each dataset; and the datasets that get none, as the variable means something else already."""
    named = {name: re.sub(r"[^A-Z0-9]", "_", name.upper()) for name in paths}
    times = Counter(named.values())
    free = {
        name: word
        for name, word in named.items()
        if times[word] == 1 and not any(word == other or word.startswith(f"{other}__") for other in taken)
    }
    return {f"FOREBAY_{word}": paths[name] for name, word in free.items()}, [name for name in paths if name not in free]
