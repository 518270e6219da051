"""Contents by name, as the tables that `Shares` takes, and the same question answered the plain way."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import pyarrow as pa

Contents = Mapping[str, int]
"""Size in bytes by name; one name stands for one content."""


def held(contents: Contents) -> pa.Table:
    digests = pa.array([name.encode().ljust(32) for name in contents], pa.binary(32))
    return pa.table({"digest": digests, "size_bytes": pa.array(list(contents.values()), pa.int64())})


def held_by_all(holders: Mapping[str, Contents]) -> int:
    """The bytes of all contents, each once."""
    return sum({name: size for contents in holders.values() for name, size in contents.items()}.values())


def held_alone(holders: Mapping[str, Contents], names: Collection[str]) -> int:
    """What comes free when these go."""
    return held_by_all(holders) - held_by_all({name: item for name, item in holders.items() if name not in names})
