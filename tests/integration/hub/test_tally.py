"""Rows are counted once each, in whatever order they come to light and however the reading is cut into pieces."""

from __future__ import annotations

from dataclasses import replace

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from forebay.cache.policy import Candidate, Policy, Rule, TeamQuota, decide
from forebay.catalog import schema as t
from forebay.catalog.engine import migrate, open_engine, reading, writing
from forebay.hub.metrics.counted import OTHER, REASONS
from forebay.hub.metrics.tally import SETTLED_SECONDS, Tally
from forebay.wire.cache import Quota
from tests.unit.cache.test_policy import (
    REPLICA,
    byte_counts,
    candidates,
    columns,
    decided,
    policies,
    shared,
    within,
)

NOW = 1_800_000_000.0


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> sa.Engine:
    made = open_engine(f"sqlite:///{tmp_path_factory.mktemp('tally')}/hub.db")
    migrate(made)
    return made


def add(engine: sa.Engine, rows: list[tuple[int, float, str, int]]) -> None:
    with writing(engine) as connection:
        for number, at, volume, size in rows:
            values = {"event_id": number, "at": at, "volume_id": volume, "ref": "", "event": "e", "reason": ""}
            connection.execute(sa.insert(t.event).values(**values, size_bytes=size))


def tally(chunk: int) -> Tally:
    return Tally(
        t.event.c.event_id, t.event.c.at, keys=(t.event.c.volume_id,), sums=(t.event.c.size_bytes,), chunk=chunk
    )


@settings(max_examples=50)
@given(
    batches=st.lists(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 9), st.integers(1, 3)), max_size=8)),
    pause=st.floats(0, 2 * SETTLED_SECONDS),
    chunk=st.integers(1, 5),
)
def test_it_is_what_counting_all_at_once_would_give(
    engine: sa.Engine, batches: list[list[tuple[str, int, int]]], pause: float, chunk: int
) -> None:
    with writing(engine) as connection:
        connection.execute(sa.delete(t.event))
    counted, number, now = tally(chunk), 0, NOW
    for batch in batches:
        rows = []
        for volume, size, step in batch:
            number += step
            rows.append((number, now, volume, size))
        # Those that were begun first come to light last, as they may on PostgreSQL.
        late, now = rows[:1], now + 1
        add(engine, rows[1:])
        with reading(engine) as connection:
            counted.read(connection, now)
        add(engine, late)
        now += pause
        with reading(engine) as connection:
            found = counted.read(connection, now)
            while found is None:
                found = counted.read(connection, now)
            c = t.event.c
            whole = sa.select(c.volume_id, sa.func.count(), sa.func.sum(c.size_bytes)).group_by(c.volume_id)
            assert found == {(row[0],): (row[1], row[2]) for row in connection.execute(whole)}


def test_a_long_table_is_counted_bit_by_bit_and_told_when_it_is_whole(engine: sa.Engine) -> None:
    with writing(engine) as connection:
        connection.execute(sa.delete(t.event))
    add(engine, [(number, NOW - 1000, "a", 1) for number in range(1, 26)])
    counted = tally(chunk=1)
    with reading(engine) as connection:
        assert [counted.read(connection, NOW) for _ in range(3)] == [None, None, {("a",): (25.0, 25.0)}]


def test_a_database_that_was_put_back_is_counted_anew(engine: sa.Engine) -> None:
    with writing(engine) as connection:
        connection.execute(sa.delete(t.event))
    counted = tally(chunk=100)
    add(engine, [(number, NOW - 1000, "a", 1) for number in range(1, 11)])
    with reading(engine) as connection:
        assert counted.read(connection, NOW) == {("a",): (10.0, 10.0)}
    with writing(engine) as connection:
        connection.execute(sa.delete(t.event).where(t.event.c.event_id > 4))
    with reading(engine) as connection:
        assert counted.read(connection, NOW) == {("a",): (4.0, 4.0)}


def kind_of(engine: sa.Engine, reason: str) -> str:
    found = sa.case(*((sa.literal(reason).like(like), rule) for like, rule in REASONS.items()), else_=OTHER)
    with reading(engine) as connection:
        return str(connection.execute(sa.select(found)).scalar())


@settings(max_examples=60)
@given(candidates(), policies, byte_counts, byte_counts)
def test_every_reason_that_the_policy_words_has_its_kind(
    engine: sa.Engine, found: list[Candidate], policy: Policy, used: int, missing: int
) -> None:
    for decision in decided(found, policy, used, missing).going:
        assert kind_of(engine, decision.reason) == decision.rule


def test_the_kinds_of_reasons_that_others_word(engine: sa.Engine) -> None:
    quota = Quota(volume_id="v", team="ads", limit_bytes=1)
    mine = Candidate(replica=replace(REPLICA, team="ads"), alone_bytes=100)
    held = {mine.replica.ref: {"a": 100}}
    over = TeamQuota(quota=quota, held_bytes=100, trial=within([mine], shared(held)))
    found = columns([mine], shared(held))
    decisions = decide(found, Policy(), used_bytes=0, limit_bytes=4000, missing_bytes=0, now=NOW, quotas=[over])
    (gone,) = decisions.going
    assert gone.rule is Rule.QUOTA
    assert kind_of(engine, gone.reason) == Rule.QUOTA
    assert kind_of(engine, "ada asked for it") == Rule.ASKED
    assert kind_of(engine, "a word of a release to come") == OTHER
