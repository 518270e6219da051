"""What runs leave to be looked at, on both databases and by both faces: kept with the run, bounded, and for whom."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, cast

import pytest
import sqlalchemy as sa

from forebay.catalog import schema as t
from forebay.catalog.engine import reading as reading_of
from forebay.catalog.engine import writing
from forebay.errors import CapacityError, ConflictError, ForebayError, InputError, NotFoundError
from forebay.hub.api.keepsakes import get_keepsake
from forebay.hub.local import LocalHub
from forebay.hub.run_purge import Kept, purge
from forebay.testing.cached import FakeClock
from forebay.wire.hub import Hub
from forebay.wire.runs import KEEPSAKE_BYTES, MOST_KEEPSAKES, Keepsake, Run, RunState
from forebay.wire.sites import TaskKind, TaskState
from tests.contract.hub.sited import RUN, Agent, Behind, pass_by, reading
from tests.contract.hub.test_guarded_runs import ADA, AKS, AMY, BEN, DGX, ED, ROOT, VERA, Team, team_on

PAGE = b"<!doctype html><title>report</title>"


@pytest.fixture
def hub(hub: Hub, embedded: LocalHub) -> LocalHub:
    return cast(LocalHub, Behind(hub, embedded))


@pytest.fixture
def dgx(hub: LocalHub) -> Agent:
    return Agent(hub=hub, site="dgx").attach()


@pytest.fixture
def run(hub: LocalHub, dgx: Agent) -> Run:
    run = hub.runs.submit(RUN)
    dgx.tell(dgx.order(TaskKind.RUN), TaskState.UNDER_WAY)
    return run


def names(found: tuple[Keepsake, ...]) -> list[tuple[int, str, int]]:
    return [(item.attempt, item.name, item.size_bytes) for item in found]


def metrics(hub: LocalHub) -> list[tuple[int, str, float]]:
    m = t.run_metric.c
    query = sa.select(m.number, m.name, m.value).order_by(m.number, m.name)
    with reading_of(hub.engine) as connection:
        return [(number, name, value) for number, name, value in connection.execute(query)]


def test_what_was_left_is_listed_and_read_as_it_was(hub: LocalHub, run: Run) -> None:
    assert hub.runs.keepsakes(run.run_id) == ()
    first = hub.runs.keep(run.run_id, 1, 1, "report.html", PAGE)
    hub.runs.keep(run.run_id, 1, 1, "empty.json", b"")
    assert names(hub.runs.keepsakes(run.run_id)) == [(1, "empty.json", 0), (1, "report.html", len(PAGE))]
    assert hub.runs.keepsakes(run.run_id)[1] == first
    assert hub.runs.keepsake(run.run_id, 1, "report.html") == PAGE
    assert hub.runs.keepsake(run.run_id[:12], 1, "empty.json") == b""


def test_sent_again_it_changes_nothing_and_another_one_takes_its_place(
    hub: LocalHub, run: Run, clock: FakeClock
) -> None:
    first = hub.runs.keep(run.run_id, 1, 1, "a.txt", b"one")
    clock.pass_by(5.0)
    assert hub.runs.keep(run.run_id, 1, 1, "a.txt", b"one") == first
    second = hub.runs.keep(run.run_id, 1, 1, "a.txt", b"two!")
    assert second.digest != first.digest
    assert hub.runs.keepsakes(run.run_id) == (second,)
    assert hub.runs.keepsake(run.run_id, 1, "a.txt") == b"two!"


def test_the_numbers_of_metrics_json_are_noted_as_they_are_now(hub: LocalHub, run: Run) -> None:
    hub.runs.keep(run.run_id, 1, 1, "metrics.json", b'{"auc": 0.5, "loss": 1}')
    hub.runs.keep(run.run_id, 1, 1, "other.json", b'{"f1": 0.5}')
    assert metrics(hub) == [(1, "auc", 0.5), (1, "loss", 1.0)]
    hub.runs.keep(run.run_id, 1, 1, "metrics.json", b'{"metrics": {"auc": 0.75}}')
    assert metrics(hub) == [(1, "auc", 0.75)]
    hub.runs.keep(run.run_id, 1, 1, "metrics.json", b"no json")
    assert metrics(hub) == []


def test_a_full_disk_of_the_hub_is_a_clear_error_that_loses_nothing_and_the_next_try_succeeds(
    tmp_path: Path, clock: FakeClock
) -> None:
    """SQLite alone, which can be told how large its file may be; what a server says of a full disk is the same kind."""
    with closing(LocalHub.open(tmp_path, f"sqlite:///{tmp_path}/hub.db", clock)) as hub:
        dgx = Agent(hub=hub, site="dgx").attach()
        run = hub.runs.submit(RUN)
        dgx.tell(dgx.order(TaskKind.RUN), TaskState.UNDER_WAY)
        hub.runs.keep(run.run_id, 1, 1, "report.html", PAGE)
        hub.runs.keep(run.run_id, 1, 1, "metrics.json", b'{"metrics": {"auc": 0.7}}')
        before = hub.runs.keepsakes(run.run_id)
        larger = random.Random(7).randbytes(1 << 20)
        with sized(hub, pages=1):
            for name in ("report.html", "other.html"):
                with pytest.raises(CapacityError) as full:
                    hub.runs.keep(run.run_id, 1, 1, name, larger)
                assert full.value.kind == "database-full"
                assert "is full" in full.value.message
                assert full.value.todo
            assert hub.runs.keepsakes(run.run_id) == before
            assert hub.runs.keepsake(run.run_id, 1, "report.html") == PAGE
            assert hub.runs.get(run.run_id).state is RunState.RUNNING
            assert metrics(hub) == [(1, "auc", 0.7)]
        for name in ("report.html", "other.html"):
            hub.runs.keep(run.run_id, 1, 1, name, larger)
            assert hub.runs.keepsake(run.run_id, 1, name) == larger
        assert len(hub.runs.keepsakes(run.run_id)) == 3


@contextmanager
def sized(hub: LocalHub, *, pages: int) -> Iterator[None]:
    """The database's file may have so many pages, or as many as it has."""

    def on_checkout(connection: Any, *_: object) -> None:
        connection.execute(f"PRAGMA max_page_count = {pages}").close()

    sa.event.listen(hub.engine, "checkout", on_checkout)
    try:
        yield
    finally:
        sa.event.remove(hub.engine, "checkout", on_checkout)
        hub.engine.dispose()


@pytest.mark.parametrize("name", ["a b", ".hidden", "a" * 121, "ä.html", "a\0b"])
def test_a_name_is_a_plain_file_name(hub: LocalHub, run: Run, name: str) -> None:
    with pytest.raises(InputError):
        hub.runs.keep(run.run_id, 1, 1, name, b"")


def test_all_of_it_is_bounded(hub: LocalHub, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CapacityError, match=r"report\.html has"):
        hub.runs.keep(run.run_id, 1, 1, "report.html", bytes(KEEPSAKE_BYTES + 1))
    for number in range(MOST_KEEPSAKES):
        hub.runs.keep(run.run_id, 1, 1, f"{number}", b"x")
    with pytest.raises(CapacityError, match="at most 64 files"):
        hub.runs.keep(run.run_id, 1, 1, "more", b"x")
    hub.runs.keep(run.run_id, 1, 1, "0", b"another one in its place")
    monkeypatch.setattr("forebay.hub.keepsakes.ALL_KEEPSAKES_BYTES", 100)
    with pytest.raises(CapacityError):
        hub.runs.keep(run.run_id, 1, 1, "1", b"x" * 50)


def test_only_the_attempts_own_token_leaves_something(hub: LocalHub, dgx: Agent, run: Run, clock: FakeClock) -> None:
    hub.runs.keep(run.run_id, 1, 1, "a.txt", b"first")
    pass_by(hub, clock, 120, step_s=20.0)
    dgx.attach()
    hub.scheduler.tick()
    hub.runs.keep(run.run_id, 2, 2, "a.txt", b"second")
    with pytest.raises(ConflictError, match="another agent's"):
        hub.runs.keep(run.run_id, 2, 1, "a.txt", b"late")
    assert names(hub.runs.keepsakes(run.run_id)) == [(2, "a.txt", 6), (1, "a.txt", 5)]
    assert hub.runs.keepsake(run.run_id, 1, "a.txt") == b"first"


def test_what_is_not_there_is_said_to_be(hub: LocalHub, run: Run) -> None:
    for look in (
        lambda: hub.runs.keepsake(run.run_id, 1, "report.html"),
        lambda: hub.runs.keepsake(run.run_id, 7, "report.html"),
        lambda: hub.runs.keepsakes("0" * 32),
        lambda: hub.runs.keep(run.run_id, 7, 1, "report.html", b""),
    ):
        with pytest.raises(NotFoundError):
            look()


def test_it_goes_with_its_run(embedded: LocalHub, clock: FakeClock) -> None:
    dgx = Agent(embedded, "dgx").attach()
    run = embedded.runs.submit(RUN)
    order = dgx.order(TaskKind.RUN)
    dgx.tell(order, TaskState.UNDER_WAY)
    embedded.runs.keep(run.run_id, 1, order.token, "metrics.json", b'{"auc": 1}')
    dgx.tell(order, TaskState.DONE, exit_code=0)
    clock.pass_by(100.0)
    with writing(embedded.engine) as connection:
        assert purge(connection, Kept(logs_s=10.0), clock.now()) == 0
    assert names(embedded.runs.keepsakes(run.run_id)) == [(1, "metrics.json", 10)]
    with writing(embedded.engine) as connection:
        assert purge(connection, Kept(runs_s=10.0), clock.now()) == 1
    assert metrics(embedded) == []


@pytest.fixture
def team(embedded: LocalHub, clock: FakeClock) -> Team:
    return team_on(embedded, clock)


def kind_of(call: Callable[[], object]) -> str:
    with pytest.raises(ForebayError) as raised:
        call()
    return raised.value.kind


def test_reports_are_for_the_submitter_the_team_and_engineers(team: Team) -> None:
    run = team(ADA).runs.submit(reading("secret", team="ads"))
    team.started(run)
    token = team.hub.runs.get(run.run_id).attempts[0].token
    team(DGX).runs.keep(run.run_id, 1, token, "report.html", PAGE)
    for who in (AKS, ADA, ROOT):
        refused = kind_of(lambda who=who: team(who).runs.keep(run.run_id, 1, token, "report.html", b"forged"))  # type: ignore[misc]
        assert refused in ("not-allowed", "run-not-found")
    for who in (ADA, AMY, ROOT):
        assert team(who).runs.keepsake(run.run_id, 1, "report.html") == PAGE
        assert names(team(who).runs.keepsakes(run.run_id)) == [(1, "report.html", len(PAGE))]
    for who in (BEN, VERA, ED):
        hidden = kind_of(lambda who=who: team(who).runs.keepsakes(run.run_id))  # type: ignore[misc]
        assert hidden == kind_of(lambda who=who: team(who).runs.keepsake(run.run_id, 1, "report.html"))  # type: ignore[misc]
        assert hidden == "run-not-found", who
    other = team(ADA).runs.submit(reading("clicks", team="ads"))
    assert kind_of(lambda: team(BEN).runs.keepsakes(other.run_id)) == "not-allowed", "seen, and not looked into"
    assert team(ED).runs.keepsakes(other.run_id) == ()


def test_a_file_goes_out_as_what_no_browser_runs(hub: LocalHub, run: Run) -> None:
    hub.runs.keep(run.run_id, 1, 1, "a.html", b"<script>alert(1)</script>")
    answer = get_keepsake(hub, run.run_id, 1, "a.html")  # type: ignore[arg-type]
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"] == "attachment"
    assert "sandbox" in answer.headers["content-security-policy"]
