"""What is told of one column: how many values are missing and how many differ, where they lie, which are frequent."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from forebay.previews.bounds import Bounds
from forebay.previews.cells import cell, cut
from forebay.previews.histogram import edges
from forebay.wire.previews import QUANTILES, ColumnPreview, Histogram, TopValue

_SECONDS = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}


def column_preview(name: str, values: pa.ChunkedArray, rows: int | None, bounds: Bounds) -> ColumnPreview:
    """Of a column as far as it was seen; its file has `rows` (None: nobody knows)."""
    name, said = cut(name, bounds.cell_chars), cut(str(values.type), bounds.cell_chars)
    values = _plain(values)
    numbers = _numbers(values)
    if numbers is not None:
        numbers = numbers.filter(pc.is_finite(numbers))
    nulls = values.null_count + _nans(values)
    counted = _value_counts(values)
    if counted is None:
        return ColumnPreview(name=name, type=said, nulls=nulls)
    distinct = _distinct(counted, len(values), rows)
    low, high = _ends(values, bounds)
    return ColumnPreview(
        name=name,
        type=said,
        nulls=nulls,
        distinct=distinct,
        is_counted=rows == len(values),
        minimum=low,
        maximum=high,
        mean=_mean(numbers),
        quantiles=_quantiles(numbers),
        top=_top(values, counted, bounds),
        histogram=_histogram(numbers, whole=pa.types.is_integer(values.type), bounds=bounds),
    )


def distinct_estimate(different: int, once: int, seen: int, rows: int) -> int:
    """How many values differ in `rows`, of which `seen` have shown `different` ones, `once` of them a single time.

    The guaranteed-error estimator of Charikar, Chaudhuri, Motwani and Narasayya (PODS 2000): what came once stands for
    sqrt(rows / seen) values, what came more often for itself. It takes the rows that were seen for drawn by chance.
    """
    if seen <= 0 or rows <= seen:
        return different
    return min(rows, round(math.sqrt(rows / seen) * once + different - once))


def _plain(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Without dictionaries and extensions, which compute knows nothing of."""
    if pa.types.is_dictionary(values.type):
        return values.cast(values.type.value_type)
    if isinstance(values.type, pa.BaseExtensionType):
        return pa.chunked_array([chunk.storage for chunk in values.chunks], type=values.type.storage_type)
    return values


def _numbers(values: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """(values,) float64 without nulls, of numbers and times; None of anything else."""
    kind, values = values.type, values.drop_null()
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return values.cast(pa.float64(), safe=False)
    if pa.types.is_timestamp(kind):
        return pc.divide(values.cast(pa.int64()).cast(pa.float64(), safe=False), _SECONDS[kind.unit])
    if pa.types.is_date(kind):
        return pc.multiply(values.cast(pa.date32()).cast(pa.int32()).cast(pa.float64()), 86400.0)
    return None


def _nans(values: pa.ChunkedArray) -> int:
    return int(pc.sum(pc.is_nan(values)).as_py() or 0) if pa.types.is_floating(values.type) else 0


def _value_counts(values: pa.ChunkedArray) -> pa.StructArray | None:
    """Each value with how often it comes; None where values can't be told apart."""
    values = values.drop_null()
    if pa.types.is_floating(values.type):
        values = values.filter(pc.invert(pc.is_nan(values)))
    try:
        return pc.value_counts(values)
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
        return None


def _distinct(counted: pa.StructArray, seen: int, rows: int | None) -> int | None:
    if rows is None:
        return None
    once = int(pc.sum(pc.equal(counted.field("counts"), 1)).as_py() or 0)
    return distinct_estimate(len(counted), once, seen, rows)


def _ends(values: pa.ChunkedArray, bounds: Bounds) -> tuple[str, str]:
    """The least and the greatest value as text, "" where there is none or no order."""
    try:
        found = pc.min_max(values).as_py()
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
        return "", ""
    return cell(found["min"], bounds.cell_chars) or "", cell(found["max"], bounds.cell_chars) or ""


def _mean(numbers: pa.ChunkedArray | None) -> float | None:
    mean = None if numbers is None else pc.mean(numbers).as_py()
    return mean if mean is not None and math.isfinite(mean) else None


def _quantiles(numbers: pa.ChunkedArray | None) -> tuple[float, ...]:
    if numbers is None or not len(numbers):
        return ()
    found = pc.quantile(numbers, q=list(QUANTILES)).to_pylist()
    return tuple(found) if all(math.isfinite(number) for number in found) else ()


def _top(values: pa.ChunkedArray, counted: pa.StructArray, bounds: Bounds) -> tuple[TopValue, ...]:
    """Nothing of numbers with a fraction, and of a column in which values hardly ever repeat."""
    kind = values.type
    some = len(values) - values.null_count
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind) or len(counted) * 2 > max(some, 2):
        return ()
    order = pc.select_k_unstable(
        counted.field("counts"), k=min(bounds.top, len(counted)), sort_keys=[("", "descending")]
    )
    rows: list[dict[str, Any]] = counted.take(order).to_pylist()
    return tuple(TopValue(value=cell(row["values"], bounds.cell_chars) or "", count=row["counts"]) for row in rows)


def _histogram(numbers: pa.ChunkedArray | None, *, whole: bool, bounds: Bounds) -> Histogram | None:
    if numbers is None or not len(numbers):
        return None
    low, inner_low, inner_high, high = pc.quantile(numbers, q=[0.0, 0.01, 0.99, 1.0]).to_pylist()
    if not math.isfinite(high - low):
        return None
    cuts = edges(low, high, (inner_low, inner_high), whole=whole, bins=bounds.bins)
    below = [int(pc.sum(pc.less(numbers, edge)).as_py() or 0) for edge in cuts[1:-1]]
    totals = [0, *below, len(numbers)]
    return Histogram(edges=cuts, counts=tuple(after - before for before, after in pairwise(totals)))
