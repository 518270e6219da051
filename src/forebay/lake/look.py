"""Looks at single objects without reading them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING

import obstore

from forebay.lake.faults import OBSTORE_ERRORS, FaultKind, lake_error, read_fault
from forebay.lake.stores import LakeStore

if TYPE_CHECKING:
    from obstore import GetOptions, ObjectMeta

LOOKS_AT_ONCE = 16


def look(store: LakeStore, key: str, version_id: str = "") -> ObjectMeta | None:
    """What the lake says about one object, None when there is none; errors as `lake_error` makes them."""
    options: GetOptions = {"head": True}
    if version_id:
        options["version"] = version_id
    try:
        return obstore.get(store.requests, key, options=options).meta
    except OBSTORE_ERRORS as error:
        fault = read_fault(error)
    if fault.kind is FaultKind.VANISHED:
        return None
    raise lake_error(fault, store.subject(key))


def look_many(store: LakeStore, wanted: Iterable[tuple[str, str]]) -> Iterator[ObjectMeta | None]:
    """`look` at many (key, version id), in order, several at once."""
    left = iter(wanted)
    with ThreadPoolExecutor(LOOKS_AT_ONCE, thread_name_prefix="forebay-look") as pool:
        while some := list(islice(left, 64 * LOOKS_AT_ONCE)):
            yield from pool.map(lambda item: look(store, *item), some)
