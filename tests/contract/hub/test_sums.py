"""What pages add up is kept until a table of it is written, for those with the same rights; as are sights; PRIVATE."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import sqlalchemy as sa

from forebay.catalog import schema as t
from forebay.catalog.engine import reading, writing
from forebay.catalog.tables_seen import TablesWritten
from forebay.hub.access.rights_mark import mark_of
from forebay.hub.access.rules import Person
from forebay.hub.access.store import AccessStore
from forebay.hub.board.keep import NEARLY_S, nearly
from forebay.hub.board.sight import Sight
from forebay.hub.local import LocalHub
from forebay.hub.web.sights import Sights
from forebay.hub.web.sums import Sums
from forebay.hub.web.unnamed import Unnamed
from forebay.testing.cached import FakeClock
from forebay.wire.access import DatasetPolicy, Role
from tests.contract.hub.conftest import new_version

ADA, OLGA = (Person(user=name, role=Role.SCIENTIST) for name in ("ada", "olga"))
OF_ADS = Person(user="carl", role=Role.SCIENTIST, teams=frozenset({"ads"}))


@dataclass
class Hall:
    """`clicks` is everybody's, `secret` of the team ads."""

    hub: LocalHub
    access: AccessStore
    tables: TablesWritten = field(init=False)
    sums: Sums = field(init=False)
    sights: Sights = field(default_factory=Sights)
    made: int = 0
    seconds: float = 0.0

    def __post_init__(self) -> None:
        self.tables = TablesWritten(self.hub.engine)
        self.sums = Sums(self.tables, lambda: self.seconds)

    def sight(self, person: Person) -> Sight:
        with reading(self.hub.engine) as connection:
            return self.sights.of(connection, person)

    def versions(self, person: Person, key: object = ()) -> int:
        """How many there are, as somebody sees it; `made` counts how often that was asked of the database."""
        written, sight = self.tables.counts(), self.sight(person)
        with reading(self.hub.engine) as connection:

            def make(sight: Sight) -> int:
                self.made += 1
                query = (
                    sa.select(sa.func.count())
                    .select_from(t.version)
                    .join(t.dataset, t.dataset.c.dataset_id == t.version.c.dataset_id)
                )
                return int(connection.execute(sight.narrow(query, t.dataset.c.name)).scalar_one())

            return self.sums.keep(sight, written)("versions", key, make)


@pytest.fixture
def hall(embedded: LocalHub, clock: FakeClock) -> Hall:
    access = AccessStore(embedded.engine, clock)
    for dataset in ("clicks", "secret"):
        new_version(embedded, dataset)
    access.join_team("ads", [])
    access.set_policy(DatasetPolicy(dataset="secret", read=("ads",)))
    return Hall(hub=embedded, access=access)


@pytest.fixture
def elsewhere(hall: Hall, tmp_path: Path, database_url: str, clock: FakeClock) -> Iterator[LocalHub]:
    """The same database, as another process has it."""
    hub = LocalHub.open(tmp_path / "home", database_url, clock)
    yield hub
    hub.close()


def test_a_sum_is_made_once_for_all_with_the_same_rights_until_a_table_of_it_is_written(hall: Hall) -> None:
    assert [hall.versions(person) for person in (ADA, OLGA, ADA)] == [1, 1, 1]
    assert hall.made == 1
    assert hall.versions(ADA, "another") == 1
    assert hall.made == 2
    new_version(hall.hub, "clicks", size_bytes=7)
    assert (hall.versions(OLGA), hall.versions(ADA), hall.made) == (2, 2, 3)
    hall.access.add_user("bob", Role.VIEWER)
    assert (hall.versions(ADA), hall.made) == (2, 3), "it has no user in it"


def test_PRIVATE_a_sum_goes_to_nobody_with_other_rights(hall: Hall) -> None:
    assert [hall.versions(person) for person in (OF_ADS, ADA, OF_ADS)] == [2, 1, 2]
    hall.access.join_team("maps", [])
    hall.access.set_policy(DatasetPolicy(dataset="clicks", read=("maps",)))
    assert [hall.versions(person) for person in (ADA, OF_ADS)] == [0, 1]


def test_what_another_process_writes_is_seen_in_a_while(hall: Hall, elsewhere: LocalHub) -> None:
    assert hall.versions(ADA) == 1
    new_version(elsewhere, "clicks", size_bytes=7)
    hall.seconds = NEARLY_S
    assert hall.versions(ADA) == 2


def test_what_depends_on_who_asks_is_refused(hall: Hall) -> None:
    keep = hall.sums.keep(hall.sight(ADA), hall.tables.counts())
    with pytest.raises(ValueError, match="who asks"):
        keep("mine", (), lambda sight: sight.user)
    with pytest.raises(ValueError, match="who asks"):
        keep("mine", (), lambda sight: sight.principal.is_called("olga"))


def test_who_is_shown_a_sum_is_not_asked_who_they_are(hall: Hall) -> None:
    one = Unnamed.of(ADA)
    keep = hall.sums.keep(hall.sight(one), hall.tables.counts())
    one.forget()
    assert [keep("number", (), lambda _: 7) for _ in range(2)] == [7, 7]
    assert one.stands_for_all


def test_who_reads_a_sum_reads_its_tables(hall: Hall) -> None:
    for _ in range(2):
        with hall.tables.reading() as read:
            hall.versions(ADA)
        assert {"version", "dataset"} <= set(read)
    assert hall.made == 1


def test_nothing_is_kept_where_nobody_said_what_was_written_before(hall: Hall) -> None:
    keep = hall.sums.keep(hall.sight(ADA), None)
    numbers = iter(range(2))
    assert [keep("number", (), lambda _: next(numbers)) for _ in range(2)] == [0, 1]


def test_moments_in_keys_are_rounded() -> None:
    assert nearly(100.0) == nearly(100.0 + NEARLY_S / 9) != nearly(100.0 + NEARLY_S)


def test_a_sight_is_found_out_once_for_all_with_the_same_rights_at_one_mark(
    hall: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[str] = []

    def looks(connection: sa.Connection, principal: Person) -> Sight:
        looked.append(Person.__dict__["user"].__get__(principal))
        return Sight(principal=principal, hidden=frozenset({"secret"}), datasets=frozenset({"clicks"}))

    monkeypatch.setattr("forebay.hub.web.sights.sight_of", looks)
    assert [hall.sight(person).user for person in (ADA, OLGA, OF_ADS, ADA)] == ["ada", "olga", "carl", "ada"]
    assert looked == ["ada", "carl"]
    hall.access.set_policy(DatasetPolicy(dataset="clicks", read=("ads",)))
    hall.sight(OLGA)
    assert looked == ["ada", "carl", "olga"]


def test_PRIVATE_who_owns_what_is_hidden_from_others_shares_no_sight(hall: Hall) -> None:
    with writing(hall.hub.engine) as connection:
        connection.execute(sa.update(t.dataset).where(t.dataset.c.name == "secret").values(owner="bob"))
    bob = Person(user="bob", role=Role.SCIENTIST)
    with reading(hall.hub.engine) as connection:
        mark = mark_of(connection)
        found = {person.user: hall.sights.of(connection, person, mark) for person in (ADA, bob, OLGA)}
    assert {user: sight.sees("secret") for user, sight in found.items()} == {"ada": False, "bob": True, "olga": False}
