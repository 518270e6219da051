"""Which row groups can hold a row that a predicate wants, by their statistics alone. Pure.

The form is that of pyarrow's and Dask's `filters`: `("day", ">=", 3)`, several joined by "and". Where statistics are
absent or can't be relied on, the row group stays: what is left out certainly has no row that matches.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, TypeAlias

from forebay.errors import InputError

if TYPE_CHECKING:
    import pyarrow.parquet as pq

Value: TypeAlias = bool | int | float | str
Term: TypeAlias = tuple[str, str, Value | tuple[Value, ...]]

OPERATORS = ("==", "=", "!=", "<=", ">=", "<", ">", "in", "not in")


def row_groups(metadata: pq.FileMetaData, where: Sequence[Term]) -> list[int]:
    """The numbers of the row groups that may match; InputError `bad-where` for a column or value of another kind."""
    columns = {metadata.schema.column(index).path: index for index in range(metadata.num_columns)}
    chosen = list(range(metadata.num_row_groups))
    for name, operator, value in where:
        if name not in columns:
            raise InputError(
                "bad-where",
                f"there is no flat column {name!r} to select rows by",
                todo=f"It has: {', '.join(sorted(columns)[:20])}",
            )
        index = columns[name]
        reliable = metadata.schema.column(index).max_repetition_level == 0 and "nano" not in _unit(metadata, index)
        if reliable:
            chosen = [group for group in chosen if _may_match(metadata.row_group(group).column(index), operator, value)]
    return chosen


def _unit(metadata: pq.FileMetaData, index: int) -> str:
    # Statistics in nanoseconds come as times that hold microseconds only: they are not exact bounds.
    return str(metadata.schema.column(index).logical_type).lower()


def _may_match(chunk: pq.ColumnChunkMetaData, operator: str, value: Any) -> bool:
    statistics = chunk.statistics
    if statistics is None or not statistics.has_min_max:
        return True
    try:
        least, most = statistics.min, statistics.max
    except ValueError:
        return True  # text whose bound was cut within a character
    if _unordered(least) or _unordered(most):
        return True
    values = [_like(least, item) for item in (value if isinstance(value, tuple) else (value,))]
    if any(_unordered(item) for item in values):
        return True
    # Only of whole numbers is it certain that a chunk whose bounds agree holds nothing else: no NaN, no cut text.
    alone = least if type(least) is int and least == most else None
    try:
        match operator:
            case "==" | "=" | "in":
                return any(least <= item <= most for item in values)
            case "!=" | "not in":
                return alone is None or alone not in values
            case "<":
                return bool(least < values[0])
            case "<=":
                return bool(least <= values[0])
            case ">":
                return bool(most > values[0])
            case _:
                return bool(most >= values[0])
    except TypeError as error:
        raise _bad_value(chunk.path_in_schema, value, least) from error


def _unordered(value: Any) -> bool:
    """NaN, and raw bytes: they may stand for anything, such as a decimal."""
    return isinstance(value, bytes) or (isinstance(value, float | Decimal) and math.isnan(value))


def _like(bound: Any, value: Any) -> Any:
    """A value as text or number in the type of a column's bounds, where that is a date, a time or a decimal."""
    try:
        if isinstance(bound, datetime) and isinstance(value, str):
            moment = datetime.fromisoformat(value)
            if bound.tzinfo is None:
                return moment if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)
            return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
        if isinstance(bound, date) and isinstance(value, str):
            return date.fromisoformat(value)
        if isinstance(bound, Decimal) and isinstance(value, str | int | float):
            return Decimal(str(value))
    except (ValueError, InvalidOperation) as error:
        raise _bad_value("", value, bound) from error
    return value


def _bad_value(name: str, value: Any, bound: Any) -> InputError:
    column = f"the column {name!r}" if name else "a column"
    return InputError(
        "bad-where",
        f"{value!r} can't be compared with {column}, which has values such as {bound}",
        todo="Give a value of the column's type.",
    )
