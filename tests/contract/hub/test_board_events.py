"""The last events of all kinds, on both databases: in the order of when they were, and nothing of what is hidden."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from forebay.catalog.engine import reading as reading_of
from forebay.catalog.manifest import Entry, Manifest
from forebay.hub.access.rules import Person
from forebay.hub.access.store import AccessStore
from forebay.hub.board.happened import Happened, OfVersion, happened
from forebay.hub.board.history import Event
from forebay.hub.board.places import places
from forebay.hub.board.running import Running
from forebay.hub.board.sight import sight_of
from forebay.hub.local import LocalHub
from forebay.testing.cached import FakeClock
from forebay.testing.cached.world import add_version
from forebay.wire.access import DatasetPolicy, Role
from forebay.wire.runs import Output
from tests.contract.hub.sited import Agent, reading, ready

ROOT = Person(user="root", role=Role.ADMIN)
EVE = Person(user="eve", role=Role.SCIENTIST)
ADA = Person(user="ada", role=Role.SCIENTIST)


class Board:
    """`clicks` for all, `secret` for ads, and a site. `ada` submits runs; she was of ads once."""

    def __init__(self, hub: LocalHub, clock: FakeClock) -> None:
        self.hub, self.clock = hub, clock
        access = AccessStore(hub.engine, clock)
        access.join_team("ads", [access.add_user("finn", Role.SCIENTIST).name])
        self.dgx = Agent(hub=hub, site="dgx", gpus=8).attach()
        for dataset in ("clicks", "secret"):
            self.add(dataset, 1)
        access.set_policy(DatasetPolicy(dataset="secret", read=("ads",)))

    def add(self, dataset: str, size: int) -> None:
        self.clock.pass_by(60.0)
        add_version(self.hub, dataset, Manifest.registered([Entry(path="a", size_bytes=size)]), "file:///lake")

    def submit(self, dataset: str, title: str, *makes: str) -> str:
        outputs = tuple(Output(name="out", dataset=name) for name in makes)
        return self.hub.runs.submit(reading(f"{dataset}@v1", title=title, outputs=outputs)).run_id

    def cancel(self, run_id: str) -> None:
        self.clock.pass_by(60.0)
        self.hub.runs.cancel(run_id, "a mistake", "ada")

    def told(self, who: Person, limit: int = 100) -> list[str]:
        with reading_of(self.hub.engine) as connection:
            sight = sight_of(connection, who)
            return list(_words(happened(connection, sight, places(connection, sight, self.clock.now()), limit)))


def _words(found: Iterable[Happened]) -> Iterable[str]:
    for item in found:
        match item:
            case Event():
                yield f"{item.line.event} {item.line.ref} at {item.place.name}"
            case Running():
                yield f"{item.state.value} {item.title}"
            case OfVersion():
                yield f"{item.what} {item.dataset}@v{item.number}: {item.why}"


@pytest.fixture
def board(embedded: LocalHub, clock: FakeClock) -> Board:
    return Board(embedded, clock)


def test_what_happened_last_comes_first_whatever_it_happened_to(board: Board) -> None:
    long, short = board.submit("clicks", "long"), board.submit("clicks", "short")
    board.submit("secret", "goes on")
    board.cancel(short)
    board.clock.pass_by(60.0)
    ready(board.hub, board.dgx.volume_id, board.hub.catalog.resolve("clicks@v1"))
    board.cancel(long)
    board.add("clicks", 2)
    board.clock.pass_by(60.0)
    board.hub.retention.retire("clicks", 1, "it is wrong", "olga")
    everything = [
        "retired clicks@v1: it is wrong",
        "registered clicks@v2: ",
        "cancelled long",
        "filled clicks@v1 at dgx",
        "cancelled short",
        "registered secret@v1: ",
        "registered clicks@v1: ",
    ]
    assert board.told(ROOT) == everything
    for limit in range(1, len(everything)):
        assert board.told(ROOT, limit) == everything[:limit]
    board.hub.retention.restore("clicks", 1, "olga")
    assert board.told(ROOT) == everything[1:]


def test_PRIVATE_nothing_is_told_of_a_hidden_dataset_nor_of_runs_on_it(board: Board) -> None:
    board.cancel(board.submit("clicks", "shown"))
    for _ in range(5):
        board.cancel(board.submit("secret", "reads"))
    board.cancel(board.submit("clicks", "makes", "secret"))
    board.add("secret", 2)
    board.hub.retention.retire("secret", 1, "it is wrong", "finn")
    ready(board.hub, board.dgx.volume_id, board.hub.catalog.resolve("secret@v2"))
    shown = ["cancelled shown", "registered clicks@v1: "]
    for limit in (1, 2, 100):
        assert board.told(EVE, limit) == shown[:limit]
    own = ["cancelled makes", *["cancelled reads"] * 5]
    assert board.told(ADA) == [*own, *shown], "whoever submitted a run still sees it"
    for limit in range(1, 6):
        assert board.told(ADA, limit) == own[:limit]
    assert len(board.told(ROOT)) == 12
