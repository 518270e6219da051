"""Exit codes and JSON: what programs rely on."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import pytest

from forebay import errors
from forebay.cli.exits import MEANINGS, exit_code
from forebay.cli.jsonable import jsonable


@pytest.mark.parametrize(
    ("category", "code"),
    [
        (errors.ForebayError, 1),
        (errors.InternalError, 1),
        (errors.InputError, 2),
        (errors.NotFoundError, 3),
        (errors.NotAllowedError, 4),
        (errors.ConflictError, 5),
        (errors.UnavailableError, 6),
        (errors.CapacityError, 7),
        (errors.DamagedError, 8),
    ],
)
def test_every_category_has_its_code(category: type[errors.ForebayError], code: int) -> None:
    assert exit_code(category("some-kind", "text")) == code
    assert code in MEANINGS


def test_not_ready_has_a_code_of_its_own() -> None:
    assert exit_code(errors.ConflictError("not-ready", "text")) == 9
    assert 9 in MEANINGS


class _Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Thing:
    colour: _Colour
    where: Path
    parts: tuple[int, ...]
    by_colour: dict[_Colour, float]
    error: errors.ForebayError | None

    @property
    def ref(self) -> str:
        return f"{self.colour}@v1"


def test_a_result_gives_its_fields_and_properties() -> None:
    error = errors.InputError("kind", "message", todo="todo")
    thing = _Thing(colour=_Colour.RED, where=Path("/x"), parts=(1, 2), by_colour={_Colour.RED: 0.5}, error=error)
    assert jsonable([thing, None]) == [
        {
            "colour": "red",
            "where": "/x",
            "parts": [1, 2],
            "by_colour": {"red": 0.5},
            "error": {"kind": "kind", "message": "message", "todo": "todo"},
            "ref": "red@v1",
        },
        None,
    ]
