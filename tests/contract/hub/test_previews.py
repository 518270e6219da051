"""Previews on both databases and both faces: asked for, ordered, made, given up, tried again, switched off."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest
import sqlalchemy as sa

from forebay.catalog import schema as t
from forebay.catalog.engine import reading
from forebay.catalog.manifest import Entry, Manifest
from forebay.errors import ConflictError, InputError, NotAllowedError, NotFoundError, UnavailableError
from forebay.hub import previews as store
from forebay.hub.access.store import AccessStore
from forebay.hub.local import LocalHub
from forebay.previews.bounds import Bounds
from forebay.sites.previews import PATIENCE_S
from forebay.testing.cached import FakeClock
from forebay.testing.cached.world import add_version
from forebay.wire.access import DatasetPolicy
from forebay.wire.catalog import Version
from forebay.wire.hub import Hub
from forebay.wire.previews import (
    ROW_DIGEST_BYTES,
    ColumnPreview,
    FileRows,
    Histogram,
    ImagesPreview,
    PreviewDone,
    PreviewFiles,
    PreviewKind,
    PreviewOrder,
    PreviewState,
    RowsPreview,
    TablePreview,
    Thumbnail,
)
from forebay.wire.sites import SiteState
from tests.contract.hub.sited import Agent, Behind, pass_by, ready

TABLE, IMAGES, ROWS = PreviewKind.TABLE, PreviewKind.IMAGES, PreviewKind.ROWS
COLUMN = ColumnPreview(name="n", type="int64", histogram=Histogram(edges=(0.0, 1.0, 2.0), counts=(3, 4)))
FOUND = TablePreview(size_bytes=100, columns=(COLUMN,), sample=(("1",), (None,)), seen_rows=7, rows=7)


def files_of(*paths: str) -> Manifest:
    return Manifest.registered([Entry(path=path, size_bytes=10) for path in paths])


@pytest.fixture
def behind(hub: Hub, embedded: LocalHub) -> Behind:
    return Behind(hub, embedded)


@pytest.fixture
def clicks(hub: Hub) -> Version:
    paths = ("a/1.png", "a/2.jpg", "b.parquet", "c.tsv.gz", "readme.md")
    return add_version(hub, "clicks", files_of(*paths), "file:///lake")


@pytest.fixture
def dgx(behind: Behind, clicks: Version) -> Agent:
    """Its site has the version ready."""
    agent = Agent(behind, "dgx").attach()  # type: ignore[arg-type]
    ready(behind, agent.volume_id, clicks)  # type: ignore[arg-type]
    return agent


def looks(agent: Agent) -> tuple[PreviewOrder, ...]:
    return agent.hub.sites.orders(agent.site, agent.token, 0, 0.0).previews


def tell(agent: Agent, done: PreviewDone) -> None:
    agent.hub.previews.done(agent.site, agent.token, done)


def made(order: PreviewOrder, table: TablePreview = FOUND) -> PreviewDone:
    return PreviewDone(preview_id=order.preview_id, token=order.token, table=table)


def failed(order: PreviewOrder, *, retryable: bool = True) -> PreviewDone:
    return PreviewDone(
        preview_id=order.preview_id, token=order.token, kind="x", detail="too bad", todo="mend it", retryable=retryable
    )


def test_what_can_be_shown_is_found_by_its_name(behind: Behind, clicks: Version) -> None:
    assert behind.previews.files("clicks@v1") == PreviewFiles(
        tables=("b.parquet", "c.tsv.gz"), pictures=("a/1.png", "a/2.jpg"), all_tables=2, all_pictures=2
    )


def test_it_is_ordered_once_where_the_version_is_ready_and_then_kept(
    behind: Behind, dgx: Agent, clicks: Version
) -> None:
    asked = behind.previews.ask("clicks", TABLE, "b.parquet")
    assert (asked.state, asked.site, asked.ref) == (PreviewState.ORDERED, "dgx", "clicks@v1")
    assert behind.previews.ask("clicks@v1", TABLE, "b.parquet") == asked
    (order,) = looks(dgx)
    assert (order.ref, order.kind, order.paths) == ("clicks@v1", TABLE, ("b.parquet",))
    tell(dgx, made(order))
    assert looks(dgx) == ()
    for _ in range(2):
        kept = behind.previews.ask("clicks@v1", TABLE, "b.parquet")
        assert (kept.state, kept.table, kept.attempts) == (PreviewState.READY, FOUND, 1)


def test_new_orders_wake_the_agent(behind: Behind, dgx: Agent) -> None:
    before = behind.sites.orders("dgx", dgx.token, 0, 0.0).revision
    behind.previews.ask("clicks", TABLE, "b.parquet")
    assert behind.sites.orders("dgx", dgx.token, before, 0.0).revision > before


def test_pictures_come_with_the_next_ones(behind: Behind, dgx: Agent) -> None:
    behind.previews.ask("clicks", IMAGES, "a/1.png")
    (order,) = looks(dgx)
    assert order.paths == ("a/1.png", "a/2.jpg")
    data = base64.b64encode(b"x").decode()
    shown = tuple(Thumbnail(path=path, size_bytes=1, media_type="image/png", data=data) for path in order.paths)
    done = PreviewDone(preview_id=order.preview_id, token=order.token, images=ImagesPreview(thumbnails=shown))
    tell(dgx, done)
    assert behind.previews.ask("clicks", IMAGES, "a/1.png").images == ImagesPreview(thumbnails=shown)


def test_rows_are_counted_of_the_files_from_one_on(behind: Behind, dgx: Agent) -> None:
    behind.previews.ask("clicks", ROWS, "b.parquet")
    (order,) = looks(dgx)
    assert (order.kind, order.paths) == (ROWS, ("b.parquet", "c.tsv.gz"))
    digests = base64.b64encode(bytes(2 * ROW_DIGEST_BYTES)).decode()
    rows = RowsPreview(files=(FileRows(path="b.parquet", rows=2, digests=digests), FileRows(path="c.tsv.gz")))
    tell(dgx, PreviewDone(preview_id=order.preview_id, token=order.token, rows=rows))
    assert behind.previews.ask("clicks", ROWS, "b.parquet").rows == rows
    assert behind.previews.ask("clicks", TABLE, "b.parquet").state is PreviewState.ORDERED


def test_so_many_files_are_counted_at_once(hub: Hub, behind: Behind) -> None:
    deep = "/".join(["x" * 199] * 4)
    for name, paths, count in (
        ("many", [f"{number:05}.csv" for number in range(1200)], 1000),
        ("long", [f"{deep}/{number:0196}.csv" for number in range(150)], Bounds().counted_chars // 1000),
    ):
        version = add_version(hub, name, files_of(*paths), "file:///lake")
        agent = Agent(behind, name).attach()  # type: ignore[arg-type]
        ready(behind, agent.volume_id, version)  # type: ignore[arg-type]
        behind.previews.ask(name, ROWS, paths[0])
        assert looks(agent)[0].paths == tuple(paths[:count])


@pytest.mark.parametrize(
    "wrong",
    [
        (FileRows(path="b.parquet", rows=1),),
        (FileRows(path="b.parquet", rows=1, digests="!"), FileRows(path="c.tsv.gz")),
        (FileRows(path="b.parquet", rows=1, digests="AAAAAAAAAAAAAAAA"), FileRows(path="c.tsv.gz")),
        (FileRows(path="b.parquet", rows=-1), FileRows(path="c.tsv.gz")),
        None,
    ],
)
def test_counts_are_those_of_the_files_that_were_ordered(
    behind: Behind, dgx: Agent, wrong: tuple[FileRows, ...] | None
) -> None:
    behind.previews.ask("clicks", ROWS, "b.parquet")
    (order,) = looks(dgx)
    rows = None if wrong is None else RowsPreview(files=wrong)
    with pytest.raises(InputError) as caught:
        tell(dgx, PreviewDone(preview_id=order.preview_id, token=order.token, rows=rows))
    assert caught.value.kind == "bad-preview"


def test_nowhere_ready_it_says_so_and_is_ordered_as_soon_as_it_is(behind: Behind, clicks: Version) -> None:
    asked = behind.previews.ask("clicks", TABLE, "b.parquet")
    assert (asked.state, asked.site) == (PreviewState.WAITING, "")
    assert "ready" in asked.reason
    assert asked.unblock
    agent = Agent(behind, "dgx").attach()  # type: ignore[arg-type]
    assert behind.previews.ask("clicks", TABLE, "b.parquet").state is PreviewState.WAITING
    ready(behind, agent.volume_id, clicks)  # type: ignore[arg-type]
    assert behind.previews.ask("clicks", TABLE, "b.parquet").state is PreviewState.ORDERED


def test_a_failure_is_told_and_tried_again_later(behind: Behind, dgx: Agent, clock: FakeClock) -> None:
    behind.previews.ask("clicks", TABLE, "b.parquet")
    tell(dgx, failed(looks(dgx)[0]))
    asked = behind.previews.ask("clicks", TABLE, "b.parquet")
    assert (asked.state, asked.reason, asked.unblock) == (PreviewState.WAITING, "too bad", "mend it")
    assert asked.next_try_at > clock.now()
    pass_by(behind, clock, 31.0, dgx)  # type: ignore[arg-type]
    assert behind.previews.ask("clicks", TABLE, "b.parquet").state is PreviewState.ORDERED


def test_one_that_is_in_vain_is_tried_when_somebody_wants_it(behind: Behind, dgx: Agent, clock: FakeClock) -> None:
    behind.previews.ask("clicks", TABLE, "b.parquet")
    tell(dgx, failed(looks(dgx)[0], retryable=False))
    pass_by(behind, clock, 3700.0, dgx, step_s=20.0)  # type: ignore[arg-type]
    assert behind.previews.ask("clicks", TABLE, "b.parquet").state is PreviewState.FAILED
    assert behind.previews.ask("clicks", TABLE, "b.parquet", again=True).state is PreviewState.ORDERED


def test_a_silent_agent_is_not_waited_for(behind: Behind, dgx: Agent, clicks: Version, clock: FakeClock) -> None:
    aks = Agent(behind, "aks").attach()  # type: ignore[arg-type]
    behind.previews.ask("clicks", TABLE, "b.parquet")
    ready(behind, aks.volume_id, clicks)  # type: ignore[arg-type]
    pass_by(behind, clock, PATIENCE_S + 1, dgx, aks)  # type: ignore[arg-type]
    asked = behind.previews.ask("clicks", TABLE, "b.parquet")
    assert (asked.state, asked.site, asked.attempts) == (PreviewState.ORDERED, "aks", 1)
    assert looks(dgx) == ()


def test_a_site_that_goes_down_is_left_at_once(behind: Behind, dgx: Agent) -> None:
    behind.previews.ask("clicks", TABLE, "b.parquet")
    behind.sites.set_state("dgx", SiteState.DOWN, "new disks")
    assert behind.previews.ask("clicks", TABLE, "b.parquet").state is PreviewState.WAITING
    assert looks(dgx) == ()


def test_what_comes_late_or_from_another_changes_nothing(behind: Behind, dgx: Agent, clock: FakeClock) -> None:
    behind.previews.ask("clicks", TABLE, "b.parquet")
    (old,) = looks(dgx)
    pass_by(behind, clock, PATIENCE_S + 1, dgx)  # type: ignore[arg-type]
    behind.previews.ask("clicks", TABLE, "b.parquet")
    tell(dgx, made(old))
    aks = Agent(behind, "aks").attach()  # type: ignore[arg-type]
    (new,) = looks(dgx)
    assert new.token > old.token
    tell(aks, made(new))
    assert behind.previews.ask("clicks", TABLE, "b.parquet").state is PreviewState.ORDERED
    with pytest.raises(ConflictError) as caught:
        behind.previews.done("dgx", dgx.token - 1, made(new))
    assert caught.value.kind == "fenced"


@pytest.mark.parametrize(
    "wrong",
    [
        replace(FOUND, columns=(replace(COLUMN, histogram=Histogram(edges=(0.0, 0.0), counts=(1,))),)),
        replace(FOUND, columns=(replace(COLUMN, histogram=Histogram(edges=(0.0, 1.0), counts=(1, 2))),)),
        replace(FOUND, sample=tuple((str(n) * 5000,) for n in range(200))),
        None,
    ],
)
def test_what_was_not_ordered_is_refused(behind: Behind, dgx: Agent, wrong: TablePreview | None) -> None:
    behind.previews.ask("clicks", TABLE, "b.parquet")
    (order,) = looks(dgx)
    with pytest.raises(InputError) as caught:
        tell(dgx, PreviewDone(preview_id=order.preview_id, token=order.token, table=wrong))
    assert caught.value.kind == "bad-preview"
    assert looks(dgx) == (order,)


@pytest.mark.parametrize(
    "wrong",
    [
        Thumbnail(path="a/1.png", size_bytes=1, media_type="text/html", data="PGI+"),
        Thumbnail(path="a/1.png", size_bytes=1, media_type="image/png", data="no base64"),
        Thumbnail(path="b.parquet", size_bytes=1),
    ],
)
def test_pictures_are_pictures(behind: Behind, dgx: Agent, wrong: Thumbnail) -> None:
    behind.previews.ask("clicks", IMAGES, "a/2.jpg")
    (order,) = looks(dgx)
    images = ImagesPreview(thumbnails=(replace(wrong, path=wrong.path.replace("1.png", "2.jpg")),))
    with pytest.raises(InputError):
        tell(dgx, PreviewDone(preview_id=order.preview_id, token=order.token, images=images))


def test_files_that_are_not_there_or_of_another_kind_are_refused(behind: Behind, dgx: Agent) -> None:
    for kind, path, error in (
        (TABLE, "x.parquet", NotFoundError),
        (TABLE, "../b.parquet", NotFoundError),
        (TABLE, "a/1.png", InputError),
        (IMAGES, "readme.md", InputError),
        (PreviewKind.UNKNOWN, "b.parquet", InputError),
    ):
        with pytest.raises(error):
            behind.previews.ask("clicks", kind, path)
    assert looks(dgx) == ()


def test_switched_off_nothing_is_kept_and_nothing_made(behind: Behind, dgx: Agent, embedded: LocalHub) -> None:
    behind.previews.ask("clicks", TABLE, "b.parquet")
    (order,) = looks(dgx)
    tell(dgx, made(order))
    behind.previews.ask("clicks", TABLE, "c.tsv.gz")
    assert behind.previews.are_on("clicks")
    behind.previews.switch("clicks", False)
    behind.previews.switch("clicks", False)
    assert not behind.previews.are_on("clicks")
    assert looks(dgx) == ()
    assert rows_in(embedded) == 0
    for call in (lambda: behind.previews.ask("clicks", TABLE, "b.parquet"), lambda: behind.previews.files("clicks")):
        with pytest.raises(NotAllowedError) as caught:
            call()
        assert caught.value.kind == "previews-off"
    tell(dgx, made(order))
    assert rows_in(embedded) == 0
    behind.previews.switch("clicks", True)
    assert behind.previews.ask("clicks", TABLE, "b.parquet").state is PreviewState.ORDERED


def test_of_what_may_be_at_some_sites_only_the_hub_keeps_none(
    behind: Behind, dgx: Agent, embedded: LocalHub, clock: FakeClock
) -> None:
    behind.previews.ask("clicks", TABLE, "b.parquet")
    tell(dgx, made(looks(dgx)[0]))
    AccessStore(embedded.engine, clock).set_policy(DatasetPolicy(dataset="clicks", sites=("dgx",)))
    with pytest.raises(NotAllowedError) as caught:
        behind.previews.ask("clicks", TABLE, "b.parquet")
    assert caught.value.kind == "residency"
    tend(embedded, clock)
    assert rows_in(embedded) == 0


def test_another_dataset_with_the_same_files_shares_nothing(behind: Behind, dgx: Agent, hub: Hub) -> None:
    behind.previews.ask("clicks", TABLE, "b.parquet")
    tell(dgx, made(looks(dgx)[0]))
    paths = ("a/1.png", "a/2.jpg", "b.parquet", "c.tsv.gz", "readme.md")
    twin = add_version(hub, "twin", files_of(*paths), "file:///lake")
    assert twin.manifest_digest == hub.catalog.resolve("clicks").manifest_digest
    assert behind.previews.ask("twin", TABLE, "b.parquet").state is PreviewState.WAITING


def test_what_nobody_looks_at_goes_and_what_is_looked_at_stays(
    behind: Behind, dgx: Agent, embedded: LocalHub, clock: FakeClock
) -> None:
    for path in ("b.parquet", "c.tsv.gz"):
        behind.previews.ask("clicks", TABLE, path)
        for order in looks(dgx):
            tell(dgx, made(order))
    clock.pass_by(20 * 86400.0)
    behind.previews.ask("clicks", TABLE, "b.parquet")
    clock.pass_by(20 * 86400.0)
    tend(embedded, clock)
    assert rows_in(embedded) == 1
    assert behind.previews.ask("clicks", TABLE, "b.parquet").state is PreviewState.READY


def test_more_than_fits_is_not_kept(
    behind: Behind, dgx: Agent, embedded: LocalHub, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in ("b.parquet", "c.tsv.gz"):
        behind.previews.ask("clicks", TABLE, path)
        clock.pass_by(1.0)
    monkeypatch.setattr(store, "_KEPT_ROWS", 1)
    tend(embedded, clock)
    assert [order.paths for order in looks(dgx)] == [("c.tsv.gz",)]


def test_only_so_many_are_under_way(behind: Behind, dgx: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "_MOST_OPEN", 1)
    behind.previews.ask("clicks", TABLE, "b.parquet")
    with pytest.raises(UnavailableError) as caught:
        behind.previews.ask("clicks", TABLE, "c.tsv.gz")
    assert caught.value.kind == "too-many-previews"
    tell(dgx, made(looks(dgx)[0]))
    behind.previews.ask("clicks", TABLE, "c.tsv.gz")


def rows_in(hub: LocalHub) -> int:
    with reading(hub.engine) as connection:
        return int(connection.execute(sa.select(sa.func.count()).select_from(t.preview)).scalar_one())


def tend(hub: LocalHub, clock: FakeClock) -> None:
    clock.pass_by(601.0)
    hub.previews.tend()
