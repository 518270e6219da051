"""The hot path: streams one part from the lake into a sink, resuming where it broke off.

The sink is fed every byte once and in order, whatever the lake does; it never sees a byte of another object than the
registered one, nor one byte too many. Blocking by design: many threads call this at once, and obstore releases the GIL.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import obstore

from forebay.lake.backoff import Attempts, Patience
from forebay.lake.etag import condition, etag_of, same_etag
from forebay.lake.faults import OBSTORE_ERRORS, Fault, FaultKind, LakeFault, lake_error, read_fault
from forebay.lake.look import look
from forebay.lake.part import Part
from forebay.lake.stores import LakeStore

if TYPE_CHECKING:
    from obstore import GetOptions, GetResult, ObjectMeta

CHUNK_BYTES = 256 * 1024
"""A chunk is received, hashed and written while it is in the core's own cache; larger ones cost memory's time."""

Sink = Callable[[bytes], object]
Cancelled = Callable[[], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A part arrived completely. `etag` came with the bytes; `resumed` counts the answers after the first."""

    part: Part
    etag: str
    version_id: str
    resumed: int


@dataclass(slots=True, kw_only=True)
class _Transfer:
    """How far one part is: the sink has every byte before `position`; all answers must carry `etag`."""

    part: Part
    position: int
    etag: str
    version_id: str
    ranged: bool = True
    answers: int = 0


def fetch(
    store: LakeStore, part: Part, sink: Sink, *, cancelled: Cancelled = bool, patience: Patience | None = None
) -> Fetched:
    """Feed all bytes of `part` to `sink` in chunks of about `CHUNK_BYTES`; what the sink raises comes through.

    ConflictError `object-changed` or `object-vanished`; NotAllowedError `lake-denied`; DamagedError `length-mismatch`;
    UnavailableError `lake-away` or `truncated` when all tries are used up; InputError `range-ignored` for a part that
    is not a whole object. `concurrent.futures.CancelledError` once `cancelled()` is true.
    """
    attempts = Attempts(patience or Patience())
    transfer = _Transfer(part=part, position=part.start, etag=part.etag, version_id=part.version_id)
    while True:
        before = transfer.position
        fault = _attempt(store, transfer, sink, cancelled)
        if fault is None:
            return Fetched(
                part=part, etag=transfer.etag, version_id=transfer.version_id, resumed=max(0, transfer.answers - 1)
            )
        if fault.kind is FaultKind.RANGE_IGNORED and part.whole and transfer.ranged:
            transfer.ranged = False
            continue
        if transfer.position - before >= CHUNK_BYTES:
            attempts.progressed()
        if not fault.retried or not attempts.wait(throttled=fault.throttled):
            raise lake_error(fault, store.subject(part.key), tries=attempts.failed)


def _attempt(store: LakeStore, transfer: _Transfer, sink: Sink, cancelled: Cancelled) -> Fault | None:
    """Go on from where the transfer is; the fault that ended it, or None when the part is complete."""
    if cancelled():
        raise CancelledError
    try:
        for chunk in _chunks(store, transfer):
            if cancelled():
                raise CancelledError
            sink(chunk)
            transfer.position += len(chunk)
        _check_unchanged(store, transfer)
    except LakeFault as caught:
        return caught.fault
    return None


def _chunks(store: LakeStore, transfer: _Transfer) -> Iterator[bytes]:
    """The bytes from `position` on: exactly as many as the part has left, or a LakeFault."""
    part, left = transfer.part, transfer.part.end - transfer.position
    result, skip = _answer(store, transfer)
    if left <= CHUNK_BYTES and not skip:
        # A small object in one call: most files of most data sets are one.
        body = _body(result)
        if len(body) > left:
            raise LakeFault(_too_long(part))
        if len(body) == left:
            yield body
            return
        raise LakeFault(_cut_short(left - len(body)))
    stream = result.stream(min_chunk_size=CHUNK_BYTES)
    while (chunk := _next(stream)) is not None:
        if skip:
            chunk, skip = chunk[skip:], max(0, skip - len(chunk))
        if len(chunk) > left:
            raise LakeFault(_too_long(part))
        if chunk:
            left -= len(chunk)
            yield chunk
    if left:
        raise LakeFault(_cut_short(left))


def _answer(store: LakeStore, transfer: _Transfer) -> tuple[GetResult, int]:
    """Ask for the rest of the part: the checked answer, and how many of its first bytes the sink has already."""
    part, ranged = transfer.part, transfer.ranged and not (transfer.part.whole and transfer.position == 0)
    options: GetOptions = {}
    if if_match := condition(transfer.etag):
        options["if_match"] = if_match
    if transfer.version_id:
        options["version"] = transfer.version_id
    if ranged:
        options["range"] = (transfer.position, part.end)
    try:
        result = obstore.get(store.streams, part.key, options=options)
    except OBSTORE_ERRORS as error:
        raise LakeFault(_gone_or(read_fault(error), store, part)) from None
    transfer.answers += 1
    _check_identity(transfer, result.meta)
    first, expected = result.range[0], transfer.position if ranged else 0
    if first != expected:
        raise LakeFault(Fault(kind=FaultKind.RANGE_IGNORED, what=f"bytes from {expected} on were asked, not {first}"))
    return result, 0 if ranged else transfer.position


def _gone_or(fault: Fault, store: LakeStore, part: Part) -> Fault:
    """The fault itself; some lakes answer a condition on a missing object as if it had changed."""
    if fault.kind is FaultKind.CHANGED and look(store, part.key, part.version_id) is None:
        return Fault(kind=FaultKind.VANISHED, what="there is no such object")
    return fault


def _cut_short(missing_bytes: int) -> Fault:
    return Fault(kind=FaultKind.TRUNCATED, what=f"the body ended {missing_bytes} bytes early")


def _body(result: GetResult) -> bytes:
    try:
        return cast("bytes", result.bytes())
    except OBSTORE_ERRORS as error:
        raise LakeFault(read_fault(error)) from None


def _next(stream: Iterator[bytes]) -> bytes | None:
    try:
        return next(stream, None)
    except OBSTORE_ERRORS as error:
        raise LakeFault(read_fault(error)) from None


def _check_identity(transfer: _Transfer, meta: ObjectMeta) -> None:
    """The answer must be about the registered object; the first answer settles what was not registered."""
    part, etag = transfer.part, etag_of(meta)
    if transfer.etag and etag and not same_etag(etag, transfer.etag):
        raise LakeFault(Fault(kind=FaultKind.CHANGED, what=f"its etag is {etag} now, {transfer.etag} was registered"))
    if meta["size"] != part.object_size_bytes:
        if same_etag(etag, part.etag):
            raise LakeFault(_too_long(part, meta["size"]))
        what = f"it has {meta['size']} bytes now, {part.object_size_bytes} were registered"
        raise LakeFault(Fault(kind=FaultKind.CHANGED, what=what))
    transfer.etag = transfer.etag or etag
    transfer.version_id = transfer.version_id or meta["version"] or ""


def _too_long(part: Part, got: int | None = None) -> Fault:
    claimed = "more" if got is None else f"{got} bytes"
    what = f"the lake sends {claimed} for an object of {part.object_size_bytes} bytes with the same etag"
    return Fault(kind=FaultKind.TOO_LONG, what=what)


def _check_unchanged(store: LakeStore, transfer: _Transfer) -> None:
    """A local file can be rewritten while it is read: look at it once more. Objects elsewhere are replaced whole."""
    if store.scheme != "file":
        return
    meta = look(store, transfer.part.key)
    if meta is None:
        raise LakeFault(Fault(kind=FaultKind.VANISHED, what="it was removed while it was read"))
    _check_identity(transfer, meta)
