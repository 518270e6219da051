"""What a measurement says: claims with their aims, a table for people, and one last line of JSON for programs.

A missed aim is said, and is no failure: a measurement fails only when it could not measure.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any


class Side(Enum):
    """On which side of its bound a ratio should be."""

    AT_LEAST = ">="
    AT_MOST = "<="


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One claim: `ratio` is what `case` names, and `measured` is in the units of the thing. No `side`: shown only."""

    case: str
    measured: str
    ratio: float
    side: Side | None = None
    bound: float = 1.0

    @property
    def aim(self) -> str:
        return "" if self.side is None else f"{self.side.value} {self.bound:g}"

    @property
    def met(self) -> bool | None:
        if self.side is None:
            return None
        return self.ratio >= self.bound if self.side is Side.AT_LEAST else self.ratio <= self.bound

    def as_json(self) -> dict[str, Any]:
        shown = float(f"{self.ratio:.4g}")
        return {"case": self.case, "aim": self.aim, "ratio": shown, "met": self.met, "measured": self.measured}


def table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Plain text in columns: the first to the left, the others to the right."""
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    lines = [f"\n{title}"]
    for row in (head, ["-" * width for width in widths], *rows):
        cells = [cell.rjust(width) for cell, width in zip(row, widths, strict=True)]
        lines.append("  ".join([row[0].ljust(widths[0]), *cells[1:]]).rstrip())
    return "\n".join(lines)


def cases_table(cases: Sequence[Case]) -> str:
    verdict = {True: "met", False: "MISSED", None: ""}
    rows = [[case.case, case.measured, f"{case.ratio:.4g}", case.aim, verdict[case.met]] for case in cases]
    return table("claims", ["case", "measured", "ratio", "aim", ""], rows)


def conclude(bench: str, cases: Sequence[Case], facts: Mapping[str, Any]) -> None:
    """Print the cases and, as the last line, everything as one JSON object."""
    print(cases_table(cases), flush=True)
    print()
    print(json.dumps({"bench": bench, "cases": [case.as_json() for case in cases], **facts}), flush=True)
