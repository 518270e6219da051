"""Who shares what: always what counting anew would say, in whatever order they go."""

from __future__ import annotations

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


@given(holders, orders)
def test_as_they_go_the_numbers_stay_those_of_counting_anew(of: dict[str, Contents], order: list[int]) -> None:
    kept, left = shares(of), dict(of)
    for name in [f"h{at}" for at in order if f"h{at}" in of]:
        assert kept.alone() == {other: held_alone(left, {other}) for other in left}
        assert kept.held_bytes == held_by_all(left)
        others = {content for other, item in left.items() if other != name for content in item}
        only = [content for content in left[name] if content not in others]
        assert sorted(kept.only(name)) == sorted(content.encode().ljust(32).hex() for content in only)
        before = kept.alone()
        gained = kept.release(name)
        del left[name]
        assert {other: size - before[other] for other, size in kept.alone().items() if size != before[other]} == gained
        assert name not in kept
    assert kept.held_bytes == 0


@given(holders, st.sets(st.integers(0, 5)))
def test_what_brings_something_free_is_known_beforehand(of: dict[str, Contents], chosen: set[int]) -> None:
    names = {f"h{at}" for at in chosen} & of.keys()
    freed = {content for name in names for content in of[name]}
    freed -= {content for name, item in of.items() if name not in names for content in item}
    assert shares(of).reclaimable(names) == {name for name in names if freed & of[name].keys()}


@given(holders, contents)
def test_one_more_holder_adds_what_nobody_holds_yet(of: dict[str, Contents], more: Contents) -> None:
    assert shares(of).added_bytes("g", held(more)) == held_by_all({**of, "more": more}) - held_by_all(of)
    assert shares(of).added_bytes("another", held(more)) == sum(more.values())
    gone = shares(of)
    for name in of:
        gone.release(name)
    assert gone.added_bytes("g", held(more)) == sum(more.values())
    assert not any(gone.holds("g", name.encode().ljust(32).hex()) for name in more)


@given(holders)
def test_a_fork_changes_nothing_in_what_it_was_made_from(of: dict[str, Contents]) -> None:
    kept = shares(of)
    before = kept.alone(), kept.held_bytes
    forked = kept.fork()
    for name in of:
        forked.release(name)
    assert (kept.alone(), kept.held_bytes) == before


def test_PRIVATE_groups_share_nothing() -> None:
    both = Shares({"a": ("one", held({"c": 5})), "b": ("two", held({"c": 5}))})
    assert both.alone() == {"a": 5, "b": 5}
    assert both.held_bytes == 10
    assert both.release("a") == {}
    assert both.release("nobody") == {}
    assert both.holds("two", b"c".ljust(32).hex())
    assert not both.holds("one", b"c".ljust(32).hex())
