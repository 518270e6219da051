"""Who waits for a page goes first."""

from __future__ import annotations

import itertools
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa

from forebay.catalog.engine import open_engine, reading
from forebay.hub.foreground import Foreground, before_questions

_LONG_S = 60.0


def test_work_stands_aside_until_the_last_page_is_there() -> None:
    foreground, done = Foreground(), threading.Event()
    stand_aside = foreground.aside(_LONG_S)
    begun = threading.Event()

    def work() -> None:
        begun.set()
        stand_aside()
        done.set()

    with foreground.answering():
        with foreground.answering():
            worker = threading.Thread(target=work)
            worker.start()
            assert begun.wait(_LONG_S)
            assert not done.wait(0.05)
        assert not done.wait(0.05)
    assert done.wait(_LONG_S)
    worker.join()


def test_nobody_is_answered_and_it_goes_on_at_once() -> None:
    foreground = Foreground()
    with foreground.answering():
        pass
    foreground.aside(_LONG_S)()


def test_a_page_that_fails_is_over_too() -> None:
    foreground = Foreground()
    try:
        with foreground.answering():
            raise KeyError("x")
    except KeyError:
        pass
    foreground.aside(_LONG_S)()


def test_it_stands_aside_only_so_long_in_all(monkeypatch: pytest.MonkeyPatch) -> None:
    foreground, waits = Foreground(), []
    now = itertools.chain([0.0, 0.3, 1.0, 1.25])
    monkeypatch.setattr("forebay.hub.foreground.time.monotonic", lambda: next(now))
    monkeypatch.setattr(threading.Condition, "wait_for", lambda _, until, most_s: waits.append(round(most_s, 6)))
    stand_aside = foreground.aside(0.5)
    with foreground.answering():
        for _ in range(5):
            stand_aside()
    assert waits == [0.5, 0.2]


def test_it_is_called_before_each_question_on_that_connection_alone(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/hub.db")
    calls: list[int] = []
    with reading(engine) as connection:
        before_questions(connection, lambda: calls.append(1))
        connection.execute(sa.text("SELECT 1"))
        connection.execute(sa.text("SELECT 2"))
    assert len(calls) == 2
    with reading(engine) as connection:
        connection.execute(sa.text("SELECT 3"))
    assert len(calls) == 2
    engine.dispose()
