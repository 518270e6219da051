"""What can be done with a subset on the page of its version at a place: the same as with the version, by the same."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest

from forebay.testing.cached import FakeClock
from forebay.testing.web.caches import Crowded, volume_of
from forebay.testing.web.dashboard import Dashboard
from forebay.wire.access import Role
from forebay.wire.cache import Replica
from forebay.wire.sites import TaskKind

HERE = "/cache/dgx-basement/parts"


class Stage:
    """A hub with subsets in every state; `refs` are theirs, by the number of the version."""

    def __init__(self, dashboard: Dashboard, refs: dict[int, str]) -> None:
        self.dashboard = dashboard
        self.refs = refs
        self.olga = dashboard.browser_of("olga", Role.ENGINEER)

    def page(self, number: int) -> str:
        return self.olga.get(f"{HERE}/v{number}").text

    def asked(self, number: int, act: str) -> str:
        return f"{HERE}/v{number}/{act}?ref={quote(self.refs[number], safe='')}"

    def replica(self, ref: str) -> Replica:
        hub = self.dashboard.hub
        found = hub.replicas.get(volume_of("dgx-basement"), hub.catalog.resolve(ref))
        assert found is not None
        return found

    def tasks(self, kind: TaskKind) -> set[str]:
        return {task.ref for task in self.dashboard.hub.sites.tasks("dgx-basement") if task.kind is kind}


@contextmanager
def staged(home: Path) -> Iterator[Stage]:
    clock = FakeClock(1_790_000_000.0)
    with Dashboard.on(home, clock) as dashboard:
        made = Crowded(dashboard.hub, dashboard.access, clock)
        made.make()
        yield Stage(dashboard, made.parts)


@pytest.fixture(scope="module")
def looked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """For who changes nothing, or is refused."""
    with staged(tmp_path_factory.mktemp("home")) as stage:
        yield stage


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with staged(tmp_path / "home") as stage:
        yield stage


def acts(page: str) -> list[str]:
    """What the buttons in the table of subsets are called."""
    (table,) = re.findall(r'<table id="t-parts">.*?</table>', page, re.DOTALL)
    return re.findall(r'<(?:a class="btn mini" href|button class="mini")[^>]*>([^<]+)<', table)


def test_each_has_the_buttons_that_its_state_allows(looked: Stage) -> None:
    assert {number: acts(looked.page(number)) for number in looked.refs} == {
        1: ["Pin…", "Evict…"],
        2: ["Evict…"],
        3: ["Mend it", "Evict…"],
        4: ["Pin…", "Evict…"],
        5: ["Evict…", "Unpin"],
        6: ["Pin…", "Evict…"],
        7: ["Call the fill off"],
        8: ["Keep it after all"],
        9: ["Evict…", "Unpin"],
    }


def test_a_button_says_to_a_screen_reader_for_which_subset_it_is(looked: Stage) -> None:
    subset = looked.refs[1].partition("[")[2].rstrip("]")
    assert f'aria-label="Evict… {subset}"' in looked.page(1)


def test_who_may_not_has_no_buttons_and_is_refused(looked: Stage) -> None:
    vera = looked.dashboard.browser_of("vera", Role.VIEWER)
    assert acts(vera.get(f"{HERE}/v1").text) == []
    assert ">Pin</button>" not in vera.get(looked.asked(1, "pin")).text
    assert "Evict it" not in vera.get(looked.asked(1, "evict")).text
    assert vera.post(f"{HERE}/v1/pin", data={"ref": looked.refs[1]}).status_code == 403
    assert vera.post(f"{HERE}/v1/evict", data={"ref": looked.refs[1]}).status_code == 403
    assert vera.post(f"{HERE}/v5/unpin", data={"ref": looked.refs[5]}).status_code == 403
    assert looked.replica(looked.refs[1]).pinned_by == ""
    assert looked.replica(looked.refs[5]).pinned_by == "vera"
    ada = looked.dashboard.browser_of("ada", Role.SCIENTIST)
    assert acts(ada.get(f"{HERE}/v1").text) == ["Pin…"]


def test_a_subset_is_pinned_with_a_reason_and_unpinned(stage: Stage) -> None:
    asked = stage.olga.get(stage.asked(1, "pin")).text
    assert f'name="ref" value="{stage.refs[1]}"' in asked
    wrong = stage.olga.post(f"{HERE}/v1/pin", data={"ref": stage.refs[1], "reason": "exam", "until": "2020-01-31"})
    assert wrong.status_code == 422
    assert "2020-01-31 is over" in wrong.text
    assert f'name="ref" value="{stage.refs[1]}"' in wrong.text
    done = stage.olga.post(f"{HERE}/v1/pin", data={"ref": stage.refs[1], "reason": "exam", "until": ""})
    assert done.headers["location"] == f"{HERE}/v1"
    assert (stage.replica(stage.refs[1]).pinned_by, stage.replica(stage.refs[1]).pin_reason) == ("olga", "exam")
    assert acts(stage.page(1)) == ["Evict…", "Unpin"]
    assert "It is pinned by olga." in stage.olga.get(stage.asked(1, "pin")).text
    stage.olga.post(f"{HERE}/v1/unpin", data={"ref": stage.refs[1]})
    assert stage.replica(stage.refs[1]).pinned_by == ""


def test_a_subset_is_evicted_after_one_saw_what_that_means_and_its_version_stays(stage: Stage) -> None:
    stage.olga.post(f"{HERE}/v9/unpin", data={"ref": stage.refs[9]})
    asked = stage.olga.get(stage.asked(9, "evict")).text
    assert f"Let {stage.refs[9]} go from dgx-basement?" in asked
    assert "It frees at most 20.3 GiB" in asked
    assert f'name="ref" value="{stage.refs[9]}"' in asked
    assert stage.olga.post(f"{HERE}/v9/evict", data={"ref": stage.refs[9]}).headers["location"] == f"{HERE}/v9"
    assert stage.refs[9] in stage.tasks(TaskKind.EVICT)
    assert "parts@v9" not in stage.tasks(TaskKind.EVICT)


@pytest.mark.parametrize(("number", "told"), [(5, "pinned by vera"), (6, "in use by ada")])
def test_a_subset_that_is_kept_or_used_is_not_evicted(looked: Stage, number: int, told: str) -> None:
    page = looked.olga.get(looked.asked(number, "evict")).text
    assert told in page
    assert "Evict it" not in page
    assert looked.olga.post(f"{HERE}/v{number}/evict", data={"ref": looked.refs[number]}).status_code == 409
    assert looked.refs[number] not in looked.tasks(TaskKind.EVICT)


def test_a_subset_that_is_not_there_is_not_taken_for_its_version(looked: Stage) -> None:
    gone = "parts@v9[cols-that-are-gone]"
    for act in ("pin", "unpin", "evict"):
        assert looked.olga.post(f"{HERE}/v9/{act}", data={"ref": gone}).status_code == 404
    assert looked.olga.get(f"{HERE}/v9/evict?ref={quote(gone, safe='')}").status_code == 404
    assert looked.replica("parts@v9").pinned_by == ""
    assert "parts@v9" not in looked.tasks(TaskKind.EVICT)


def test_what_was_asked_for_a_subset_is_called_off(stage: Stage) -> None:
    for number, kind in ((7, TaskKind.FILL), (8, TaskKind.EVICT)):
        assert stage.refs[number] in stage.tasks(kind)
        (table,) = re.findall(r'<table id="t-parts">.*?</table>', stage.page(number), re.DOTALL)
        (task,) = re.findall(r'name="task" value="([^"]+)"', table)
        assert stage.olga.post(f"{HERE}/v{number}/withdraw", data={"task": task}).status_code == 303
    reasons = {task.ref: task.reason for task in stage.dashboard.hub.sites.tasks("dgx-basement")}
    for number in (7, 8):
        assert "olga does not want it any more" in reasons[stage.refs[number]]


def test_the_version_itself_is_asked_about_as_before(stage: Stage) -> None:
    page = stage.olga.get(f"{HERE}/v9/pin").text
    assert "Pin parts@v9 at dgx-basement?" in page
    assert 'name="ref"' not in page
    assert stage.olga.post(f"{HERE}/v9/pin", data={"reason": "", "until": ""}).status_code == 303
    assert stage.replica("parts@v9").pinned_by == "olga"
