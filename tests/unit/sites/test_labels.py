"""Labels: what an expression means at a site, and what is said of one that can't be read."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forebay.errors import InputError
from forebay.sites.labels import Condition, Sign, parse_expression, parse_labels, unmet

LABELS = {"gpu": "4", "gpu-type": "a100", "cloud": "azure", "spot": "true"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "gpu>=4",
        "gpu >= 4",
        "gpu<=4.0",
        "gpu=4.0",
        "gpu==4",
        "gpu>3,gpu<5",
        "gpu-type=a100",
        "gpu-type=h100|a100",
        "cloud!=aws",
        "cloud!=aws|gcp",
        "spot",
        "!region",
        "region!=eu",
        "gpu>=2 and cloud=azure",
        "gpu>=2, , cloud=azure",
    ],
)
def test_holds(text: str) -> None:
    assert unmet(parse_expression(text), LABELS) == ()


@pytest.mark.parametrize(
    ("text", "unmet_text", "words"),
    [
        ("gpu>4", "gpu>4", "has gpu=4, asked for gpu>4"),
        ("gpu-type>=2", "gpu-type>=2", "has gpu-type=a100"),
        ("cloud!=azure", "cloud!=azure", "has cloud=azure"),
        ("cloud!=aws|azure", "cloud!=aws|azure", "has cloud=azure"),
        ("region=eu", "region=eu", "has no label region"),
        ("!spot", "!spot", "has spot=true"),
        ("region", "region", "has no label region"),
        ("gpu>=2,memory>=3", "memory>=3", "has no label memory"),
    ],
)
def test_does_not_hold_and_says_why(text: str, unmet_text: str, words: str) -> None:
    (condition,) = unmet(parse_expression(text), LABELS)
    assert str(condition) == unmet_text
    assert words in condition.shortfall(LABELS)


@pytest.mark.parametrize(
    "text", ["gpu=>4", "gpu>=", "gpu>=four", "gpu>=4|5", ">=4", "gpu 4", "a=b=c", "a=b|", "Ä=1", "!"]
)
def test_what_cannot_be_read_is_an_error_with_an_example(text: str) -> None:
    with pytest.raises(InputError) as refused:
        parse_expression(text)
    assert refused.value.kind == "bad-labels"
    assert refused.value.todo.startswith("For example")


def test_a_label_that_no_site_has_is_probably_misspelt() -> None:
    with pytest.raises(InputError, match="Did you mean gpu-type"):
        parse_expression("gpu-typ=a100", known=LABELS)
    with pytest.raises(InputError, match="Labels of your sites: cloud, gpu"):
        parse_expression("zone=3", known=LABELS)


def test_labels_of_a_site() -> None:
    assert parse_labels("gpu=2, gpu-type=a100,spot,") == {"gpu": "2", "gpu-type": "a100", "spot": "true"}


@pytest.mark.parametrize("text", ["gpu=", "=2", "a b", "gpu=2,gpu=3", "gpu=a|b"])
def test_labels_that_cannot_be_read(text: str) -> None:
    with pytest.raises(InputError):
        parse_labels(text)


names = st.from_regex(r"[a-z][a-z0-9-]{0,8}", fullmatch=True).filter(lambda name: name != "and")
values = st.from_regex(r"[a-z0-9][a-z0-9.]{0,8}", fullmatch=True)
numbers = st.integers(0, 10**6).map(str)
conditions = st.one_of(
    st.builds(Condition, key=names, sign=st.sampled_from((Sign.SET, Sign.NOT_SET))),
    st.builds(
        Condition,
        key=names,
        sign=st.sampled_from((Sign.EQUAL, Sign.UNEQUAL)),
        values=st.lists(values, min_size=1, max_size=3).map(tuple),
    ),
    st.builds(
        Condition,
        key=names,
        sign=st.sampled_from((Sign.AT_LEAST, Sign.AT_MOST, Sign.MORE, Sign.LESS)),
        values=numbers.map(lambda number: (number,)),
    ),
)


@given(st.lists(conditions, max_size=4).map(tuple))
def test_what_is_written_is_read_back(expression: tuple[Condition, ...]) -> None:
    assert parse_expression(",".join(str(condition) for condition in expression)) == expression


@given(st.text(max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(InputError):
        unmet(parse_expression(text), LABELS)


_OPPOSITES = {Sign.SET: Sign.NOT_SET, Sign.EQUAL: Sign.UNEQUAL}


@given(conditions.filter(lambda condition: condition.sign in _OPPOSITES), st.dictionaries(names, values, max_size=3))
def test_of_a_condition_and_its_opposite_one_holds(condition: Condition, labels: dict[str, str]) -> None:
    opposite = Condition(key=condition.key, sign=_OPPOSITES[condition.sign], values=condition.values)
    assert condition.holds(labels) is not opposite.holds(labels)
