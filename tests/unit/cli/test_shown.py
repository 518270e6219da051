"""What a person reads of sites, rules and datasets: nothing twice, nothing in the wrong tense or number."""

from __future__ import annotations

import io
from collections.abc import Callable

from rich.console import Console

from forebay.cli.dataset import DatasetDetails
from forebay.cli.dataset_shown import print_dataset
from forebay.cli.downtime import told_when
from forebay.cli.rules_shown import print_rules
from forebay.cli.sites_shown import print_tasks, print_why
from forebay.client.why import Why
from forebay.wire.catalog import Dataset, MadeBy, Version
from forebay.wire.downtimes import Downtime
from forebay.wire.rules import Rule
from forebay.wire.sites import Task, TaskKind, TaskState

NOW = 1_800_000_000.0


def shown(show: Callable[[Console], None]) -> str:
    out = io.StringIO()
    show(Console(file=out, width=400))
    return out.getvalue()


def test_a_tasks_error_is_told_once_with_what_unblocks_it() -> None:
    task = Task(
        task_id="t1",
        site="dgx",
        kind=TaskKind.FILL,
        token=1,
        state=TaskState.WAITING,
        reason="it failed once: lake/a is gone",
        since=NOW,
        ref="clicks@v1",
        last_error="lake/a is gone\nlake/b is gone",
        unblock="the next try, if its cause is gone by then",
    )
    told = shown(lambda out: print_tasks(out, [task], NOW))
    assert told.count("is gone") == 2, "the reason, and the words of what unblocks it"
    assert "what unblocks it: the next try" in told


def test_why_has_a_line_for_each_object() -> None:
    item = Why(
        thing="clicks@v1", what="fill", site="dgx", state="waiting", reason="r", since=NOW, last_error="a is\nb is"
    )
    lines = [line.strip() for line in shown(lambda out: print_why(out, [item], NOW)).splitlines()]
    assert "b is" in lines
    assert any(line.startswith("last error") and line.endswith("a is") for line in lines)


def test_a_downtime_to_come_will_be_and_one_that_has_begun_is() -> None:
    item = Downtime(
        downtime_id="d", site="dgx", begins_at=NOW, ends_at=NOW + 60, reason="new disks", planned_by="ana", planned_at=0
    )
    assert told_when(item, NOW - 1).startswith("will be down from ")
    assert told_when(item, NOW).startswith("is down from ")


def test_a_rule_without_a_place_says_why_in_the_list() -> None:
    rule = Rule(
        rule_id="4f9c", ref="clicks", newest=False, at="", until=0, message="", owner="ana", made_at=NOW, ended=False
    )
    assert "there is no site" in shown(lambda out: print_rules(out, [rule], {"4f9c": "there is no site"}))


def _version(number: int, *, retired_at: float = 0.0) -> Version:
    return Version(
        dataset="clicks",
        number=number,
        group="default",
        manifest_digest="d",
        origin="registered",
        lake_url="file:///lake",
        profile="",
        files=1,
        size_bytes=1,
        sealed=True,
        created_at=NOW,
        created_by="ana",
        message="",
        parents=(),
        made_by=MadeBy(),
        tags=(),
        retired_at=retired_at,
    )


def test_retired_versions_are_counted_apart_where_they_are_listed() -> None:
    dataset = Dataset(
        name="clicks",
        group="default",
        owner="ana",
        team="",
        stale_after_s=None,
        description="",
        created_at=NOW,
        versions=1,
        latest=2,
        size_bytes=1,
    )
    both = DatasetDetails(dataset=dataset, versions=(_version(2), _version(1, retired_at=NOW)))
    assert "clicks: 1 version and 1 retired one, owned by ana" in shown(lambda out: print_dataset(out, both, NOW))
    live = DatasetDetails(dataset=dataset, versions=(_version(2),))
    assert "clicks: 1 version, owned by ana" in shown(lambda out: print_dataset(out, live, NOW))
