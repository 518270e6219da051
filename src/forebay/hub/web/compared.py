"""With which other version a page compares one: what its address says, what it offers, and what was wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from forebay.catalog.names import NumberRef, parse_ref
from forebay.errors import ForebayError, InputError, NotFoundError
from forebay.hub.board import dataset as board
from forebay.hub.web.forms import Field
from forebay.hub.web.visit import Visit
from forebay.wire.catalog import Version

_TYPED = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Other:
    """`version` is None where there is no other one, and where what was asked for is none: `error` says why.

    `wanted` is what was asked for; `known` are the numbers of the dataset's versions, the newest first.
    """

    version: Version | None
    known: tuple[int, ...]
    wanted: str = ""
    error: ForebayError | None = None

    @property
    def status(self) -> int:
        """Of the page."""
        if self.error is None:
            return 200
        return 404 if isinstance(self.error, NotFoundError) else 400


def other_of(visit: Visit, connection: Connection, name: str, number: int, *, later: bool) -> Other:
    """`?with=v2`, `2`, or `name@v2` of another dataset, as `?other=` where it was typed; by default the version
    before, and the one after where there is none, if `later` ones are meant, too. NotFoundError for the dataset.
    """
    known = tuple(item for item, _ in board.numbers(connection, visit.sight, name))
    wanted = visit.query.get(_TYPED, "").strip() or visit.query.get("with", "").strip()
    try:
        found = _named(wanted, name) if wanted else _beside(visit, connection, name, number, known, later=later)
        version = None if found is None else board.version(connection, visit.sight, *found)
    except (InputError, NotFoundError) as error:
        return Other(version=None, known=known, wanted=wanted, error=error)
    return Other(version=version, known=known, wanted=wanted)


def called(other: Version, name: str) -> str:
    """`v2`, or `name@v2` of another dataset: what `?with=` takes."""
    return f"v{other.number}" if other.dataset == name else other.ref


def fields(name: str, number: int, other: Other) -> tuple[Field, ...]:
    """One of the dataset's versions, or any other one by its name."""
    chosen = "" if other.version is None else called(other.version, name)
    options = [(f"v{item}", f"v{item}") for item in other.known if item != number]
    if (chosen, chosen) not in options:
        options.insert(0, (chosen, chosen or "–"))
    typed = Field(
        name=_TYPED,
        label="Or with any other",
        placeholder=f"{name}@v{max(1, number - 1)}",
        value="" if other.error is None else other.wanted,
        error="" if other.error is None else f"{other.error.message} {other.error.todo}".strip(),
    )
    select = Field(name="with", label="Compared with", kind="select", value=chosen, options=tuple(options))
    return (select, typed) if len(options) > 1 or chosen else (typed,)


def _named(text: str, name: str) -> tuple[str, int]:
    """A dataset and a number; InputError `bad-ref`, `bad-name`."""
    selector = f"v{text}" if text.isascii() and text.isdigit() else text
    ref = parse_ref(selector if "@" in selector else f"{name}@{selector}")
    if not isinstance(ref, NumberRef) or ref.subset:
        raise InputError("bad-ref", f"{text[:100]!r} names no version by its number.", todo=f"Write v3 or {name}@v3.")
    return ref.dataset, ref.number


def _beside(
    visit: Visit, connection: Connection, name: str, number: int, known: Sequence[int], *, later: bool
) -> tuple[str, int] | None:
    before = [item for item in known if item < number]
    if not before and len(known) == board.NAMED:
        before = [item for item, _ in board.numbers(connection, visit.sight, name, before=number, limit=1)]
    after = [item for item in known if item > number] if later else []
    found = before[:1] or after[-1:]
    return (name, found[0]) if found else None
