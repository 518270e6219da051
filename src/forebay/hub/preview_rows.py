"""Reads and writes the rows of previews. Works inside the caller's transaction."""

from __future__ import annotations

import json
import math
import uuid
import zlib
from base64 import b64decode
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from forebay.catalog import schema as t
from forebay.catalog.records import WHOLE, storable
from forebay.catalog.versions import insert_if_absent
from forebay.digest import digest_bytes
from forebay.errors import InputError
from forebay.sites.previews import Errand
from forebay.wire.cache import ReplicaState
from forebay.wire.catalog import Version, ref_of
from forebay.wire.codec import from_json, to_json
from forebay.wire.previews import (
    MOST_BYTES,
    ROW_DIGEST_BYTES,
    Content,
    ImagesPreview,
    Preview,
    PreviewDone,
    PreviewKind,
    PreviewOrder,
    PreviewState,
    RowsPreview,
    TablePreview,
)

TEXT_LENGTH = 2000
AT_ONCE = 4
"""So many orders an agent is told of at a time, the oldest first."""

_PICTURES = ("image/png", "image/jpeg")
_MADE: dict[PreviewKind, type[Any]] = {
    PreviewKind.TABLE: TablePreview,
    PreviewKind.IMAGES: ImagesPreview,
    PreviewKind.ROWS: RowsPreview,
}
_OPEN = t.preview.c.state == PreviewState.ORDERED.value


def path_digest(path: str) -> str:
    """What a path is looked up by: an index over paths themselves would be too wide."""
    return digest_bytes(path.encode()).hex()


def find(connection: Connection, owner: int, manifest_digest: str, kind: PreviewKind, path: str) -> Any | None:
    """The row of one; None while nobody asked for it."""
    query = sa.select(t.preview).where(
        t.preview.c.dataset_id == owner,
        t.preview.c.manifest_digest == manifest_digest,
        t.preview.c.kind == kind.value,
        t.preview.c.path_digest == path_digest(path),
    )
    return connection.execute(query).mappings().first()


def errand_of(row: Any) -> Errand:
    """How it stands."""
    names = ("reason", "since", "unblock", "site", "token", "attempts", "next_try_at")
    return Errand(state=PreviewState(row["state"]), **{name: row[name] for name in names})


def values_of(errand: Errand) -> dict[str, Any]:
    """The columns that say so."""
    return {
        "state": errand.state.value,
        "reason": storable(errand.reason, TEXT_LENGTH),
        "since": errand.since,
        "unblock": storable(errand.unblock, TEXT_LENGTH),
        "site": errand.site,
        "token": errand.token,
        "attempts": errand.attempts,
        "next_try_at": errand.next_try_at,
    }


def preview_of(version: Version, kind: PreviewKind, path: str, errand: Errand, content: bytes | None) -> Preview:
    """As a wire value."""
    made = None if content is None else unpacked(kind, content)
    return Preview(
        ref=version.ref,
        kind=kind,
        path=path,
        state=errand.state,
        reason=errand.reason,
        since=errand.since,
        unblock=errand.unblock,
        site=errand.site,
        attempts=errand.attempts,
        next_try_at=errand.next_try_at,
        table=made if isinstance(made, TablePreview) else None,
        images=made if isinstance(made, ImagesPreview) else None,
        rows=made if isinstance(made, RowsPreview) else None,
    )


def orders_at(connection: Connection, site: str) -> tuple[PreviewOrder, ...]:
    """What the agent of a site shall look into, of versions that are there still."""
    is_there = sa.and_(
        t.version.c.dataset_id == t.preview.c.dataset_id, t.version.c.number == t.preview.c.number, WHOLE
    )
    query = (
        sa.select(t.preview.c.preview_id, t.preview.c.token, t.preview.c.kind, t.preview.c.paths, t.preview.c.number)
        .add_columns(t.dataset.c.name)
        .join(t.dataset, t.dataset.c.dataset_id == t.preview.c.dataset_id)
        .join(t.version, is_there)
        .where(t.preview.c.site == site, _OPEN)
        .where(~sa.exists().where(t.preview_off.c.dataset_id == t.preview.c.dataset_id))
        .order_by(t.preview.c.since, t.preview.c.preview_id)
        .limit(AT_ONCE)
    )
    return tuple(
        PreviewOrder(
            preview_id=row["preview_id"],
            token=row["token"],
            ref=ref_of(row["name"], row["number"]),
            kind=PreviewKind(row["kind"]),
            paths=tuple(json.loads(row["paths"])),
        )
        for row in connection.execute(query).mappings()
    )


def ready_at(connection: Connection, owner: int, version: Version) -> list[str]:
    """The sites, by name, with an agent and the version ready on their volume."""
    query = (
        sa.select(t.site.c.name)
        .join(t.replica, t.replica.c.volume_id == t.site.c.volume_id)
        .join(t.version, t.version.c.version_id == t.replica.c.version_id)
        .where(t.version.c.dataset_id == owner, t.version.c.number == version.number, WHOLE)
        .where(t.replica.c.state == ReplicaState.READY.value, t.site.c.attached, t.site.c.removed_at == 0)
        .order_by(t.site.c.name)
    )
    return list(connection.execute(query).scalars())


def insert(
    connection: Connection,
    owner: int,
    manifest_digest: str,
    kind: PreviewKind,
    paths: Sequence[str],
    values: Mapping[str, Any],
) -> None:
    """Its row, where nobody has written it meanwhile."""
    fresh = {
        "preview_id": uuid.uuid4().hex,
        "dataset_id": owner,
        "manifest_digest": manifest_digest,
        "kind": kind.value,
        "path_digest": path_digest(paths[0]),
        "paths": json.dumps(paths),
        "content": None,
        "content_bytes": 0,
    }
    insert_if_absent(connection, t.preview, {**fresh, **values})


def update(connection: Connection, row: Any, values: Mapping[str, Any]) -> None:
    """Where it is as it was read."""
    same = sa.and_(t.preview.c.preview_id == row["preview_id"], t.preview.c.token == row["token"])
    connection.execute(sa.update(t.preview).where(same, t.preview.c.state == row["state"]).values(values))


def open_ones(connection: Connection) -> int:
    """How many are ordered and not made yet."""
    return int(connection.execute(sa.select(sa.func.count()).select_from(t.preview).where(_OPEN)).scalar_one())


def packed(kind: PreviewKind, paths: Sequence[str], done: PreviewDone) -> bytes | None:
    """What is kept of a content; None of a failure. InputError `bad-preview` where it is not what was ordered."""
    if done.kind:
        return None
    content: Content | None = {"table": done.table, "images": done.images, "rows": done.rows}.get(kind.value)
    if content is None:
        raise _bad("it has no content")
    if isinstance(content, ImagesPreview):
        _check_images(content, paths)
    if isinstance(content, RowsPreview):
        _check_rows(content, paths)
    try:
        text = json.dumps(to_json(content), allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    except ValueError as error:
        raise _bad("it has a number that is none") from error
    data = text.encode(errors="replace")
    if len(data) > MOST_BYTES:
        raise _bad(f"it has {len(data)} bytes, more than {MOST_BYTES}")
    return zlib.compress(data, 6)


def unpacked(kind: PreviewKind, data: bytes) -> Content:
    """The content that was kept."""
    content: Content = from_json(_MADE[kind], json.loads(zlib.decompress(data)))
    return content


def _check_images(content: ImagesPreview, paths: Sequence[str]) -> None:
    if [item.path for item in content.thumbnails] != list(paths):
        raise _bad("these are other pictures")
    for item in content.thumbnails:
        try:
            b64decode(item.data, validate=True)
        except ValueError as error:
            raise _bad("a picture is no base64") from error
        if item.data and item.media_type not in _PICTURES:
            raise _bad(f"{item.media_type[:40]!r} is no picture")


def _check_rows(content: RowsPreview, paths: Sequence[str]) -> None:
    if [item.path for item in content.files] != list(paths):
        raise _bad("these are other files")
    for item in content.files:
        try:
            told = b64decode(item.digests, validate=True)
        except ValueError as error:
            raise _bad("digests are no base64") from error
        if (item.rows or 0) < 0 or (told and len(told) != ROW_DIGEST_BYTES * (item.rows or 0)):
            raise _bad("a file has not as many digests as rows")


def bad_histograms(done: PreviewDone) -> bool:
    """Whether a histogram does not hold together: pages draw what is kept."""
    if done.table is None:
        return False
    found = [column.histogram for column in done.table.columns if column.histogram is not None]
    return any(
        len(item.edges) != len(item.counts) + 1
        or not all(math.isfinite(edge) for edge in item.edges)
        or any(low >= high for low, high in zip(item.edges, item.edges[1:], strict=False))
        or any(count < 0 for count in item.counts)
        for item in found
    )


def _bad(why: str) -> InputError:
    return InputError("bad-preview", f"That is not the preview that was ordered: {why}.")
