"""A subset of a version: only its files are moved and seen; what it shares with others is moved once.

The lake is one that counts, or a folder where what matters is on the volume.
"""

from __future__ import annotations

import pytest

from forebay.cache.place import is_complete
from forebay.cache.selection import Selection
from forebay.client.commit import commit
from forebay.client.forecast import forecast
from forebay.client.keep import decide, evict_decided, explain
from forebay.client.opened import OpenedVersion, open_version
from forebay.client.session import Session
from forebay.client.subset import resolve
from forebay.errors import ConflictError, InputError
from forebay.fsio import Disk
from forebay.testing.cached.invariants import assert_all
from forebay.wire.cache import ReplicaState
from forebay.wire.catalog import Version
from tests.integration.cache.stage import Stage, assert_mended, contents

FILES = {f"day_{number:02}": bytes([number]) * 10_000 * (number + 1) for number in range(4)}
FILES |= {"test/day_00": b"t" * 500}


def opened(session: Session, include: str | list[str], ref: str = "clicks@v1") -> OpenedVersion:
    return open_version(session, ref, lambda progress, who: None, Selection.of(include=include))


def states(session: Session) -> dict[str, str]:
    return {replica.ref: replica.state.value for replica in session.cache.replicas()}


def test_only_the_selected_files_are_moved(counted: Stage) -> None:
    whole = counted.add("clicks", FILES)
    session = counted.session()
    with opened(session, ["day_00", "day_01"]) as days:
        assert contents(days.path) == {name: FILES[name] for name in ("day_00", "day_01")}
        assert days.files == ["day_00", "day_01"]
        assert days.moved_bytes == 30_000
        assert days.version.ref == "clicks@v1[day_00,day_01]"
        assert not session.cache.path(whole).exists(), "a subset never counts as the whole"
        assert session.hub.replicas.get(session.cache.volume_id, whole) is None
    with opened(session, "test") as folder:
        assert contents(folder.path) == {"test/day_00": FILES["test/day_00"]}
    assert [counted.gets("clicks", name) for name in FILES] == [1, 1, 0, 0, 1]
    assert opened(session, "day_00", "clicks").moved_bytes == 0
    assert_mended(session)


def test_a_tag_is_asked_once(counted: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    counted.add("clicks", FILES)
    session = counted.session()
    catalog = session.hub.catalog
    catalog.tag("clicks", "prod", 1, "me")
    counted.add("clicks", {"day_00": b"n" * 77})
    real = catalog.resolve

    def moving(ref: str) -> Version:
        found = real(ref)
        catalog.tag("clicks", "prod", 2, "me")
        return found

    monkeypatch.setattr(catalog, "resolve", moving)
    subset = resolve(session, "clicks@prod", Selection.of(include="day_00"))
    assert (subset.ref, subset.size_bytes) == ("clicks@v1[day_00]", 10_000)


def test_ONE_FILL_growing_to_the_whole_moves_only_the_rest(counted: Stage) -> None:
    whole = counted.add("clicks", FILES)
    session = counted.session()
    opened(session, "day_0[01]").close()
    with opened(session, "day_0[12]") as overlapping:
        assert overlapping.moved_bytes == 30_000, "day_01 was there"
    planned = forecast(session, whole)
    assert (planned.move_files, planned.move_bytes, planned.present_bytes) == (2, 40_500, 60_000)
    with open_version(session, "clicks@v1", lambda progress, who: None) as everything:
        assert everything.moved_bytes == 40_500
        assert contents(everything.path) == FILES
    with opened(session, ["test", "day_03"]) as smaller:
        assert smaller.moved_bytes == 0
    assert [counted.gets("clicks", name) for name in FILES] == [1] * 5
    # All of it was learned piece by piece: the version is sealed, and its subsets hold the same bytes once.
    assert session.hub.catalog.resolve("clicks@v1").sealed
    assert session.cache.volume().used_bytes < 150_000
    assert_mended(session)


def test_a_subset_that_is_the_whole_is_the_whole(stage: Stage) -> None:
    whole = stage.add("clicks", FILES)
    session = stage.session()
    with opened(session, "**") as everything:
        assert everything.version == whole
    assert states(session) == {"clicks@v1": "ready"}


def test_an_empty_selection_moves_nothing_and_names_what_there_is(stage: Stage) -> None:
    stage.add("clicks", FILES)
    session = stage.session()
    with pytest.raises(InputError, match="day_9") as refused:
        opened(session, ["day_00", "day_9?"])
    assert "day_0" in refused.value.todo
    with pytest.raises(InputError) as twice:
        opened(session, "day_00", "clicks@v1[day_00]")
    assert twice.value.kind == "is-subset"
    assert states(session) == {}


def test_IN_USE_and_eviction_of_a_subset_beside_its_whole(stage: Stage) -> None:
    stage.add("clicks", FILES)
    session = stage.session()
    part = opened(session, "day_0[01]")
    everything = open_version(session, "clicks@v1", lambda progress, who: None)
    volume_id = session.cache.volume_id
    session.hub.replicas.pin(volume_id, part.version, "ada", "the paper", 0.0)
    part.close()
    everything.close()
    assert explain(session, part.version).reason.startswith("pinned by ada")
    assert explain(session, part.version).selects == "day_0[01]"
    assert "pinned" not in explain(session, everything.version).reason
    (gone,) = evict_decided(session, decide(session, [everything.version]))
    assert (gone.ref, gone.freed_bytes > 70_000, gone.freed_bytes < 100_000) == ("clicks@v1", True, True)
    assert contents(part.path) == {name: FILES[name] for name in ("day_00", "day_01")}
    session.hub.replicas.unpin(volume_id, part.version)
    (gone,) = evict_decided(session, decide(session, [part.version]))
    assert gone.error is None
    assert states(session) == {}
    assert_mended(session)
    with pytest.raises(ConflictError):
        decide(session, [part.version])


def test_RECOVERABLE_subsets_are_rebuilt_from_the_volume_alone(stage: Stage) -> None:
    stage.add("clicks", FILES)
    session = stage.session()
    opened(session, "day_0[01]").close()
    opened(session, "day_03").close()
    stage.close()
    for path in (stage.root / "home").glob("hub.db*"):
        path.unlink()
    after = stage.session()
    after.cache.recover()
    assert states(after) == {"clicks@v1[day_03]": "ready", "clicks@v1[day_0[01]]": "ready"}
    assert after.hub.catalog.versions("clicks") == [], "the volume holds no whole"
    with opened(after, "day_0[01]") as again:
        assert again.moved_bytes == 0
        assert contents(again.path) == {name: FILES[name] for name in ("day_00", "day_01")}
    assert_all(after.hub, after.cache)


@pytest.mark.parametrize("lost", ["complete.json", "the tree"])
def test_CRASH_a_lost_marker_or_tree_is_mended_by_recover(stage: Stage, lost: str) -> None:
    stage.add("clicks", FILES)
    session = stage.session()
    part = opened(session, "day_0[01]")
    part.close()
    opened(session, "day_02").close()
    disk = Disk()
    for folder in (part.path, part.path / ".forebay"):
        folder.chmod(0o755)
    if lost == "the tree":
        disk.remove_tree(part.path)
    else:
        disk.unlink(part.path / ".forebay" / lost)
    session.cache.recover(force=True)
    assert states(session).get(part.version.ref, "absent") != "ready"
    assert states(session)["clicks@v1[day_02]"] == "ready"
    with opened(session, "day_0[01]") as again:
        assert again.moved_bytes == 0, "its blobs were there"
    assert_mended(session)


def test_VERIFIED_a_damaged_file_is_bad_in_the_whole_and_in_its_subsets(stage: Stage) -> None:
    whole = stage.add("clicks", {**FILES, **{f"more_{number}": bytes([number, 1]) * 10 for number in range(30)}})
    session = stage.session()
    part = opened(session, "day_0[01]")
    other = opened(session, "day_02")
    part.close()
    other.close()
    session.warm(whole, "test")
    victim = part.path / "day_01"
    victim.chmod(0o644)
    victim.write_bytes(b"x" * victim.stat().st_size)
    session.cache.verify([part.version, whole], session.memo_folder, force=True)
    assert states(session) == {
        whole.ref: ReplicaState.DAMAGED.value,
        part.version.ref: ReplicaState.DAMAGED.value,
        other.version.ref: ReplicaState.READY.value,
    }
    assert not is_complete(part.path)
    assert session.warm(whole, "test").moved_bytes == 20_000
    with opened(session, "day_0[01]") as again:
        assert again.moved_bytes == 0
        assert contents(again.path) == {name: FILES[name] for name in ("day_00", "day_01")}


def test_a_subset_of_a_committed_version_needs_no_learning(stage: Stage) -> None:
    out = stage.root / "out"
    for name, data in FILES.items():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_bytes(data)
    session = stage.session()
    commit(session, "results", out, lake=stage.lake.as_uri(), keep=False)
    part = resolve(session, "results@v1", Selection.of(include="day_0*", exclude="day_00"))
    assert part.sealed
    assert part.ref == "results@v1[day_0*,!day_00]"
    warmed = session.warm(part, "test")
    assert warmed.moved_bytes == sum(len(FILES[name]) for name in ("day_01", "day_02", "day_03"))
    assert_mended(session)
