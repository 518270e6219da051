"""Columns and row groups of Parquet files: only their bytes are moved, and readers find what the object holds."""

from __future__ import annotations

import io
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from forebay.cache import moving
from forebay.cache.selection import Selection
from forebay.catalog.seal import Seal
from forebay.client.commit import commit
from forebay.client.forecast import forecast
from forebay.client.keep import decide, evict_decided, explain
from forebay.client.opened import OpenedVersion, open_version
from forebay.client.session import Session
from forebay.client.subset import resolve
from forebay.errors import ConflictError, ForebayError, InputError
from forebay.lake.parquet.objects import LakeObject, plan_cuts
from forebay.testing.awkward import IgnoreRange, Reset, Status, Truncate
from tests.integration.cache.stage import Stage, assert_mended, assert_unpublished, contents

ROWS, GROUPS = 4000, 4
NAMES = ["label", "price", "site", "text"]


def clicks(seed: int) -> bytes:
    """About 400 KB: four row groups of a day each; the text is most of it."""
    table = pa.table(
        {
            "day": pa.array([row * GROUPS // ROWS + GROUPS * seed for row in range(ROWS)], pa.int32()),
            "label": pa.array([(row * 7 + seed) % 2 for row in range(ROWS)], pa.int8()),
            "price": pa.array([row * 1.5 + seed for row in range(ROWS)]),
            "site": pa.array([{"id": row % 11, "tags": ["a"] * (row % 3)} for row in range(ROWS)]),
            "text": pa.array([f"{seed}-{row:060}" for row in range(ROWS)]),
        }
    )
    sink = io.BytesIO()
    pq.write_table(table, sink, row_group_size=ROWS // GROUPS, compression="none", use_dictionary=["label"])
    return sink.getvalue()


FILES = {"day_0.parquet": clicks(0), "day_1.parquet": clicks(1)}
ALL = {**FILES, "readme.md": b"about the clicks", "_metadata": b"row groups of others"}


def opened(
    session: Session,
    columns: Sequence[str] = (),
    where: Sequence[Any] = (),
    *,
    include: str | None = None,
    ref: str = "clicks@v1",
) -> OpenedVersion:
    chosen = Selection.of(include=include, columns=columns or None, where=where)
    return open_version(session, ref, lambda progress, who: None, chosen)


def read(data: bytes, **options: Any) -> pa.Table:
    return pq.read_table(io.BytesIO(data), **options)


def assert_reads(tree: Any, columns: list[str], **options: Any) -> None:
    for name, whole in FILES.items():
        assert read((tree / name).read_bytes(), **options).equals(read(whole, columns=columns, **options))


def sent(stage: Stage) -> int:
    assert stage.origin is not None
    return stage.origin.sent_bytes()


def test_only_the_chunks_of_the_columns_are_moved(counted: Stage) -> None:
    counted.add("clicks", ALL)
    session, before = counted.session(), sent(counted)
    with opened(session, ["label", "price"]) as some:
        assert some.version.ref == "clicks@v1[:label,price]"
        assert_reads(some.path, ["label", "price"])
        assert sorted(contents(some.path)) == ["day_0.parquet", "day_1.parquet", "readme.md"]
        assert some.files == ["day_0.parquet", "day_1.parquet", "readme.md"]
        needed = sum(_chunk_bytes(data, ["label", "price"]) for data in FILES.values())
        # Twice a tail of 64 KiB to find the footers, which are in the new files again, and small gaps.
        assert needed < sent(counted) - before < needed + 2 * (64 << 10) + 40_000
        assert some.moved_bytes == sum(map(len, contents(some.path).values()))
        whole = session.hub.catalog.resolve("clicks@v1")
        assert session.hub.replicas.get(session.cache.volume_id, whole) is None
    again = sent(counted)
    with opened(session, ["price", "label", "label"]) as same:
        assert (same.moved_bytes, sent(counted)) == (0, again), "it is here: not even a footer is read"
    results, damaged = session.cache.verify([some.version], session.memo_folder, force=False)
    assert (results[0].hashed_files, damaged) == (3, [])
    assert_mended(session)


def _chunk_bytes(data: bytes, columns: list[str]) -> int:
    metadata = pq.read_metadata(io.BytesIO(data))
    groups = [metadata.row_group(group) for group in range(metadata.num_row_groups)]
    chunks = [group.column(index) for group in groups for index in range(metadata.num_columns)]
    return sum(chunk.total_compressed_size for chunk in chunks if chunk.path_in_schema.split(".")[0] in columns)


def test_growing_moves_only_the_chunks_that_are_missing(counted: Stage) -> None:
    whole = counted.add("clicks", FILES)
    session = counted.session()
    opened(session, ["price", "day"]).close()
    first, before = session.cache.replicas()[0].size_bytes, sent(counted)
    wider = resolve(session, "clicks@v1", Selection.of(columns=["price", "day", "label", "site"]))
    footers, planned = sent(counted), forecast(session, wider)
    with opened(session, ["site", "label", "price", "day"]) as more:
        assert_reads(more.path, ["day", "label", "price", "site"])
        assert more.moved_bytes == planned.move_bytes
        assert more.moved_bytes < more.version.size_bytes - 0.8 * first
        footer_bytes = 12_000
        assert sent(counted) - footers < more.moved_bytes + footer_bytes
    with opened(session, ["price"]) as less:
        assert_reads(less.path, ["price"])
        assert less.moved_bytes < footer_bytes, "its chunks were here, its footer is its own"
    before, planned = sent(counted), forecast(session, whole)
    warmed = session.warm(whole, "test")
    assert contents(warmed.path) == FILES, "chunks and the rest make up the very objects"
    assert warmed.moved_bytes == planned.move_bytes == sent(counted) - before
    assert warmed.moved_bytes < whole.size_bytes - 0.8 * more.version.size_bytes
    with opened(session, ["text"], [("day", "<", 3)]) as text:
        assert text.moved_bytes < footer_bytes
        rows = read((text.path / "day_0.parquet").read_bytes())
        assert rows.equals(read(FILES["day_0.parquet"], columns=["text"], filters=[("day", "<", 3)]))
    assert_mended(session)


def test_VERIFIED_nothing_is_taken_from_a_damaged_file(counted: Stage) -> None:
    whole = counted.add("clicks", FILES)
    session = counted.session()
    with opened(session, ["price", "day"]) as some:
        victim = some.path / "day_0.parquet"
        data = bytearray(victim.read_bytes())
        data[1000] ^= 1
        victim.chmod(0o644)
        victim.write_bytes(data)
    warmed = session.warm(whole, "test")
    assert contents(warmed.path) == FILES
    assert len(FILES["day_0.parquet"]) < warmed.moved_bytes < whole.size_bytes


def test_nested_columns_come_by_their_root(stage: Stage) -> None:
    stage.add("clicks", FILES)
    with opened(stage.session(), ["site"]) as some:
        assert_reads(some.path, ["site"])


def test_row_groups_that_cannot_match_are_left_out(counted: Stage) -> None:
    counted.add("clicks", FILES)
    session = counted.session()
    where = [("day", ">=", 2), ("day", "<=", 4)]
    with opened(session, [], where) as some:
        tables = [read((some.path / name).read_bytes()) for name in FILES]
        assert [sorted(set(table["day"].to_pylist())) for table in tables] == [[2, 3], [4]]
        for table, whole in zip(tables, FILES.values(), strict=True):
            assert table.filter((pa.compute.field("day") >= 2) & (pa.compute.field("day") <= 4)).equals(
                read(whole, filters=where)
            )
        assert some.moved_bytes < 0.45 * sum(map(len, FILES.values()))
    with opened(session, ["day", "price"], where, include="day_1*") as less:
        assert sorted(contents(less.path)) == ["day_1.parquet"]
        assert read((less.path / "day_1.parquet").read_bytes(), filters=where).equals(
            read(FILES["day_1.parquet"], columns=["day", "price"], filters=where)
        )
    assert_mended(session)


def test_what_is_learned_stays_true_for_the_next_fill(counted: Stage) -> None:
    whole = counted.add("clicks", FILES)
    session = counted.session()
    some = opened(session, ["price"])
    some.close()
    known = session.hub.catalog.seal_path(some.version.manifest_digest)
    assert known is not None
    digests = Seal.read(known).digests
    assert session.hub.catalog.seal_path(whole.manifest_digest) is None, "no digest of a cut file is one of the object"
    (gone,) = evict_decided(session, decide(session, [some.version]))
    assert gone.error is None, "the lake has the objects, whatever is here"
    with opened(session, ["price"]) as again:
        assert again.moved_bytes > 0
        path = session.hub.catalog.seal_path(some.version.manifest_digest)
        assert path is not None
        assert Seal.read(path).digests.equals(digests)
        assert_reads(again.path, ["price"])
    assert_mended(session)


def test_RECOVERABLE_a_cut_subset_is_rebuilt_from_the_volume_alone(stage: Stage) -> None:
    stage.add("clicks", FILES)
    opened(stage.session(), ["price"], [("day", ">=", 1)]).close()
    stage.close()
    for path in [*(stage.root / "home").glob("hub.db*"), *(stage.root / "home").rglob("*.parquet")]:
        path.unlink()
    after = stage.session()
    after.cache.recover()
    with opened(after, ["price"], [("day", ">=", 1)]) as again:
        assert again.moved_bytes == 0
        version = again.version
    assert explain(after, version).selects == ":price;day>=1"
    assert evict_decided(after, decide(after, [version]))[0].error is None
    with opened(after, ["price"], [("day", ">=", 1)]) as refilled:
        assert refilled.moved_bytes > 0, "its recipe was in the tree"
    assert_mended(after)


def test_a_subset_of_a_committed_version(stage: Stage) -> None:
    out = stage.root / "out"
    out.mkdir()
    for name, data in ALL.items():
        (out / name).write_bytes(data)
    session = stage.session()
    commit(session, "results", out, lake=stage.lake.as_uri())
    with opened(session, ["label"], ref="results@v1") as some:
        assert_reads(some.path, ["label"])
        assert (some.path / "readme.md").read_bytes() == ALL["readme.md"]
    assert_mended(session)


def test_what_is_not_worth_a_cut_stays_whole(stage: Stage) -> None:
    whole = stage.add("clicks", {**FILES, "small.parquet": _small()})
    session = stage.session()
    with opened(session, ["label"], include="small*") as small:
        assert (small.path / "small.parquet").read_bytes() == _small()
    with opened(session, ["day", *NAMES]) as every:
        assert every.version == whole
    assert_mended(session)


def _small() -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table({"label": [1, 2], "other": [3, 4]}), sink)
    return sink.getvalue()


@pytest.mark.parametrize(
    ("columns", "where", "include", "kind"),
    [
        (["lable"], [], None, "no-column"),
        (["lable"], [], "small.parquet", "no-column"),
        ([], [("lable", "==", 1)], None, "bad-where"),
        ([], [("day", "==", "monday")], None, "bad-where"),
        (["label"], [], "readme.md", "nothing-selected"),
        (["label"], [], "broken.parquet", "not-parquet"),
    ],
)
def test_what_cannot_be_selected(
    stage: Stage, columns: list[str], where: list[Any], include: str | None, kind: str
) -> None:
    stage.add("clicks", {**ALL, "small.parquet": _small(), "broken.parquet": b"x" * 100_000})
    session = stage.session()
    with pytest.raises(InputError) as refused:
        opened(session, columns, where, include=include or "day_*")
    assert refused.value.kind == kind
    if kind != "nothing-selected":
        assert ".parquet" in refused.value.message
    assert session.cache.replicas() == []


def test_a_lake_that_ignores_ranges_is_told(counted: Stage) -> None:
    counted.add("clicks", FILES)
    session = counted.session()
    some = opened(session, ["price"], include="day_0*")
    some.close()
    assert counted.origin is not None
    counted.origin.misbehave(counted.object("clicks", "day_1.parquet"), always=IgnoreRange())
    with pytest.raises(ForebayError, match=r"day_1\.parquet") as refused:
        opened(session, ["price"])
    assert refused.value.kind == "range-ignored"


def test_IMMUTABLE_an_object_replaced_between_two_of_its_ranges(counted: Stage) -> None:
    counted.add("clicks", FILES)
    session = counted.session()
    assert counted.origin is not None
    path = counted.object("clicks", "day_0.parquet")
    chosen = Selection.of(columns=["price"])
    version = resolve(session, "clicks@v1", chosen)
    # Of the first range some bytes came; then there is another object of the same size, and the rest is asked for.
    counted.origin.misbehave(path, Reset(after_bytes=1000), Reset(after_bytes=0))
    other = bytearray(FILES["day_0.parquet"])
    other[5000] ^= 1
    counted.origin.put(path, bytes(other))
    with pytest.raises(ConflictError, match=r"day_0\.parquet") as refused:
        session.warm(version, "test")
    assert refused.value.kind == "object-changed"
    assert_unpublished(session, version)
    counted.put("clicks", "day_0.parquet", FILES["day_0.parquet"])
    with opened(session, ["price"]) as again:
        assert_reads(again.path, ["price"])
    assert_mended(session)


def test_many_streams_share_one_cut_file(counted: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moving, "_LEAST_CUT_BYTES", 7_000)
    counted.add("clicks", FILES)
    session = counted.session(streams=4)
    with opened(session, ["price", "site"], include="day_0*") as some:
        found = (some.path / "day_0.parquet").read_bytes()
        assert read(found).equals(read(FILES["day_0.parquet"], columns=["price", "site"]))
    assert counted.origin is not None
    asked = counted.origin.seen(counted.object("clicks", "day_0.parquet"), method="GET")
    assert len(asked) > 6, "a tail, then segments"
    assert all(seen.range and seen.if_match for seen in asked), "each is conditional on the registered etag"
    assert_mended(session)


def test_a_lake_that_breaks_off_in_the_middle(counted: Stage) -> None:
    counted.add("clicks", FILES)
    session = counted.session()
    assert counted.origin is not None
    for name in FILES:
        path = counted.object("clicks", name)
        counted.origin.misbehave(path, Truncate(after_bytes=100), Reset(after_bytes=3000), Truncate(after_bytes=10))
    with opened(session, ["price", "site"]) as some:
        assert_reads(some.path, ["price", "site"])
    assert_mended(session)


def test_CRASH_a_fill_that_broke_off_goes_on_with_what_verifies(counted: Stage) -> None:
    counted.add("clicks", FILES)
    session = counted.session(streams=1)
    version = resolve(session, "clicks@v1", Selection.of(columns=["price", "site"]))
    assert counted.origin is not None
    second = counted.object("clicks", "day_1.parquet")
    counted.origin.misbehave(second, always=Status(404))
    with pytest.raises(ConflictError, match=r"day_1\.parquet"):
        session.warm(version, "test")
    assert_unpublished(session, version)
    counted.origin.misbehave(second)
    first = counted.gets("clicks", "day_0.parquet")
    warmed = session.warm(version, "test")
    assert_reads(warmed.path, ["price", "site"])
    assert counted.gets("clicks", "day_0.parquet") == first
    assert warmed.moved_bytes == (warmed.path / "day_1.parquet").stat().st_size
    assert_mended(session)


def test_ONE_FILL_many_ask_for_the_same_columns_at_once(counted: Stage) -> None:
    counted.add("clicks", FILES)
    sessions = [counted.session() for _ in range(4)]
    before = sent(counted)

    def warm(session: Session) -> int:
        with opened(session, ["price"]) as some:
            assert_reads(some.path, ["price"])
            return some.moved_bytes

    with ThreadPoolExecutor(4) as pool:
        moved = list(pool.map(warm, sessions))
    (replica,) = sessions[0].cache.replicas()
    assert sorted(moved)[:-1] == [0, 0, 0]
    assert max(moved) == replica.size_bytes
    assert sent(counted) - before < replica.size_bytes + 4 * 2 * (64 << 10) + 20_000, "each may look for the footers"
    assert_mended(sessions[0])


def test_without_an_etag_ranges_of_two_objects_could_meet_so_it_stays_whole(counted: Stage) -> None:
    version = counted.add("clicks", FILES)
    item = LakeObject(
        path="day_0.parquet",
        key="clicks/day_0.parquet",
        etag="",
        version_id="",
        size_bytes=len(FILES["day_0.parquet"]),
    )
    store = counted.session().open_lake(version)
    for content_addressed in (False, True):
        found = plan_cuts(store, [item], ["price"], [], streams=2, content_addressed=content_addressed)
        assert bool(found) is content_addressed


def test_a_forecast_counts_only_what_would_move(counted: Stage) -> None:
    counted.add("clicks", FILES)
    session = counted.session()
    version = resolve(session, "clicks@v1", Selection.of(columns=["label"]))
    planned = forecast(session, version)
    warmed = session.warm(version, "test")
    assert (planned.move_files, planned.move_bytes) == (2, warmed.moved_bytes)
    assert planned.move_bytes < 60_000


def test_VERIFIED_two_cuts_of_one_object_that_have_one_size_are_not_the_same() -> None:
    """Both have the key, the etag and the size in common, and are nevertheless two files."""
    sink = io.BytesIO()
    values = {name: pa.array(range(first, first + 1000), pa.int32()) for name, first in (("one", 5000), ("two", 7000))}
    text = pa.array([f"{row:0500}" for row in range(1000)])
    pq.write_table(pa.table({**values, "text": text}), sink, compression="none", use_dictionary=False)
    with Stage() as stage:
        stage.add("clicks", {"a.parquet": sink.getvalue(), "b.parquet": sink.getvalue()})
        session = stage.session()
        sizes = set()
        for name, include in (("one", None), ("two", None), ("two", "a*")):
            with opened(session, [name], include=include) as part:
                sizes.add((part.path / "a.parquet").stat().st_size)
                found = pq.read_table(part.path / "a.parquet").column(name).combine_chunks()
                assert found == values[name]
        assert len(sizes) == 1, "or this tests nothing"
        assert sizes.pop() < 20_000, "it was cut"
        assert_mended(session)
