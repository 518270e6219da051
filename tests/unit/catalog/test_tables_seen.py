"""Which tables were read and written: nothing is missed, and a beat is no news."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy import Engine

from forebay.catalog import schema as t
from forebay.catalog.engine import migrate, open_engine, reading, writing
from forebay.catalog.tables_seen import ELSEWHERE, TablesWritten, tables_of, written_by


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = open_engine(f"sqlite:///{tmp_path}/hub.db")
    migrate(made)
    yield made
    made.dispose()


def test_a_write_counts_once_it_is_there_for_others(engine: Engine) -> None:
    tables = TablesWritten(engine)
    with writing(engine) as connection:
        connection.execute(sa.insert(t.team).values(name="ads"))
        assert "team" not in tables.counts()
    assert tables.counts()["team"] == 1
    with writing(engine) as connection:
        connection.execute(sa.delete(t.team))
        connection.execute(sa.update(t.site).values(seen_at=1.0))
    counts = tables.counts()
    assert counts["team"] == 2
    assert "site" not in counts


@pytest.mark.parametrize(
    ("statement", "table"),
    [
        ("INSERT INTO event (a) VALUES (?)", "event"),
        ("INSERT OR IGNORE INTO event (a) VALUES (?)", "event"),
        ('DELETE FROM "use" WHERE a = ?', "use"),
        ("UPDATE site SET seen_at=? WHERE site.name = ?", ""),
        ("UPDATE site SET seen_at=?, state=? WHERE site.name = ?", "site"),
        ("UPDATE attempt SET held_until=:until WHERE attempt.site = :site", ""),
        ("UPDATE run SET held_until=? WHERE run.site = ?", "run"),
        ("UPDATE volume SET used_bytes=(volume.used_bytes + ?)", "volume"),
        ("SELECT 1 FROM site", None),
        ("BEGIN IMMEDIATE", None),
    ],
)
def test_what_a_statement_writes(statement: str, table: str | None) -> None:
    assert written_by(statement) == table


def test_reads_are_found_wherever_in_a_query_the_table_is() -> None:
    waits = sa.select(t.lease.c.lease_id).where(t.lease.c.version_id == t.replica.c.version_id).exists()
    sums = sa.select(t.version.c.dataset_id, sa.func.count().label("n")).group_by(t.version.c.dataset_id).subquery()
    query = (
        sa.select(t.dataset.c.name, sums.c.n, sa.select(sa.func.max(t.event.c.event_id)).scalar_subquery())
        .join(sums, sums.c.dataset_id == t.dataset.c.dataset_id)
        .outerjoin(t.replica, waits)
        .where(t.dataset.c.name.in_(sa.select(t.site.c.name)))
    )
    assert tables_of(query) == {"lease", "replica", "version", "dataset", "event", "site"}


def test_reads_are_gathered_for_who_asked_alone(engine: Engine) -> None:
    tables = TablesWritten(engine)
    with tables.reading() as found, reading(engine) as connection:
        connection.execute(sa.select(t.team.c.name))
    with tables.reading() as again, reading(engine) as connection:
        connection.execute(sa.select(t.team.c.name))
    assert again == found == {"team", ELSEWHERE}
    with reading(engine) as connection:
        connection.execute(sa.select(t.site.c.name))
    assert found == {"team", ELSEWHERE}


def test_that_another_process_wrote_something_is_seen(engine: Engine, tmp_path: Path) -> None:
    tables = TablesWritten(engine)
    with writing(engine) as connection:
        connection.execute(sa.insert(t.team).values(name="ads"))
    assert ELSEWHERE not in tables.counts(), "that was this one"
    told = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('DELETE FROM team'); c.commit()"
    subprocess.run([sys.executable, "-c", told, str(tmp_path / "hub.db")], check=True)
    assert tables.counts()[ELSEWHERE] == 1
    assert tables.counts()[ELSEWHERE] == 1


def test_what_this_process_is_writing_is_not_taken_for_anothers(engine: Engine) -> None:
    tables = TablesWritten(engine)
    with engine.connect() as connection:
        with connection.begin():
            connection.execute(sa.insert(t.team).values(name="ads"))
            tables.counts()
        tables.counts()
    tables.counts()
    assert ELSEWHERE not in tables.counts()
