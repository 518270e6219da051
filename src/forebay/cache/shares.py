"""Who holds which contents, and what comes free when somebody goes: pure, and counted once however many hold it.

Made once from what the replicas list, then kept up as they go one after another: a replica's going costs its own files,
whatever the others hold. Contents of different access groups are never shared.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Self

import pyarrow as pa
import pyarrow.compute as pc

Key = tuple[str, pa.Table]
"""An access group, and the distinct digests of one who holds them: columns `digest` and `size_bytes`."""


class Shares:
    """Holders by their name, each with its group and what it holds."""

    def __init__(self, holders: Mapping[str, Key]) -> None:
        self._group = {name: group for name, (group, _) in holders.items()}
        by_group: dict[str, dict[str, pa.Table]] = defaultdict(dict)
        for name, (group, table) in holders.items():
            by_group[group][name] = table
        self._groups = {group: _Group.of(tables) for group, tables in by_group.items()}

    def __contains__(self, name: str) -> bool:
        return name in self._group

    def fork(self) -> Self:
        """A copy to try things on."""
        copied = object.__new__(type(self))
        copied._group = dict(self._group)
        copied._groups = {group: held.fork() for group, held in self._groups.items()}
        return copied

    @property
    def held_bytes(self) -> int:
        """What all of them hold."""
        return sum(held.held_bytes for held in self._groups.values())

    def alone(self) -> dict[str, int]:
        """The bytes that each one holds alone."""
        return {name: size for held in self._groups.values() for name, size in held.alone.items()}

    def release(self, name: str) -> Mapping[str, int]:
        """One goes; the bytes that somebody else holds alone from now on, by who that is. Nothing for one not known."""
        group = self._group.pop(name, None)
        return {} if group is None else self._groups[group].release(name)

    def reclaimable(self, names: Iterable[str]) -> set[str]:
        """Those whose going, all of them together, brings something free: the others share all with one who stays."""
        by_group: dict[str, list[str]] = defaultdict(list)
        for name in names:
            if name in self._group:
                by_group[self._group[name]].append(name)
        return {name for group, found in by_group.items() for name in self._groups[group].reclaimable(found)}

    def only(self, name: str) -> list[str]:
        """The digests (hex) that nobody else holds."""
        return self._groups[self._group[name]].only(name)

    def holds(self, group: str, digest: str) -> bool:
        """Whether somebody of the group holds these contents (hex)."""
        held = self._groups.get(group)
        return held is not None and held.holds(bytes.fromhex(digest))

    def added_bytes(self, group: str, table: pa.Table) -> int:
        """What one more holder of this would add."""
        held = self._groups.get(group)
        return int(pc.sum(table["size_bytes"]).as_py() or 0) if held is None else held.added_bytes(table)


class _Group:
    """One access group. Contents are numbered; `_holders` counts who holds each, `_sum` adds up their numbers.

    So when one holder is left, the sum is that holder's number.
    """

    digests: pa.Array
    alone: dict[str, int]
    held_bytes: int
    _names: list[str]
    _at: dict[str, int]
    _span: dict[str, tuple[int, int]]
    _numbers: Any
    _sizes: Any
    _holders: array[int]
    _sum: array[int]

    @classmethod
    def of(cls, tables: Mapping[str, pa.Table]) -> Self:
        made = cls()
        made._names = list(tables)
        made._at = {name: at for at, name in enumerate(made._names)}
        made._span = {}
        end = 0
        for name, table in tables.items():
            made._span[name] = (end, end + table.num_rows)
            end += table.num_rows
        every = pa.concat_tables(tables.values()).combine_chunks()
        encoded = _whole(every["digest"]).dictionary_encode()
        owner = pa.concat_arrays(
            [pa.repeat(pa.scalar(at, pa.int64()), table.num_rows) for at, table in enumerate(tables.values())]
        )
        rows = pa.table({"number": encoded.indices, "owner": owner, "size_bytes": every["size_bytes"]})
        wanted = [("owner", "count"), ("owner", "sum"), ("size_bytes", "min")]
        added = rows.group_by("number").aggregate(wanted).sort_by("number")
        made.digests = encoded.dictionary
        made._numbers = memoryview(encoded.indices.buffers()[1]).cast("B").cast("i") if end else ()
        made._sizes = _view(_whole(added["size_bytes_min"]))
        made._holders = array("q", _view(_whole(added["owner_count"])))
        made._sum = array("q", _view(_whole(added["owner_sum"])))
        made.held_bytes = int(pc.sum(added["size_bytes_min"]).as_py() or 0)
        single = added.filter(pc.equal(added["owner_count"], 1))
        single = single.group_by("owner_sum").aggregate([("size_bytes_min", "sum")])
        made.alone = dict.fromkeys(tables, 0)
        for at, size in zip(single["owner_sum"].to_pylist(), single["size_bytes_min_sum"].to_pylist(), strict=True):
            made.alone[made._names[at]] = size
        return made

    def fork(self) -> Self:
        copied = type(self)()
        copied.__dict__.update(self.__dict__)
        copied.alone, copied._span = dict(self.alone), dict(self._span)
        copied._holders, copied._sum = self._holders[:], self._sum[:]
        return copied

    def release(self, name: str) -> Mapping[str, int]:
        start, end = self._span.pop(name)
        me = self._at[name]
        gained: dict[int, int] = defaultdict(int)
        holders, total, sizes = self._holders, self._sum, self._sizes
        for number in self._numbers[start:end]:
            left = holders[number] - 1
            holders[number] = left
            total[number] -= me
            if left == 1:
                gained[total[number]] += sizes[number]
        self.held_bytes -= self.alone.pop(name)
        found = {self._names[at]: size for at, size in gained.items()}
        for other, size in found.items():
            self.alone[other] += size
        return found

    def reclaimable(self, names: Collection[str]) -> list[str]:
        inside = array("q", bytes(8 * len(self._holders)))
        for name in names:
            for number in self._of(name):
                inside[number] += 1
        holders = self._holders
        return [name for name in names if any(inside[number] == holders[number] for number in self._of(name))]

    def only(self, name: str) -> list[str]:
        mine = [number for number in self._of(name) if self._holders[number] == 1]
        return [digest.hex() for digest in self.digests.take(pa.array(mine, pa.int64())).to_pylist()]

    def holds(self, digest: bytes) -> bool:
        number = int(self.digests.index(pa.scalar(digest, self.digests.type)).as_py())
        return number >= 0 and self._holders[number] > 0

    def added_bytes(self, table: pa.Table) -> int:
        at = pc.index_in(table["digest"], value_set=self.digests).to_pylist()
        sizes = table["size_bytes"].to_pylist()
        return sum(size for number, size in zip(at, sizes, strict=True) if number is None or not self._holders[number])

    def _of(self, name: str) -> Any:
        start, end = self._span[name]
        return self._numbers[start:end]


def _whole(column: pa.ChunkedArray) -> pa.Array:
    combined = column.combine_chunks()
    return combined if isinstance(combined, pa.Array) else pa.concat_arrays(combined.chunks)


def _view(values: pa.Array) -> Any:
    """The values of a column of int64 without nulls, as they lie in memory."""
    values = values.cast(pa.int64())
    if not len(values):
        return memoryview(b"").cast("q")
    return memoryview(values.buffers()[1]).cast("B").cast("q")[values.offset : values.offset + len(values)]
