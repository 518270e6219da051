"""Who shares what: always what counting anew would say, in whatever order they go."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from forebay.cache.shares import Shares
from tests.unit.cache.contents import Contents, held, held_alone, held_by_all

SIZES = {f"c{number}": 10**number for number in range(8)}
contents = st.sets(st.sampled_from(sorted(SIZES))).map(lambda names: {name: SIZES[name] for name in sorted(names)})
holders = st.lists(contents, max_size=6).map(lambda found: {f"h{at}": item for at, item in enumerate(found)})
orders = st.permutations(range(6))


def shares(of: dict[str, Contents], group: str = "g") -> Shares:
    return Shares({name: (group, held(item)) for name, item in of.items()})


def alone(kept: Shares, names: Iterable[str]) -> dict[str, int]:
    names = list(names)
    return dict(zip(names, kept.trial(names).alone_bytes, strict=True))


@given(holders, orders)
def test_as_they_go_the_numbers_stay_those_of_counting_anew(of: dict[str, Contents], order: list[int]) -> None:
    kept, left = shares(of), dict(of)
    for name in [f"h{at}" for at in order if f"h{at}" in of]:
        assert alone(kept, left) == {other: held_alone(left, {other}) for other in left}
        assert kept.held_bytes == held_by_all(left)
        others = {content for other, item in left.items() if other != name for content in item}
        only = [content for content in left[name] if content not in others]
        assert sorted(kept.only(name)) == sorted(content.encode().ljust(32).hex() for content in only)
        kept.release(name)
        del left[name]
        assert name not in kept
    assert kept.held_bytes == 0


@given(holders, orders, st.permutations(range(6)), st.integers(0, 6))
def test_a_trial_says_in_any_order_what_counting_anew_would_and_changes_nothing(
    of: dict[str, Contents], order: list[int], row: list[int], gone: int
) -> None:
    kept, left = shares(of), dict(of)
    for name in list(of)[:gone]:
        kept.release(name)
        del left[name]
    names, before = [f"h{at}" for at in row], dict(left)
    trial = kept.trial(names)
    for at in order:
        here = names[at] in left
        was_asleep = {other for other in left if not trial.alone_bytes[names.index(other)]}
        freed_bytes = held_alone(left, {names[at]}) if here else 0
        assert trial.alone_bytes[at] == freed_bytes
        so_far = trial.freed_bytes
        assert trial.release([at]) == 1
        assert trial.freed_bytes == so_far + freed_bytes
        left.pop(names[at], None)
        assert {other: trial.alone_bytes[names.index(other)] for other in left} == {
            other: held_alone(left, {other}) for other in left
        }
        awake = {other for other in left if trial.alone_bytes[names.index(other)]}
        assert {names[to] for to in trial.woken} == was_asleep & awake
        trial.woken.clear()
    assert alone(kept, before) == {other: held_alone(before, {other}) for other in before}
    assert kept.held_bytes == held_by_all(before)


@given(holders, st.sets(st.integers(0, 5)))
def test_what_brings_something_free_is_known_beforehand(of: dict[str, Contents], chosen: set[int]) -> None:
    names = [f"h{at}" for at in range(6)]
    going = {names[at] for at in chosen} & of.keys()
    freed = {content for name in going for content in of[name]}
    freed -= {content for name, item in of.items() if name not in going for content in item}
    found = shares(of).trial(names).reclaimable(sorted(chosen))
    assert {names[at] for at in found} == {name for name in going if freed & of[name].keys()}


@given(holders, orders, st.integers(0, 10**9))
def test_a_trial_stops_when_enough_has_come_free_or_another_one_has_woken(
    of: dict[str, Contents], order: list[int], enough: int
) -> None:
    names = [f"h{at}" for at in range(6)]
    one_by_one, at_once = shares(of).trial(names), shares(of).trial(names)
    count = 0
    for at in order:
        one_by_one.release([at])
        count += 1
        if one_by_one.freed_bytes >= enough or one_by_one.woken:
            break
    assert at_once.release(order, enough) == count
    assert (at_once.freed_bytes, at_once.woken) == (one_by_one.freed_bytes, one_by_one.woken)
    assert at_once.alone_bytes == one_by_one.alone_bytes


@given(holders, contents)
def test_one_more_holder_adds_what_nobody_holds_yet(of: dict[str, Contents], more: Contents) -> None:
    assert shares(of).added_bytes("g", held(more)) == held_by_all({**of, "more": more}) - held_by_all(of)
    assert shares(of).added_bytes("another", held(more)) == sum(more.values())
    gone = shares(of)
    for name in of:
        gone.release(name)
    assert gone.added_bytes("g", held(more)) == sum(more.values())
    assert not any(gone.holds("g", name.encode().ljust(32).hex()) for name in more)


def test_PRIVATE_groups_share_nothing() -> None:
    both = Shares({"a": ("one", held({"c": 5})), "b": ("two", held({"c": 5}))})
    assert alone(both, ("a", "b", "nobody")) == {"a": 5, "b": 5, "nobody": 0}
    assert both.held_bytes == 10
    both.release("a")
    both.release("nobody")
    assert alone(both, ("a", "b")) == {"a": 0, "b": 5}
    assert both.held_bytes == 5
    assert both.holds("two", b"c".ljust(32).hex())
    assert not both.holds("one", b"c".ljust(32).hex())
