"""What may be submitted as a run, pure; and what placement makes of it."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Mapping

from forebay.catalog.names import check_dataset_name, check_team_name
from forebay.errors import InputError
from forebay.runs.world import Request, Wanted, Weights
from forebay.sites.labels import Condition, Sign, parse_expression
from forebay.sites.site import Resources
from forebay.wire.runs import NewRun

SITE = "site"
"""The label that each site has of itself."""

ASSUMED_S = 3600.0
"""How long a run is thought to take when nobody said."""

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}", re.ASCII)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}", re.ASCII)
ENGINES = ("", "dask")
_MOST_ITEMS = 1000
_MOST_TEXT = 256 * 1024
_MOST_TITLE = 200
_MOST_ATTEMPTS = 100
_LARGEST = 1 << 50


def check(new: NewRun) -> None:
    """InputError `bad-run` says which part can't be; `bad-name`, `bad-team` for names."""
    if not new.command or not new.command[0]:
        raise _bad("It has no command", "forebay run --data NAME -- python train.py {NAME}")
    _check_sizes(new)
    names = [use.name for use in new.data] + [output.name for output in new.outputs]
    for name in names:
        if not _NAME.fullmatch(name):
            raise _bad(f"{name!r} can't name its data or outputs", "Use lower-case letters, digits and '_'.")
        if names.count(name) > 1:
            raise _bad(f"two of its data or outputs are called {name}", "Give each a name of its own.")
    for output in new.outputs:
        check_dataset_name(output.dataset)
    for variable in new.variables:
        if not _VARIABLE.fullmatch(variable.name) or "\0" in variable.value:
            raise _bad(f"{variable.name[:40]!r} can't be a variable of its environment", "Use letters, digits and '_'.")
    if new.engine not in ENGINES:
        raise _bad(f"{new.engine[:40]!r} is no engine of a run", "--engine dask")
    if new.team:
        check_team_name(new.team)
    _check_numbers(new)


def resources_of(new: NewRun) -> Resources:
    """What it claims in all."""
    return Resources(gpus=new.nodes * new.gpus, cpus=new.nodes * new.cpus, memory_bytes=new.nodes * new.memory_bytes)


def estimate_of(new: NewRun) -> float:
    """How long it is thought to take, in seconds: as somebody said, as it may at most, or an hour."""
    return new.estimate_s or new.time_limit_s or ASSUMED_S


def weights_of(new: NewRun) -> Weights:
    """What its user would rather have."""
    return Weights(wait_s_per_money=new.wait_s_per_money)


def expression_of(new: NewRun, known: Collection[str] = ()) -> tuple[Condition, ...]:
    """What it asks of a site, its name included; InputError `bad-labels`."""
    named = (Condition(key=SITE, sign=Sign.EQUAL, values=(new.site,)),) if new.site else ()
    return (*named, *parse_expression(new.where, known))


def request_of(run_id: str, new: NewRun, submitted_at: float, versions: Mapping[str, Wanted]) -> Request:
    """As placement is asked; `versions` has all that it reads."""
    return Request(
        run_id=run_id,
        team=new.team,
        submitted_at=submitted_at,
        resources=resources_of(new),
        estimate_s=estimate_of(new),
        data=tuple(versions[ref] for ref in dict.fromkeys(use.ref for use in new.data)),
        where=expression_of(new),
        time_limit_s=new.time_limit_s,
    )


def _check_sizes(new: NewRun) -> None:
    lists: tuple[Collection[object], ...] = (new.command, new.data, new.outputs, new.variables)
    if any(len(items) > _MOST_ITEMS for items in lists):
        raise _bad(f"More than {_MOST_ITEMS} of one thing are too many", "Put some into a file.")
    texts: Iterable[str] = (
        *new.command,
        *(variable.value for variable in new.variables),
        new.requirements,
        new.where,
    )
    if sum(len(text) for text in texts) > _MOST_TEXT:
        raise _bad(f"More than {_MOST_TEXT} characters are too many", "Put some into a file.")
    if any("\0" in text for text in texts):
        raise _bad("A NUL character is in it", "Take it out.")
    if len(new.title) > _MOST_TITLE or not new.title.isprintable():
        raise _bad(f"Its title is no line of at most {_MOST_TITLE} characters", "Shorten it.")


def _check_numbers(new: NewRun) -> None:
    numbers = (new.gpus, new.cpus, new.memory_bytes)
    if min(numbers) < 0 or new.nodes < 1 or max(*numbers, new.nodes) > _LARGEST:
        raise _bad("It can't ask for less than nothing, or for less than one node", "Mend the numbers.")
    seconds = (new.estimate_s, new.time_limit_s, new.wait_s_per_money, new.retry.backoff_s)
    if not all(math.isfinite(value) and value >= 0 for value in seconds):
        raise _bad("Its times are no numbers of seconds", "Mend the numbers.")
    if not 1 <= new.retry.attempts <= _MOST_ATTEMPTS:
        raise _bad(f"It can be tried 1 to {_MOST_ATTEMPTS} times", "Mend the number.")


def _bad(what: str, todo: str) -> InputError:
    return InputError("bad-run", f"This can't be run: {what[0].lower()}{what[1:]}.", todo=todo)
