"""Pages of runs: the list, one run, its log, its report, several beside each other; and what is hidden of them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from urllib.parse import urlencode

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from forebay.hub.access.rules import Person
from forebay.hub.board.runs import ACTIVE, RunFilter, runs_shown, underway
from forebay.hub.board.sight import sight_of
from forebay.hub.web import run_figures
from forebay.testing.cached import FakeClock
from forebay.testing.web.dashboard import Dashboard
from forebay.testing.web.left import leave_report
from forebay.wire.access import DatasetPolicy, Role
from forebay.wire.runs import Output, Run, RunState
from forebay.wire.sites import Order, TaskKind, TaskState
from tests.contract.hub.conftest import new_version
from tests.contract.hub.sited import Agent, reading

MARKUP = "<img src=x onerror=alert(1)>"


@dataclass
class Stage:
    """A hub with one site and some runs."""

    dashboard: Dashboard
    clock: FakeClock
    dgx: Agent

    def submit(self, ref: str = "clicks@v1", **facts: object) -> Run:
        return self.dashboard.hub.runs.submit(replace(reading(ref), **{"team": "ads", **facts}))  # type: ignore[arg-type]

    def started(self, run: Run) -> None:
        hub = self.dashboard.hub
        self.dgx.beat()
        while hub.runs.get(run.run_id).state is RunState.FILLING:
            self.dgx.fill(next(item for item in self.dgx.orders().values() if item.kind is TaskKind.FILL))
        self.dgx.tell(self._order(run), TaskState.UNDER_WAY)

    def ended(self, run: Run, **facts: object) -> None:
        order = self._order(run)
        self.dgx.tell(order, TaskState.FAILED if "detail" in facts else TaskState.DONE, **facts)

    def log(self, run: Run, text: str) -> None:
        hub = self.dashboard.hub
        attempt = hub.runs.get(run.run_id).attempts[-1]
        at = 0
        for begin in range(0, len(text), 500_000):
            at = hub.runs.add_log(run.run_id, attempt.number, attempt.token, at, text[begin : begin + 500_000])

    def keep(self, run: Run, name: str, data: bytes) -> None:
        attempt = self.dashboard.hub.runs.get(run.run_id).attempts[-1]
        self.dashboard.hub.runs.keep(run.run_id, attempt.number, attempt.token, name, data)

    def trained(self, rate: str, noise: float) -> Run:
        run = self.submit(command=("forebay", "ctr", "train", "{data0}", "--rate", rate))
        self.started(run)
        self.clock.pass_by(90.0)
        self.log(run, f"\x1b[32mround 1\x1b[0m\n{MARKUP}\n")
        leave_report(self.dashboard.hub, run, noise=noise, learning_rate=rate)
        self.ended(run, exit_code=0, made=("ctr-model@v1",))
        return run

    def _order(self, run: Run) -> Order:
        return next(item for item in self.dgx.orders().values() if item.run and item.run.run_id == run.run_id)


@pytest.fixture
def stage(dashboard: Dashboard, clock: FakeClock) -> Stage:
    for name in ("clicks", "payroll"):
        new_version(dashboard.hub, name)
    dashboard.access.join_team("finance", [])
    dashboard.access.set_policy(DatasetPolicy(dataset="payroll", read=("finance",)))
    return Stage(dashboard, clock, Agent(hub=dashboard.hub, site="dgx", gpus=8).attach())


@pytest.fixture
def ada(stage: Stage) -> Iterator[TestClient]:
    with stage.dashboard.browser_of("ada", Role.SCIENTIST, "ads") as browser:
        yield browser


def got(browser: TestClient, address: str, status: int = 200) -> str:
    answer = browser.get(address)
    assert answer.status_code == status, answer.text
    return answer.text


def test_the_list_says_what_is_under_way_and_what_matters_of_each(stage: Stage, ada: TestClient) -> None:
    done = stage.trained("0.1", 0.3)
    failed = stage.submit(title=MARKUP)
    stage.started(failed)
    stage.ended(failed, exit_code=1, detail="it ended with 1", retryable=False)
    stage.submit(gpus=64)
    running = stage.submit()
    stage.started(running)
    page = got(ada, "/runs")
    assert "1 running · 1 queued · 1 failed in the last 24 hours" in page
    assert f'href="/runs/{done.run_id}"' in page
    assert "made ctr-model@v1" in page
    assert re.search(r"<small>auc</small> 0\.[78]", page)
    assert MARKUP not in page
    rows = json.loads(got(ada, "/runs?table=runs&as=json"))
    assert [row["state"] for row in rows] == ["running", "queued", "failed", "succeeded"]
    assert "choose" not in rows[0]
    assert '<tr><th scope="col" class="mark"><span class="unseen">Compare</span></th><th scope="col">Run</th>' in page
    row = page[page.index(f'<tr id="r-runs-{done.run_id[:12]}">') :]
    assert row.index(f'id="choose-{done.run_id[:12]}"') < row.index('<th scope="row">')
    assert f'data-copy="{done.run_id}"' in row


def test_it_is_filtered_and_paged(stage: Stage, ada: TestClient) -> None:
    for number in range(60):
        stage.submit(gpus=64, title=f"run {number}", submitted_by="bob" if number % 2 else "ada")
    first = got(ada, "/runs")
    (following,) = re.findall(r'class="more" href="([^"]+)"', first)
    second = got(ada, following.replace("&amp;", "&"))
    assert (">run 59<" in first, ">run 10<" in first, ">run 9<" in second, ">run 0<" in second) == (True,) * 4
    assert "Next page" not in second
    by_bob = json.loads(got(ada, "/runs?user=bob&state=queued&dataset=clicks&table=runs&as=json"))
    assert len(by_bob) == 30
    assert "No run fits" in got(ada, "/runs?state=succeeded")
    assert "No run fits" in got(ada, "/runs?dataset=nothing")


def test_runs_are_found_by_what_they_are_called(stage: Stage, ada: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    named = stage.submit(gpus=64, title='Züge at 0.3 "late"')
    bare = stage.submit(gpus=64, title="", command=("python", "train.py", "--rate", "0.3"))
    hidden = stage.submit("payroll@v1", gpus=64, team="", submitted_by="finn", title="Züge of finance")

    def called(text: str) -> list[str]:
        found = json.loads(got(ada, f"/runs?{urlencode({'name': text})}&table=runs&as=json"))
        return [row["id"] for row in found]

    assert called("ZÜGE") == called("ü") == called("Ü") == [named.run_id]
    assert stage.submit(gpus=64, title="Ölpreis").run_id in got(ada, f"/find?{urlencode({'part': 1, 'q': 'Ö'})}")
    assert called('0.3 "Late') == [named.run_id]
    assert called("train.py --RATE") == [bare.run_id]
    assert called("0.3") == [bare.run_id, named.run_id]
    assert called("submitted_by") == called("clicks") == [], "not by what else stands in it"
    assert "None of the newest 20,000 runs" in got(ada, "/runs?name=nothing")
    palette = got(ada, f"/find?{urlencode({'part': 1, 'q': 'at 0.3'})}")
    assert (named.run_id in palette, bare.run_id in palette, hidden.run_id in palette) == (True, False, False)
    assert hidden.run_id not in got(ada, f"/find?{urlencode({'part': 1, 'q': 'of finance'})}")
    monkeypatch.setattr("forebay.hub.board.runs.NAMED_AMONG", 2)
    assert called("züge") == [], "only among the newest"


def test_without_any_run_it_teaches_the_next_step(stage: Stage, ada: TestClient) -> None:
    assert "forebay run --data" in got(ada, "/runs")


def test_PRIVATE_runs_on_what_is_hidden_are_not_there(stage: Stage, ada: TestClient) -> None:
    shown = stage.submit(gpus=64, team="")
    before = got(ada, "/runs")
    hidden = stage.submit("payroll@v1", gpus=64, team="", submitted_by="finn")
    maker = stage.submit(gpus=64, team="", submitted_by="finn", outputs=(Output(name="out", dataset="payroll"),))
    assert got(ada, "/runs") == before
    assert "No run fits" in got(ada, "/runs?dataset=payroll")
    for run in (hidden, maker):
        for place in ("", "/log", "/log/text", "/log/find?q=a", "/report", "/left/1/report.html", "/cancel", "/where"):
            got(ada, f"/runs/{run.run_id}{place}", 404)
        got(ada, f"/runs/compare?run={shown.run_id}&run={run.run_id}", 404)
    finn = stage.dashboard.browser_of("finn", Role.SCIENTIST, "finance")
    assert len(json.loads(got(finn, "/runs?table=runs&as=json"))) == 3


def test_PRIVATE_the_read_models_count_and_tell_nothing_of_it(stage: Stage) -> None:
    stage.submit("payroll@v1", gpus=64, team="", submitted_by="finn")
    for _ in range(3):
        stage.submit(gpus=64, team="")
    engine = stage.dashboard.hub.engine
    for user, count in (("ada", 3), ("finn", 4)):
        with engine.connect() as connection:
            teams = frozenset({"finance"}) if user == "finn" else frozenset()
            sight = sight_of(connection, Person(user=user, role=Role.SCIENTIST, teams=teams))
            assert underway(connection, sight, 0.0).states == {RunState.QUEUED: count}
            page = runs_shown(connection, sight, RunFilter(state=ACTIVE), 2)
            assert (len(page.runs), page.next_before) == (2, page.runs[-1].run_id)


def test_what_a_run_told_is_for_who_may_read_its_log(stage: Stage, ada: TestClient) -> None:
    run = stage.trained("0.1", 0.3)
    ben = stage.dashboard.browser_of("ben", Role.SCIENTIST, "others")
    told = json.loads(got(ada, "/runs?table=runs&as=json"))[0]
    assert (told["metric_name"], told["metric"] > 0.6, told["made"]) == ("auc", True, "ctr-model@v1")
    assert json.loads(got(ben, "/runs?table=runs&as=json"))[0]["metric"] is None
    page = got(ben, f"/runs/{run.run_id}")
    assert "What it left" not in page
    assert "<iframe" not in page
    assert "/cancel" not in page
    for place in ("/log", "/log/text", "/log/find?q=a", "/report", "/left/1/report.html"):
        got(ben, f"/runs/{run.run_id}{place}", 403)


def test_the_page_of_a_run_says_why_it_waits_and_what_unblocks_it(stage: Stage, ada: TestClient) -> None:
    run = stage.submit(gpus=64)
    page = got(ada, f"/runs/{run.run_id[:12]}")
    now = stage.dashboard.hub.runs.get(run.run_id)
    assert "queued" in page
    assert now.reason.split(";")[0][:30] in page
    assert f"/runs/{run.run_id}/where" in page
    where = got(ada, f"/runs/{run.run_id}/where")
    assert "No site will do now" in where
    assert "64" in where


def test_the_page_of_a_run_shows_what_came_of_it(stage: Stage, ada: TestClient) -> None:
    run = stage.trained("0.1", 0.3)
    page = got(ada, f"/runs/{run.run_id}")
    assert f'<iframe class="report" src="/runs/{run.run_id}/left/1/report.html" sandbox' in page
    assert 'href="/datasets/ctr-model/v1"' in page
    assert 'href="/datasets/clicks/v1"' in page
    stages = json.loads(got(ada, f"/runs/{run.run_id}?table=stages&as=json"))
    assert [(row["stage"], row["seconds"]) for row in stages] == [("running", 90.0)]
    metrics = {row["metric"]: row["value"] for row in json.loads(got(ada, f"/runs/{run.run_id}?table=metrics&as=json"))}
    assert 0.6 < metrics["auc"] < 0.9
    parameters = {
        row["name"]: row["value"] for row in json.loads(got(ada, f"/runs/{run.run_id}?table=parameters&as=json"))
    }
    assert parameters["learning_rate"] == "0.1"
    assert "forebay ctr train '{data0}'" in parameters["command"]
    assert "Try again" not in page


def test_a_dask_dashboard_is_linked_while_it_runs_and_only_by_http(stage: Stage, ada: TestClient) -> None:
    run = stage.submit()
    stage.started(run)
    stage.keep(run, "dask.json", b'{"dashboard": "http://10.0.0.5:8787/status"}')
    assert 'href="http://10.0.0.5:8787/status"' in got(ada, f"/runs/{run.run_id}")
    for bad in (b'{"dashboard": "javascript:alert(1)"}', b"[]", b'{"dashboard": 3}', b"\xff"):
        stage.keep(run, "dask.json", bad)
        assert "<dt>Dask</dt>" not in got(ada, f"/runs/{run.run_id}")
    stage.keep(run, "dask.json", b'{"dashboard": "http://10.0.0.5:8787/status"}')
    stage.ended(run, exit_code=0)
    assert "10.0.0.5:8787" not in got(ada, f"/runs/{run.run_id}")


def test_what_a_run_wrote_is_shown_in_an_origin_of_its_own(stage: Stage, ada: TestClient) -> None:
    run = stage.submit()
    stage.started(run)
    evil = b"<script>fetch('/settings')</script>"
    for name in ("report.html", "task-stream.html", "notes.txt", "data.bin", "image.svg"):
        stage.keep(run, name, evil)
    answer = ada.get(f"/runs/{run.run_id}/left/1/report.html")
    policy = answer.headers["content-security-policy"]
    assert answer.content == evil
    assert policy.startswith("sandbox; default-src 'none'")
    assert "script-src" not in policy
    assert "frame-ancestors 'self'" in policy
    stream = ada.get(f"/runs/{run.run_id}/left/1/task-stream.html").headers["content-security-policy"]
    assert "sandbox allow-scripts;" in stream
    assert "allow-same-origin" not in stream
    assert "connect-src" not in stream, "default-src 'none' holds"
    assert ada.get(f"/runs/{run.run_id}/left/1/notes.txt").headers["content-type"].startswith("text/plain")
    for name in ("data.bin", "image.svg"):
        other = ada.get(f"/runs/{run.run_id}/left/1/{name}")
        assert other.headers["content-type"] == "application/octet-stream"
        assert other.headers["content-disposition"].startswith("attachment")
    page = got(ada, f"/runs/{run.run_id}/report")
    assert re.search(r'<iframe [^>]*report.html" sandbox title', page)
    assert 'sandbox="allow-scripts"' in got(ada, f"/runs/{run.run_id}/report?name=task-stream.html")
    got(ada, f"/runs/{run.run_id}/report?name=notes.txt", 404)
    got(ada, f"/runs/{run.run_id}/left/x/report.html", 404)
    got(ada, f"/runs/{run.run_id}/left/2/report.html", 404)


def test_a_log_has_its_colours_and_no_markup_of_its_own(stage: Stage, ada: TestClient) -> None:
    run = stage.submit()
    got(ada, f"/runs/{run.run_id}/log", 404)
    stage.started(run)
    assert "It has written nothing yet." in got(ada, f"/runs/{run.run_id}/log")
    stage.log(run, f"\x1b[32mround 1\x1b[0m\n{MARKUP}\n")
    page = got(ada, f"/runs/{run.run_id}/log")
    assert '<span class="a-green">round 1</span>' in page
    assert MARKUP not in page
    assert "&lt;img src=x" in page
    found = got(ada, f"/runs/{run.run_id}/log/find?q=IMG%20SRC")
    assert "&lt;<mark>img src</mark>=x onerror" in found
    assert "No line has it" in got(ada, f"/runs/{run.run_id}/log/find?q=%3Cb%3E")
    whole = ada.get(f"/runs/{run.run_id}/log/text")
    assert MARKUP in whole.text
    assert whole.headers["content-disposition"].startswith("attachment")


def test_a_long_log_is_shown_a_page_at_a_time(stage: Stage, ada: TestClient) -> None:
    run = stage.submit()
    stage.started(run)
    stage.log(run, "".join(f"line {number:06d} {'é' * 20}\n" for number in range(20_000)))
    seen, address = [], f"/runs/{run.run_id}/log"
    while address:
        page = got(ada, address)
        assert len(page) < 300_000
        seen.append(re.findall(r"line (\d{6}) é{20}\n", page))
        older = re.findall(r'href="([^"]+)" rel="prev"', page)
        address = older[0].replace("&amp;", "&") if older else ""
    assert [int(number) for part in reversed(seen) for number in part] == list(range(20_000))
    found = got(ada, f"/runs/{run.run_id}/log/find?q=line%20012345")
    (place,) = re.findall(r'<li><a href="([^"]+offset=[^"]+)"', found)
    assert re.search(r"<pre>line 012345", got(ada, place.replace("&amp;", "&")))
    assert "More than 200 lines" in got(ada, f"/runs/{run.run_id}/log/find?q=line")


def test_runs_are_compared_by_what_differs(stage: Stage, ada: TestClient) -> None:
    one, two = stage.trained("0.1", 0.3), stage.trained("0.2", 1.0)
    address = f"/runs/compare?run={one.run_id}&run={two.run_id}"
    page = got(ada, address)
    assert page.count("<iframe") == 2
    assert page.count('class="line s1"') >= 2
    assert page.count('class="line s2"') >= 2
    rows = {row["name"]: row for row in json.loads(got(ada, f"{address}&table=parameters&as=json"))}
    assert "learning_rate" in rows
    assert "max_depth" not in rows
    assert rows["learning_rate"] == {"name": "learning_rate", one.run_id: "0.1", two.run_id: "0.2"}
    metrics = {row["metric"]: row for row in json.loads(got(ada, f"{address}&table=metrics&as=json"))}
    auc = metrics["auc"]
    assert auc[f"{two.run_id} - {one.run_id}"] == auc[two.run_id] - auc[one.run_id]
    assert '<th scope="col" class="n quiet">B \N{MINUS SIGN} A</th>' in page
    assert "max_depth" in got(ada, f"{address}&all=1")
    points = json.loads(got(ada, f"{address}&table=curve-0&as=json"))
    assert {row["run"] for row in points} == {"A", "B"}
    shown = page[page.index('<table id="t-curve-0">') :].partition("</table>")[0].count("<tr>") - 1
    assert len(points) > shown == run_figures.POINTS, "an export has all points"
    got(ada, f"/runs/compare?run={one.run_id}", 400)
    got(ada, "/runs/compare?" + "&".join(f"run={number:032x}" for number in range(9)), 400)


def test_a_run_is_compared_with_one_by_its_id(stage: Stage, ada: TestClient) -> None:
    one, other, third = (stage.submit(gpus=64, title=name) for name in ("one", "other", "third"))
    form = got(ada, f"/runs/{one.run_id}").partition('action="/runs/compare"')[2].partition("</form>")[0]
    assert f'<input type="hidden" name="run" value="{one.run_id}">' in form
    both = got(ada, f"/runs/compare?run={one.run_id}&run={other.run_id[:12]}")
    assert "2 runs" in both
    assert f'name="run" value="{other.run_id}"' in both, "with one more"
    assert "3 runs" in got(ada, f"/runs/compare?run={one.run_id}&run={other.run_id}&run={third.run_id[:10]}")
    got(ada, f"/runs/compare?run={one.run_id}&run=nothing", 404)
    assert "Choose two runs or more" in got(ada, f"/runs/compare?run={one.run_id}&run={one.run_id[:12]}", 400)


def test_a_run_is_cancelled_after_a_question_and_tried_again(stage: Stage, ada: TestClient) -> None:
    run = stage.submit(gpus=64)
    hub = stage.dashboard.hub
    question = got(ada, f"/runs/{run.run_id}/cancel")
    assert "Cancel the run" in question
    assert hub.runs.get(run.run_id).state is RunState.QUEUED
    answer = ada.post(f"/runs/{run.run_id}/cancel", data={"reason": MARKUP})
    assert (answer.status_code, answer.headers["location"]) == (303, f"/runs/{run.run_id}")
    now = hub.runs.get(run.run_id)
    assert (now.state, now.cancelled_by) == (RunState.CANCELLED, "ada")
    page = got(ada, f"/runs/{run.run_id}")
    assert "Try again" in page
    assert MARKUP not in page
    assert ada.post(f"/runs/{run.run_id}/retry").status_code == 303
    assert hub.runs.get(run.run_id).state is RunState.QUEUED


def test_who_may_not_end_a_run_is_not_offered_it_and_is_refused(stage: Stage) -> None:
    run = stage.submit(gpus=64)
    ben = stage.dashboard.browser_of("ben", Role.SCIENTIST)
    assert "/cancel" not in got(ben, f"/runs/{run.run_id}")
    assert ben.post(f"/runs/{run.run_id}/cancel").status_code == 403
    assert stage.dashboard.hub.runs.get(run.run_id).state is RunState.QUEUED


def test_a_list_costs_as_many_questions_whatever_it_shows(stage: Stage) -> None:
    def asked() -> int:
        statements: list[str] = []

        def note(conn: object, cursor: object, statement: str, *more: object) -> None:
            statements.append(statement)

        engine = stage.dashboard.hub.engine
        sa.event.listen(engine, "before_cursor_execute", note)
        try:
            with engine.connect() as connection:
                sight = sight_of(connection, Person(user="ada", role=Role.SCIENTIST))
                runs_shown(connection, sight, RunFilter(), 50)
        finally:
            sa.event.remove(engine, "before_cursor_execute", note)
        return len(statements)

    stage.submit(gpus=64)
    few = asked()
    for _ in range(40):
        stage.submit(gpus=64)
    assert asked() == few
