"""The queue: who starts, who fills, who waits for what; nobody for ever."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forebay.runs import backlog
from forebay.runs.backlog import FailRun, FillVersion, PlaceRun, Queued, StartRun, Step, in_turn, step, turn
from forebay.runs.eligible import Filter
from forebay.runs.world import Failed, Presence, Request, Wanted, Weights, World
from forebay.sites.site import Resources, Site, Working
from forebay.wire.sites import SiteState
from tests.unit.runs.worlds import DATA, GB, HOUR_S, NOW, link, request, site, world


def _started(done: Step) -> list[str]:
    return [effect.run_id for effect in done.effects if isinstance(effect, StartRun)]


def _step(queue: Sequence[Queued], here: World, *, now: float = NOW, rethink: bool = False) -> Step:
    return step(queue, here, Weights(), now, rethink=rethink)


def _busy(gpus: int, hours: float) -> Working:
    return Working(resources=Resources(gpus=gpus), estimate_s=hours * HOUR_S)


def test_a_run_whose_data_are_there_is_placed_and_starts() -> None:
    done = _step([Queued(request=request())], world(site("a"), present=("a",)))
    assert [type(effect) for effect in done.effects] == [PlaceRun, StartRun]
    assert not done.waiting


def test_a_run_fills_before_it_claims_compute_and_others_use_it_meanwhile() -> None:
    other = Wanted(ref="users@v1", dataset="users", size_bytes=GB, lake="lake")
    here = world(site("a", gpus=1), presence={("a", other.ref): Presence(missing_bytes=0)})
    first = Queued(request=request("first", estimate_s=60.0))
    second = Queued(request=request("second", estimate_s=300.0, data=(other,)))
    done = _step([first, second], here)
    assert FillVersion(run_id="first", site="a", ref=DATA.ref, source="lake", missing_bytes=100 * GB) in done.effects
    assert _started(done) == ["second"]
    assert done.waiting[0].reason == "it waits for its data at a"


def test_a_version_is_asked_for_once_however_many_wait_for_it() -> None:
    queue = [Queued(request=request(f"run-{number}")) for number in range(5)]
    done = _step(queue, world(site("a", gpus=8), site("b", gpus=8)))
    fills = [effect for effect in done.effects if isinstance(effect, FillVersion)]
    assert len(fills) == 1
    placed = {effect.site for effect in done.effects if isinstance(effect, PlaceRun)}
    assert placed == {fills[0].site}


def test_small_runs_use_what_would_lie_idle_and_never_delay_the_large_one() -> None:
    """4 GPUs, 3 of them busy for an hour: the large run's hole begins then. One that ends before it may start."""
    here = world(site("a", working=(_busy(3, 1.0),)), present=("a",))
    large = Queued(request=request("large", gpus=4, estimate_s=HOUR_S), site="a")
    later = NOW + 3 * HOUR_S
    short, long = (
        Queued(request=request(name, estimate_s=hours * HOUR_S, submitted_at=later), site="a")
        for name, hours in (("short", 0.9), ("long", 1.5))
    )
    done = _step([large, short, long], here, now=later)
    assert _started(done) == ["short"]
    assert {item.run_id: item.start_s for item in done.waiting}["large"] == HOUR_S


def test_short_runs_go_first_but_only_for_so_long() -> None:
    long = request("long", estimate_s=24 * HOUR_S)
    soon = request("soon", estimate_s=60.0, submitted_at=NOW + HOUR_S)
    late = request("late", estimate_s=60.0, submitted_at=NOW + backlog.EAGERNESS * backlog.LONGEST_S)
    queue = [Queued(request=item) for item in (late, long, soon)]
    assert [item.request.run_id for item in in_turn(queue)] == ["soon", "long", "late"]


@given(st.floats(0, 1e7), st.floats(0, 1e9), st.floats(0, 1e9))
def test_nobody_who_comes_much_later_goes_first(after_s: float, own_s: float, other_s: float) -> None:
    mine = request("mine", estimate_s=own_s)
    other = request("other", estimate_s=other_s, submitted_at=NOW + after_s)
    if turn(other) < turn(mine):
        assert after_s < backlog.EAGERNESS * backlog.LONGEST_S + 1


def test_after_its_patience_a_run_gets_whatever_comes_free() -> None:
    """The estimates say that a short run would be over in time; they have been wrong for hours."""
    here = world(site("a", working=(_busy(3, 1.0),)), present=("a",))
    large = Queued(request=request("large", gpus=4), site="a")
    now = turn(large.request) + backlog.PATIENCE_S + 1
    short = Queued(request=request("short", estimate_s=60.0, submitted_at=now), site="a")
    assert _started(_step([large, short], here, now=now)) == []
    assert _started(
        _step([replace(large, request=replace(large.request, submitted_at=now)), short], here, now=now)
    ) == ["short"]


def test_a_run_leaves_a_site_that_goes_down() -> None:
    here = world(site("a", state=SiteState.DOWN), site("b"), present=("a", "b"))
    done = _step([Queued(request=request(), site="a")], here)
    assert [type(effect) for effect in done.effects] == [PlaceRun, StartRun]
    assert _placed(done) == {"run": "b"}


def _failed(*, final: bool, at: float = NOW + 10, reason: str = "the lake denies access") -> Failed:
    return Failed(reason=reason, unblock="mend it", at=at, final=final)


def _failing(*names: str, **failed: Failed) -> World:
    return world(*(site(name) for name in names), failed={(name, DATA.ref): item for name, item in failed.items()})


@pytest.mark.parametrize("final", [True, False])
def test_a_run_leaves_a_site_where_its_fill_failed_and_remembers_why(*, final: bool) -> None:
    done = _step([Queued(request=request(), site="a")], _failing("a", "b", a=_failed(final=final)), now=NOW + 20)
    (placed,) = (effect for effect in done.effects if isinstance(effect, PlaceRun))
    assert (placed.site, placed.because) == ("b", "clicks@v1 can't be brought to a: the lake denies access")
    (refused,) = (row for row in placed.placement.rows if row.site == "a")
    assert [item.filter for item in refused.refusals] == [Filter.FILL]
    assert [effect.site for effect in done.effects if isinstance(effect, FillVersion)] == ["b"]


def test_a_run_fails_only_when_every_site_that_could_take_it_has_failed_it_for_good() -> None:
    last = _failed(final=True, at=NOW + 30, reason="denied, too")
    here = _failing("a", "b", a=_failed(final=True), b=last)
    (failed,) = _step([Queued(request=request(), site="b")], here, now=NOW + 40).effects
    told = "clicks@v1 can't be brought to b: denied, too (nor to a)"
    assert failed == FailRun(run_id="run", reason=told, unblock="mend it")
    never = replace(here, sites=(*here.sites, site("c", gpus=0)))
    assert isinstance(_step([Queued(request=request())], never, now=NOW + 40).effects[0], FailRun), "c never could"
    soon = replace(here, sites=(*here.sites, site("c", state=SiteState.DOWN)))
    done = _step([Queued(request=request())], soon, now=NOW + 40)
    assert done.effects == ()
    assert "the site is down" in done.waiting[0].reason


def test_where_every_fill_may_yet_work_a_run_stays_and_waits() -> None:
    here = _failing("a", "b", a=_failed(final=False), b=_failed(final=False))
    for name in ("a", "b"):
        done = _step([Queued(request=request(), site=name)], here, now=NOW + 20)
        assert _placed(done) == {}
        assert done.waiting[0].site == name
    mixed = _failing("a", "b", a=_failed(final=True), b=_failed(final=False))
    assert _placed(_step([Queued(request=request(), site="a")], mixed, now=NOW + 20)) == {"run": "b"}


def test_what_failed_before_a_run_came_puts_a_site_last_and_is_tried_anew_where_no_other_is_left() -> None:
    before = _failed(final=True, at=NOW - 10)
    assert _placed(_step([Queued(request=request())], _failing("a", "b", a=before))) == {"run": "b"}
    assert _placed(_step([Queued(request=request())], _failing("a", a=before))) == {"run": "a"}


def _placed(done: Step) -> dict[str, str]:
    return {effect.run_id: effect.site for effect in done.effects if isinstance(effect, PlaceRun)}


def test_a_waiting_run_moves_only_when_asked_to_rethink_and_for_a_clear_gain() -> None:
    queue = [Queued(request=request(), site="a")]
    here = world(site("a", working=(_busy(4, 5.0),)), site("b"), present=("a", "b"))
    assert _started(_step(queue, here)) == []
    assert _started(_step(queue, here, rethink=True)) == ["run"]
    alike = world(site("a", working=(_busy(4, 5.0),)), site("b", working=(_busy(4, 4.5),)), present=("a", "b"))
    assert _step(queue, alike, rethink=True).effects == ()


def test_who_can_go_nowhere_is_told_what_is_nearest() -> None:
    here = world(site("a", gpus=1, teams=frozenset()), site("b", gpus=2))
    (waiting,) = _step([Queued(request=request(gpus=3))], here).waiting
    assert waiting.site is None
    assert waiting.reason == "no site will do; nearest is b: it has 2 gpus, asked for 3"


def test_room_is_given_once() -> None:
    other = Wanted(ref="users@v1", dataset="users", size_bytes=60 * GB, lake="lake")
    here = world(site("a", volume_bytes=200 * GB, room_bytes=150 * GB))
    queue = [Queued(request=request("one")), Queued(request=request("two", data=(other,), estimate_s=2 * HOUR_S))]
    done = _step(queue, here)
    assert [effect.ref for effect in done.effects if isinstance(effect, FillVersion)] == [DATA.ref]
    assert "only 46.6 GiB can be had" in done.waiting[1].reason


def test_after_its_patience_a_run_gets_the_next_room() -> None:
    """It is placed without room, its fill waits for it, and who comes later gets none of it."""
    other = Wanted(ref="users@v1", dataset="users", size_bytes=20 * GB, lake="lake")
    here = world(site("a", volume_bytes=200 * GB, room_bytes=30 * GB))
    large = request("large")
    now = turn(large) + backlog.PATIENCE_S + 1
    small = request("small", data=(other,), submitted_at=now)
    early = _step([Queued(request=large), Queued(request=replace(small, submitted_at=NOW + 1))], here)
    assert [effect.run_id for effect in early.effects if isinstance(effect, FillVersion)] == ["small"]
    late = _step([Queued(request=large), Queued(request=small)], here, now=now)
    assert [effect.run_id for effect in late.effects if isinstance(effect, FillVersion)] == ["large"]


def test_behind_a_deep_queue_the_wait_is_reckoned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("forebay.runs.outlook.DEPTH", 3)
    here = world(site("a", gpus=1), present=("a",))
    queue = [Queued(request=request(f"run-{number}"), site="a") for number in range(6)]
    starts = [item.start_s for item in _step(queue, here).waiting]
    assert starts == [HOUR_S, 2 * HOUR_S, 3 * HOUR_S, 4 * HOUR_S, 5 * HOUR_S]


requests = st.builds(
    lambda gpus, estimate_s, came: (gpus, estimate_s, came),
    st.integers(1, 4),
    st.floats(1, 1e5),
    st.floats(0, 1e5),
)


@given(st.lists(requests, max_size=12), st.randoms(use_true_random=False))
def test_the_order_of_the_queue_does_not_matter(asked: list[tuple[int, float, float]], chance: random.Random) -> None:
    queue = [
        Queued(request=request(f"run-{at}", gpus=gpus, estimate_s=estimate_s, submitted_at=NOW - came))
        for at, (gpus, estimate_s, came) in enumerate(asked)
    ]
    shuffled = list(queue)
    chance.shuffle(shuffled)
    here = world(site("a"), site("b", working=(_busy(2, 1.0),)), present=("b",))
    assert _step(queue, here) == _step(shuffled, here)


@dataclass(slots=True)
class Days:
    """A world that does what the steps say: runs take what they really take, fills come at 100 MB/s."""

    sites: tuple[Site, ...]
    now: float = 0.0
    queue: dict[str, Queued] = field(default_factory=dict)
    running: dict[str, tuple[str, float, float, Request]] = field(default_factory=dict)
    fills: dict[tuple[str, str], float] = field(default_factory=dict)
    present: set[tuple[str, str]] = field(default_factory=set)
    started: dict[str, float] = field(default_factory=dict)

    def happen(self, takes_s: dict[str, float]) -> None:
        for key in [key for key, end in self.fills.items() if end <= self.now]:
            del self.fills[key]
            self.present.add(key)
        for run_id in [run_id for run_id, (_, _, end, _) in self.running.items() if end <= self.now]:
            del self.running[run_id]
        for effect in step(self.queue.values(), self._world(), Weights(), self.now, rethink=True).effects:
            match effect:
                case PlaceRun():
                    self.queue[effect.run_id] = replace(self.queue[effect.run_id], site=effect.site)
                case FillVersion():
                    self.fills[effect.site, effect.ref] = self.now + effect.missing_bytes / 1e8
                case StartRun():
                    asked = self.queue.pop(effect.run_id).request
                    assert all((effect.site, wanted.ref) in self.present for wanted in asked.data)
                    self.running[effect.run_id] = (effect.site, self.now, self.now + takes_s[effect.run_id], asked)
                    self.started[effect.run_id] = self.now
        self._nothing_is_given_twice()

    def next_moment(self) -> float:
        return min([end for _, _, end, _ in self.running.values()] + list(self.fills.values()), default=float("inf"))

    def _nothing_is_given_twice(self) -> None:
        for item in self.sites:
            used = sum(asked.resources.gpus for name, _, _, asked in self.running.values() if name == item.name)
            assert used <= item.capacity.gpus

    def _world(self) -> World:
        def facts(item: Site) -> Site:
            working = tuple(
                Working(resources=asked.resources, estimate_s=asked.estimate_s, elapsed_s=self.now - began)
                for name, began, _, asked in self.running.values()
                if name == item.name
            )
            return replace(item, working=working)

        filling = {
            key: Presence(missing_bytes=int((end - self.now) * 1e8) + 1, filling=True, fill_bytes_s=1e8)
            for key, end in self.fills.items()
        }
        return World(
            sites=tuple(facts(item) for item in self.sites),
            links={("lake", item.name): link("lake", item.name) for item in self.sites},
            presence=filling | {key: Presence(missing_bytes=0) for key in self.present},
        )


arrivals = st.lists(
    st.tuples(
        st.floats(0, 5e4),
        st.integers(1, 4),
        st.floats(1, 1e5),
        st.floats(0.05, 20.0),
        st.integers(0, 3),
    ),
    min_size=1,
    max_size=25,
)


def _live(found: list[tuple[float, int, float, float, int]]) -> Days:
    """Until everybody has started; `found`: when, GPUs, the estimate, how wrong it is, which dataset."""
    days = Days(sites=(site("a", gpus=4), site("b", gpus=2)))
    coming = sorted(
        (came, f"run-{at}", gpus, estimate_s, number) for at, (came, gpus, estimate_s, _, number) in enumerate(found)
    )
    takes_s = {f"run-{at}": estimate_s * wrong for at, (_, _, estimate_s, wrong, _) in enumerate(found)}
    for _ in range(20 * len(found) + 20):
        if not coming and not days.queue:
            return days
        days.now = min([days.next_moment()] + [item[0] for item in coming[:1]])
        while coming and coming[0][0] <= days.now:
            came, run_id, gpus, estimate_s, number = coming.pop(0)
            wanted = replace(DATA, ref=f"data-{number}@v1", dataset=f"data-{number}", size_bytes=(number + 1) * 10 * GB)
            asked = request(run_id, gpus=gpus, estimate_s=estimate_s, submitted_at=came, data=(wanted,))
            days.queue[run_id] = Queued(request=asked)
        days.happen(takes_s)
    raise AssertionError(f"still waiting: {sorted(days.queue)}")


@given(
    st.lists(
        st.tuples(st.integers(1, 6), st.sampled_from(["clicks@v1", "users@v1"]), st.sampled_from(["", "a", "b"])),
        max_size=8,
    ),
    st.booleans(),
)
def test_what_is_foretold_is_what_serving_all_who_come_before_leaves(
    found: list[tuple[int, str, str]], failed: bool
) -> None:
    """Also where some of them ask for what no site has, as six GPUs, and where a site is down or has failed."""
    sites = (site("a", gpus=4), site("b", gpus=2), site("c", gpus=4, state=SiteState.DOWN, state_reason="gone"))
    final = Failed(reason="no", unblock="mend it", at=NOW - 1, final=True)
    here = world(*sites, failed={("a", "users@v1"): final} if failed else {})
    queue = [
        Queued(
            request=request(
                f"run-{at}", gpus=gpus, submitted_at=NOW - 9 + at, data=(replace(DATA, ref=ref, dataset=ref[:-3]),)
            ),
            site=placed or None,
        )
        for at, (gpus, ref, placed) in enumerate(found)
    ]
    mine = Queued(request=request("mine", submitted_at=NOW))
    foretold = backlog.forecast(mine, queue, here, Weights(), NOW)
    done = step([*queue, mine], here, Weights(), NOW)
    placed_at = [item.placement for item in done.effects if isinstance(item, PlaceRun) and item.run_id == "mine"]
    assert placed_at == ([foretold] if foretold.choice else [])


@given(arrivals)
def test_everybody_starts_in_the_end_however_wrong_the_estimates(
    found: list[tuple[float, int, float, float, int]],
) -> None:
    assert len(_live(found).started) == len(found)


@pytest.mark.parametrize("wrong", [1.0, 10.0])
def test_a_large_run_is_not_overtaken_for_ever_by_a_stream_of_small_ones(wrong: float) -> None:
    """Small runs for ever that keep four GPUs busy nearly all the time, whatever they say they take."""
    days = Days(sites=(site("a", gpus=4),), present={("a", DATA.ref)})
    takes_s = {"large": HOUR_S}
    for number in range(2000):
        came = 80.0 * number
        while days.next_moment() <= came:
            days.now = days.next_moment()
            days.happen(takes_s)
        days.now = came
        takes_s[f"run-{number}"] = 300.0
        small = request(f"run-{number}", estimate_s=300.0 / wrong, submitted_at=came)
        days.queue[small.run_id] = Queued(request=small)
        if number == 10:
            days.queue["large"] = Queued(request=request("large", gpus=4, submitted_at=came))
        days.happen(takes_s)
        if "large" in days.started:
            break
    patience_s = backlog.PATIENCE_S if wrong > 1 else 0.0
    assert days.started["large"] - 800 <= backlog.EAGERNESS * HOUR_S + patience_s + 4 * 300
