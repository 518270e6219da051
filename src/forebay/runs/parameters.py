"""What a run was told to do, as names and texts that can be compared with another run's. Pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from forebay.wire.runs import NewRun

_OPTION = re.compile(r"--?[A-Za-z][A-Za-z0-9_.-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A name and its texts, one a run (None: it has none)."""

    name: str
    values: tuple[str | None, ...]

    @property
    def differs(self) -> bool:
        return len(set(self.values)) > 1


def parameters_of(new: NewRun, told: Mapping[str, str]) -> dict[str, str]:
    """Its program, options, variables, data and resources; then what the run told of itself.

    What the run told goes before an option of the same name, which says the same or less.
    """
    program, options = _options(new.command)
    found = {"command": program, **options}
    found |= {f"${item.name}": item.value for item in new.variables}
    found |= {f"data {item.name}": item.ref for item in new.data}
    found |= {
        name: value
        for name, value in (
            ("gpus", str(new.gpus) if new.gpus else ""),
            ("cpus", str(new.cpus)),
            ("memory", f"{new.memory_bytes / 2**30:g} GiB" if new.memory_bytes else ""),
            ("nodes", str(new.nodes) if new.nodes > 1 else ""),
            ("engine", new.engine),
            ("where", new.where),
            (
                "commit",
                f"{new.code.git_commit}{'+changes' if new.code.git_dirty else ''}" if new.code.git_commit else "",
            ),
            ("code", new.code.bundle[:12]),
            ("requirements", " ".join(new.requirements.split())),
        )
        if value
    }
    known = {name.lstrip("-").replace("-", "_"): name for name in options}
    for name, value in told.items():
        found.pop(known.get(name, ""), None)
        found[name] = value
    return found


def differences(runs: Sequence[Mapping[str, str]]) -> list[Difference]:
    """Every name that some run has, in the order in which they first come."""
    names = dict.fromkeys(name for run in runs for name in run)
    return [Difference(name=name, values=tuple(run.get(name) for run in runs)) for name in names]


def _options(command: Sequence[str]) -> tuple[str, dict[str, str]]:
    """`--rounds 200`, `--rounds=200` and `--fast` by their names; what is no option stays with the program."""
    program: list[str] = []
    options: dict[str, str] = {}
    words = list(command)
    while words:
        word = words.pop(0)
        name, equals, value = word.partition("=")
        if word == "--":
            program += [word, *words]
            break
        if not _OPTION.fullmatch(name):
            program.append(word)
        elif equals:
            options[name] = value
        elif words and not _OPTION.fullmatch(words[0].partition("=")[0]) and words[0] != "--":
            options[name] = words.pop(0)
        else:
            options[name] = "yes"
    return shlex.join(program), options
