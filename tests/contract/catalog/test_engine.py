"""Opening, migrating and translating, on both databases."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.script import ScriptDirectory
from sqlalchemy import Engine

from forebay.catalog import schema as t
from forebay.catalog.engine import (
    HEAD,
    REVISION_TABLE,
    joining,
    migrate,
    once,
    open_engine,
    reading,
    revision,
    ride,
    writing,
)
from forebay.catalog.migrations.upgrade import config
from forebay.catalog.tables_seen import TablesWritten
from forebay.errors import (
    CapacityError,
    ConflictError,
    DamagedError,
    ForebayError,
    InputError,
    NotAllowedError,
    UnavailableError,
)
from forebay.testing.servers import Postgres


def _add_dataset(connection: sa.Connection, name: str) -> None:
    texts = dict.fromkeys(("access_group", "owner", "description", "team"), "")
    row = {**texts, "created_at": 0.0, "last_number": 0, "removed_at": 0.0}
    connection.execute(t.dataset.insert().values(name=name, **row))


def _add_datasets(connection: sa.Connection, count: int) -> None:
    for number in range(count):
        _add_dataset(connection, f"{number:0100d}")


def _names(engine: Engine) -> list[str]:
    with reading(engine) as connection:
        return list(connection.execute(sa.select(t.dataset.c.name).order_by(t.dataset.c.name)).scalars())


def test_head_is_the_newest_migration() -> None:
    assert ScriptDirectory.from_config(config()).get_current_head() == HEAD


def test_migrating_again_changes_nothing(engine: Engine) -> None:
    with writing(engine) as connection:
        _add_dataset(connection, "x")
    migrate(engine)
    assert _names(engine) == ["x"]


def test_many_that_migrate_at_once(database_url: str) -> None:
    ready = threading.Barrier(4)

    def start() -> None:
        engine = open_engine(database_url, busy_seconds=20)
        ready.wait()
        migrate(engine)
        engine.dispose()

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(start) for _ in range(4)]:
            done.result()
    engine = open_engine(database_url)
    with reading(engine) as connection:
        assert revision(connection) == HEAD
    engine.dispose()


def test_a_newer_database_is_refused(engine: Engine) -> None:
    with writing(engine) as connection:
        connection.execute(sa.text(f"UPDATE {REVISION_TABLE} SET version_num = '9999'"))
    with pytest.raises(ConflictError) as caught:
        migrate(engine)
    assert caught.value.kind == "database-newer"


def test_a_database_of_something_else_is_left_alone(database_url: str) -> None:
    engine = open_engine(database_url)
    with writing(engine) as connection:
        connection.execute(sa.text("CREATE TABLE version (what text)"))
    with pytest.raises(ConflictError) as caught:
        migrate(engine)
    assert caught.value.kind == "database-foreign"
    with reading(engine) as connection:
        assert sa.inspect(connection).get_table_names() == ["version"]
    engine.dispose()


def test_a_write_is_all_or_nothing(engine: Engine) -> None:
    def fail_midway() -> None:
        with writing(engine) as connection:
            _add_dataset(connection, "x")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_midway()
    assert _names(engine) == []


def test_reading_sees_one_snapshot(engine: Engine) -> None:
    with reading(engine) as connection:
        names = sa.select(t.dataset.c.name)
        assert connection.execute(names).all() == []
        with writing(engine) as other:
            _add_dataset(other, "x")
        assert connection.execute(names).all() == []
    assert _names(engine) == ["x"]


def test_rows_that_clash_are_a_conflict(engine: Engine) -> None:
    def twice() -> None:
        with writing(engine) as connection:
            _add_dataset(connection, "x")
            _add_dataset(connection, "x")

    with pytest.raises(ConflictError) as caught:
        twice()
    assert caught.value.kind == "row-conflict"
    with pytest.raises(ConflictError), writing(engine) as connection:
        connection.execute(t.tag.insert().values(dataset_id=77, name="x", version_id=77))


def test_a_child_process_gets_connections_of_its_own(engine: Engine) -> None:
    with writing(engine) as connection:
        _add_dataset(connection, "parent")

    def child() -> None:
        with writing(engine) as connection:
            _add_dataset(connection, "child")
        assert _names(engine) == ["child", "parent"]

    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    process.join(30)
    assert process.exitcode == 0
    assert _names(engine) == ["child", "parent"]


def test_opening_an_up_to_date_database_imports_no_alembic(engine: Engine) -> None:
    code = (
        "import sys; from forebay.catalog.engine import *; engine = open_engine(sys.argv[1]); migrate(engine);"
        "assert 'alembic' not in sys.modules; engine.dispose()"
    )
    url = engine.url.render_as_string(hide_password=False)
    subprocess.run([sys.executable, "-c", code, url], check=True)


@pytest.mark.parametrize("url", ["", "nonsense", "mysql://h/d", "sqlite://", "sqlite:///:memory:", "x://u:s3cret@[h"])
def test_urls_that_name_no_database(url: str) -> None:
    with pytest.raises(InputError) as caught:
        open_engine(url)
    assert caught.value.kind == "bad-database-url"
    assert "s3cret" not in str(caught.value)


def test_a_server_that_is_away_is_named_without_its_password() -> None:
    engine = open_engine("postgresql://ada:s3cret@127.0.0.1:1/forebay", busy_seconds=2)
    with pytest.raises(UnavailableError) as caught:
        migrate(engine)
    assert caught.value.kind == "database-away"
    assert "127.0.0.1:1/forebay" in caught.value.message
    assert "s3cret" not in f"{caught.value!r} {caught.value.__cause__!r} {engine!r}"


def test_a_server_that_refuses(postgres_server: Any) -> None:
    engine = open_engine(postgres_server.url("no_such_database"))
    with pytest.raises(ForebayError) as caught:
        migrate(engine)
    assert caught.value.kind in {"database-missing", "database-away"}
    assert "no_such_database" in caught.value.message


def test_a_locked_file_is_busy(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/f.db"
    holder, other = open_engine(url), open_engine(url, busy_seconds=0.05)
    migrate(holder)
    with writing(holder), pytest.raises(UnavailableError) as caught, writing(other):
        pass
    assert caught.value.kind == "database-busy"
    with writing(other) as connection:
        _add_dataset(connection, "x")
    for engine in (holder, other):
        engine.dispose()


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "f.db").write_bytes(b"certainly not a database" * 100)
    engine = open_engine(f"sqlite:///{tmp_path}/f.db")
    with pytest.raises(DamagedError) as caught:
        migrate(engine)
    assert caught.value.kind == "database-damaged"


def test_a_full_disk_and_a_read_only_file(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/f.db")
    migrate(engine)
    with engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(CapacityError) as full, writing(engine) as connection:
        _add_datasets(connection, 2000)
    assert full.value.kind == "database-full"
    engine.dispose()
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA query_only = ON")
    with pytest.raises(NotAllowedError) as refused, writing(engine) as connection:
        _add_dataset(connection, "x")
    assert refused.value.kind == "database-read-only"
    engine.dispose()


def test_a_folder_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("")
    with pytest.raises(NotAllowedError) as caught:
        open_engine(f"sqlite:///{tmp_path}/a/f.db")
    assert caught.value.kind == "database-folder"


def _begun(engine: Engine) -> list[object]:
    """Grows with every transaction."""
    found: list[object] = []
    sa.event.listen(engine, "begin", found.append)
    return found


def test_joined_reads_are_one_snapshot_until_something_is_written(engine: Engine) -> None:
    begun = _begun(engine)
    with joining():
        assert _names(engine) == []
        with ThreadPoolExecutor(1) as other:
            other.submit(_write, engine, "b").result()
        assert _names(engine) == []
        assert len(begun) == 2, "the reads' and the other thread's"
        _write(engine, "a")
        assert _names(engine) == ["a", "b"]
    _write(engine, "c")
    assert _names(engine) == ["a", "b", "c"]


def _once_names(engine: Engine, asked: list[str], key: str = "names") -> list[str]:
    """Their names; `asked` grows where the database was asked."""

    def read() -> list[str]:
        asked.append(key)
        return list(connection.execute(sa.select(t.dataset.c.name).order_by(t.dataset.c.name)).scalars())

    with reading(engine) as connection:
        return once(connection, key, read)


def test_a_snapshot_is_asked_the_same_only_once(engine: Engine) -> None:
    asked = list[str]()
    with joining():
        assert _once_names(engine, asked) == _once_names(engine, asked) == []
        assert _once_names(engine, asked, "others") == []
        assert asked == ["names", "others"]
        _write(engine, "a")
        assert _once_names(engine, asked) == _once_names(engine, asked) == ["a"]
        assert asked == ["names", "others", "names"]
        with pytest.raises(ZeroDivisionError), reading(engine) as connection:
            once(connection, "wrong", lambda: 1 // 0)
        assert _once_names(engine, asked) == ["a"], "a new snapshot after one that failed"
        assert len(asked) == 4


def test_what_may_change_meanwhile_is_asked_each_time(engine: Engine) -> None:
    asked = list[str]()
    for _ in range(2):
        _once_names(engine, asked)
    assert len(asked) == 2, "two snapshots"
    with joining(to_write=True):
        assert _once_names(engine, asked) == []
        _write(engine, "a")
        assert _once_names(engine, asked) == ["a"]
    with joining(), writing(engine) as connection:
        assert once(connection, "names", lambda: _count(connection)) == 1
        _add_dataset(connection, "b")
        assert once(connection, "names", lambda: _count(connection)) == 2


def _count(connection: sa.Connection) -> int:
    return int(connection.execute(sa.select(sa.func.count()).select_from(t.dataset)).scalar_one())


def test_whoever_is_given_what_was_read_before_stands_on_its_tables_too(engine: Engine) -> None:
    tables = TablesWritten(engine)
    with joining():
        _once_names(engine, [])
        with tables.reading() as read:
            assert _once_names(engine, []) == []
        assert "dataset" in read
        with tables.reading() as read:
            pass
        assert "dataset" not in read


def test_a_task_that_is_to_write_reads_and_writes_in_one_transaction(engine: Engine) -> None:
    begun = _begun(engine)
    with joining(to_write=True):
        assert _names(engine) == []
        _write(engine, "a")
        assert len(begun) == 1
        with ThreadPoolExecutor(1) as other:
            assert other.submit(_names, engine).result() == ["a"], "what was written is there, before the task ends"
        _write(engine, "b")
    assert _names(engine) == ["a", "b"]


def test_a_task_that_is_to_write_leaves_nothing_of_what_failed(engine: Engine) -> None:
    def fail() -> None:
        with joining(to_write=True):
            ride(engine, lambda connection: _add_dataset(connection, "told"))
            assert _names(engine) == []
            with writing(engine) as connection:
                _add_dataset(connection, "done")
                raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert _names(engine) == ["told"]


def test_joined_reads_go_on_after_one_that_failed(engine: Engine) -> None:
    with joining():
        with pytest.raises(ForebayError), reading(engine) as connection:
            connection.execute(sa.text("SELECT nonsense FROM nowhere"))
        assert _names(engine) == []


def test_what_rides_is_in_the_transaction_of_the_next_write(engine: Engine) -> None:
    begun = _begun(engine)
    with joining():
        ride(engine, lambda connection: _add_dataset(connection, "told"))
        _write(engine, "done")
        assert len(begun) == 1
        assert _names(engine) == ["done", "told"]


def test_what_rides_is_written_once_also_when_what_it_rides_with_fails(engine: Engine) -> None:
    def fail() -> None:
        with joining():
            ride(engine, lambda connection: _add_dataset(connection, "told"))
            with writing(engine) as connection:
                _add_dataset(connection, "done")
                raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert _names(engine) == ["told"]


def test_what_rides_alone_is_written_at_the_end_or_at_once(engine: Engine) -> None:
    with joining():
        ride(engine, lambda connection: _add_dataset(connection, "a"))
    ride(engine, lambda connection: _add_dataset(connection, "b"))
    assert _names(engine) == ["a", "b"]


def test_a_connection_that_the_server_ended_is_replaced(postgres_server: Postgres) -> None:
    engine, other = (open_engine(postgres_server.new_database()) for _ in range(2))
    with reading(engine) as connection:
        mine = connection.execute(sa.text("SELECT pg_backend_pid()")).scalar_one()
    with writing(other) as connection:
        connection.execute(sa.text("SELECT pg_terminate_backend(:pid, 10000)"), {"pid": mine})
    with reading(engine) as connection:
        assert connection.execute(sa.text("SELECT pg_backend_pid()")).scalar_one() != mine
    engine.dispose()
    other.dispose()


def _write(engine: Engine, name: str) -> None:
    with writing(engine) as connection:
        _add_dataset(connection, name)
