"""Which previews an agent makes and when."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from forebay.sites.agent import effects as do
from forebay.sites.agent import events as seen
from forebay.sites.agent.looks import AT_ONCE, Looks, key_of
from forebay.wire.previews import PreviewKind, PreviewOrder
from forebay.wire.sites import Orders, SiteState
from tests.unit.sites.test_agent_machine import Stage


def look(name: str, token: int = 1) -> PreviewOrder:
    return PreviewOrder(preview_id=name, token=token, ref="d@v1", kind=PreviewKind.TABLE, paths=("a.csv",))


def order(stage: Stage, *looks: PreviewOrder) -> list[str]:
    """The previews that are begun by that."""
    stage.revision += 1
    told = Orders(revision=stage.revision, state=SiteState.UP, previews=looks)
    return begun(stage.tell(seen.OrdersCame(agent_token=stage.agent.agent_token, orders=told)))


def end(stage: Stage, ended: PreviewOrder) -> list[str]:
    return begun(stage.tell(seen.LookEnded(preview_id=ended.preview_id, token=ended.token)))


def begun(effects: list[do.Effect]) -> list[str]:
    return [effect.order.preview_id for effect in effects if isinstance(effect, do.StartLook)]


def attached() -> Stage:
    stage = Stage()
    stage.wait(0)
    stage.attach()
    return stage


def test_one_at_a_time_and_each_once() -> None:
    stage = attached()
    assert order(stage, look("a"), look("b")) == ["a"]
    assert order(stage, look("a"), look("b"), look("c")) == []
    assert end(stage, look("a")) == ["b"]
    # The hub has not heard of the first one yet, and names it still.
    assert order(stage, look("a"), look("b"), look("c")) == []
    assert end(stage, look("b")) == ["c"]
    assert end(stage, look("b")) == []


def test_one_that_is_ordered_anew_is_made_anew() -> None:
    stage = attached()
    order(stage, look("a"))
    end(stage, look("a"))
    assert order(stage, look("a", 2)) == ["a"]


def test_one_that_nobody_wants_any_more_is_not_begun() -> None:
    stage = attached()
    order(stage, look("a"), look("b"))
    order(stage, look("a"))
    assert end(stage, look("a")) == []


def test_an_agent_that_ends_begins_none_and_waits_for_none() -> None:
    stage = attached()
    order(stage, look("a"), look("b"))
    assert any(isinstance(effect, do.Leave) for effect in stage.tell(seen.ToldToDrain()))
    assert end(stage, look("a")) == []


def test_orders_of_an_older_hub_name_none() -> None:
    stage = attached()
    assert order(stage) == []
    assert stage.agent.looks == Looks()


_EVENTS = st.lists(
    st.one_of(
        st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 3)), max_size=4, unique=True),
        st.tuples(st.sampled_from("abc"), st.integers(1, 3)),
    ),
    max_size=40,
)


@given(_EVENTS)
def test_ONCE_whatever_comes_in_whatever_order(events: list[list[tuple[str, int]] | tuple[str, int]]) -> None:
    looks = Looks()
    under_way: set[tuple[str, int]] = set()
    named: list[tuple[str, int]] = []
    for event in events:
        if isinstance(event, tuple):
            looks = looks.ended_with(event)
            under_way.discard(event)
        else:
            named = event
            looks = looks.ordered([look(*item) for item in event])
        looks, begun_now = looks.begin()
        keys = [key_of(item) for item in begun_now]
        assert not under_way & set(keys)
        assert set(keys) <= set(named)
        under_way |= set(keys)
        assert len(under_way) <= AT_ONCE
        assert looks.going == under_way
