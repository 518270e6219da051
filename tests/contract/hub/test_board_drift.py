"""Versions whose values drifted, on both databases: reckoned when previews are kept, told to who may open them."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from forebay.catalog import schema as t
from forebay.catalog.engine import reading as reading_of
from forebay.catalog.manifest import Entry, Manifest
from forebay.hub import preview_drift
from forebay.hub.access.rules import Person
from forebay.hub.access.store import AccessStore
from forebay.hub.board import care
from forebay.hub.board.drifting import Drifting, drifting
from forebay.hub.board.sight import sight_of
from forebay.hub.local import LocalHub
from forebay.testing.cached import FakeClock
from forebay.testing.cached.world import add_version
from forebay.wire.access import DatasetPolicy, Role
from forebay.wire.catalog import Version
from forebay.wire.previews import ColumnPreview, Histogram, PreviewDone, PreviewKind, TablePreview
from tests.contract.hub.sited import Agent, ready

ROOT = Person(user="root", role=Role.ADMIN)
EDGES = (0.0, 1.0, 2.0, 3.0)
LOW, HIGH, LOWER = (900, 90, 10), (10, 90, 900), (850, 130, 20)


def table(counts: tuple[int, ...], column: str = "price") -> TablePreview:
    """A file with one column of 1,000 values."""
    made = ColumnPreview(name=column, type="double", histogram=Histogram(edges=EDGES, counts=counts))
    return TablePreview(size_bytes=100, columns=(made,), sample=(), seen_rows=1000, rows=1000)


class Board:
    """Versions of `clicks` with two files, ready at a site whose agent tells what a test wants."""

    def __init__(self, hub: LocalHub, clock: FakeClock) -> None:
        self.hub, self.clock = hub, clock
        self.access = AccessStore(hub.engine, clock)
        self.dgx = Agent(hub=hub, site="dgx").attach()

    def add(self, etag: str, dataset: str = "clicks", *, is_there: bool = True) -> Version:
        entries = [Entry(path=path, size_bytes=10, etag=etag) for path in ("a.parquet", "b.parquet")]
        version = add_version(self.hub, dataset, Manifest.registered(entries), "file:///lake")
        if is_there:
            ready(self.hub, self.dgx.volume_id, version)
        return version

    def look(self, version: Version, counts: tuple[int, ...], path: str = "a.parquet", column: str = "price") -> None:
        self.clock.pass_by(1.0)
        self.hub.previews.ask(version.ref, PreviewKind.TABLE, path)
        (order,) = self.hub.sites.orders("dgx", self.dgx.token, 0, 0.0).previews
        done = PreviewDone(preview_id=order.preview_id, token=order.token, table=table(counts, column))
        self.hub.previews.done("dgx", self.dgx.token, done)

    def see(self, who: Person = ROOT, limit: int = 8) -> list[Drifting]:
        with reading_of(self.hub.engine) as connection:
            return drifting(connection, sight_of(connection, who), limit)

    def told(self, who: Person = ROOT) -> list[tuple[int, int, str]]:
        return [(item.number, item.before, item.path) for item in self.see(who)]


@pytest.fixture
def board(embedded: LocalHub, clock: FakeClock) -> Board:
    return Board(embedded, clock)


@pytest.fixture
def drifted(board: Board) -> Board:
    for number, counts in enumerate((LOW, HIGH), 1):
        board.look(board.add(f"v{number}"), counts)
    return board


def test_a_version_that_drifted_is_told_with_its_column(drifted: Board) -> None:
    (found,) = drifted.see()
    assert (found.dataset, found.number, found.before, found.path) == ("clicks", 2, 1, "a.parquet")
    assert (found.column, found.columns) == ("price", 1)
    assert found.psi > 1
    assert found.since == drifted.clock.now()


def test_one_that_is_steady_is_not(board: Board) -> None:
    for number, counts in enumerate((LOW, LOWER), 1):
        board.look(board.add(f"v{number}"), counts)
    assert board.see() == []


def test_looks_may_come_in_any_order_and_leave_versions_out(board: Board) -> None:
    first, second, third = (board.add(f"v{number}") for number in (1, 2, 3))
    board.look(third, HIGH)
    assert board.told() == []
    board.look(first, LOW)
    assert board.told() == [(3, 1, "a.parquet")]
    board.look(second, HIGH)
    assert board.told() == []


def test_a_later_version_that_was_looked_into_is_the_news(drifted: Board) -> None:
    third = drifted.add("v3")
    assert drifted.told() == [(2, 1, "a.parquet")]
    drifted.look(third, HIGH)
    assert drifted.told() == []


def test_of_a_version_the_farthest_column_of_all_its_files_is_told(drifted: Board) -> None:
    versions = [drifted.hub.catalog.resolve(f"clicks@v{number}") for number in (1, 2)]
    for version, counts in zip(versions, ((1000, 0, 0), (0, 0, 1000)), strict=True):
        drifted.look(version, counts, "b.parquet", "age")
    assert [(item.path, item.column) for item in drifted.see()] == [("b.parquet", "age")]


def test_a_manifest_that_comes_again_as_a_later_version_is_compared_there(drifted: Board) -> None:
    again = drifted.add("v1")
    assert again.number == 3
    drifted.hub.previews.ask(again.ref, PreviewKind.TABLE, "a.parquet")
    assert drifted.told() == [(3, 2, "a.parquet")]


def test_what_is_retired_switched_off_or_bound_to_sites_is_not_told(drifted: Board) -> None:
    drifted.hub.retention.retire("clicks", 2, "no use", "root")
    assert drifted.see() == []
    drifted.hub.retention.restore("clicks", 2, "root")
    assert drifted.told() == [(2, 1, "a.parquet")]
    drifted.access.set_policy(DatasetPolicy(dataset="clicks", sites=("dgx",)))
    assert drifted.see() == []
    drifted.access.set_policy(DatasetPolicy(dataset="clicks"))
    assert len(drifted.see()) == 1
    drifted.hub.previews.switch("clicks", False)
    assert drifted.see() == []


def test_another_dataset_with_such_files_has_its_own(board: Board) -> None:
    board.look(board.add("v1"), LOW)
    board.look(board.add("v2", "other"), HIGH)
    assert board.see() == []


def test_PRIVATE_it_is_told_to_who_may_open_the_dataset(board: Board) -> None:
    board.access.add_user("ada", Role.SCIENTIST)
    board.access.join_team("ads", ["ada"])
    versions = [board.add(f"v{number}", is_there=False) for number in (1, 2)]
    board.access.set_policy(DatasetPolicy(dataset="clicks", read=("ads",)))
    for version, counts in zip(versions, (LOW, HIGH), strict=True):
        ready(board.hub, board.dgx.volume_id, board.hub.catalog.resolve(version.ref))
        board.look(version, counts)
    ads = frozenset({"ads"})
    assert board.told(Person(user="ada", role=Role.SCIENTIST, teams=ads)) == [(2, 1, "a.parquet")]
    assert board.told(Person(user="eve", role=Role.ENGINEER)) == []
    assert board.told(Person(user="vera", role=Role.VIEWER, teams=ads)) == []
    assert board.told(Person(user="ada", role=Role.SCIENTIST, teams=ads, only=frozenset({"maps"}))) == []


def test_the_page_reads_what_was_reckoned(drifted: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_look(*_: object) -> None:
        raise AssertionError("a page unpacks no preview")

    monkeypatch.setattr("forebay.hub.preview_rows.unpacked", no_look)
    with reading_of(drifted.hub.engine) as connection:
        found = care.care(connection, sight_of(connection, ROOT), (), drifted.clock.now())
        elsewhere = care.care(connection, sight_of(connection, ROOT), (), drifted.clock.now(), of_hub=False)
    assert [item.number for item in found.drifting] == [2]
    assert (found.count, elsewhere.count) == (1, 0)


def test_to_reckon_again_changes_nothing_and_of_none_there_is_nothing(drifted: Board) -> None:
    def rows() -> list[tuple[object, ...]]:
        names = ("preview_id", "drift_psi", "drift_column", "drift_columns", "drift_from")
        with reading_of(drifted.hub.engine) as connection:
            query = sa.select(*(t.preview.c[name] for name in names)).order_by(t.preview.c.number)
            return [tuple(row) for row in connection.execute(query)]

    before = rows()
    assert [row[-1] for row in before] == [0, 1]
    for preview_id in (*(str(row[0]) for row in before), "no-such-preview"):
        preview_drift.reckon(drifted.hub.engine, preview_id)
    assert rows() == before
