"""Names and references: what is allowed, and that no reference has two meanings."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forebay.catalog.names import (
    DigestRef,
    LatestRef,
    NumberRef,
    Ref,
    TagRef,
    check_dataset_name,
    check_tag_name,
    did_you_mean,
    nearest,
    parse_ref,
)
from forebay.errors import InputError

names = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,99}", fullmatch=True)


@pytest.mark.parametrize(
    ("text", "ref"),
    [
        ("criteo", LatestRef(dataset="criteo")),
        ("criteo@latest", LatestRef(dataset="criteo")),
        ("criteo@v3", NumberRef(dataset="criteo", number=3)),
        ("criteo@v007", NumberRef(dataset="criteo", number=7)),
        ("criteo@prod", TagRef(dataset="criteo", tag="prod")),
        ("criteo@v3-good", TagRef(dataset="criteo", tag="v3-good")),
        ("criteo@abcde", TagRef(dataset="criteo", tag="abcde")),
        ("criteo@abcdef", DigestRef(dataset="criteo", prefix="abcdef")),
        ("2024.clicks_a-b@1234567", DigestRef(dataset="2024.clicks_a-b", prefix="1234567")),
    ],
)
def test_parse_ref(text: str, ref: Ref) -> None:
    assert parse_ref(text) == ref


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("", "bad-name"),
        ("@v1", "bad-name"),
        ("Criteo", "bad-name"),
        ("a" * 101, "bad-name"),
        ("a/b", "bad-name"),
        ("é", "bad-name"),
        ("criteo\n", "bad-name"),
        ("criteo@", "bad-ref"),
        ("criteo@v0", "bad-ref"),
        ("criteo@Prod", "bad-ref"),
        ("criteo@a@b", "bad-ref"),
        ("criteo@v1\n", "bad-ref"),
    ],
)
def test_parse_ref_refuses(text: str, kind: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_ref(text)
    assert caught.value.kind == kind
    assert caught.value.todo


@pytest.mark.parametrize("tag", ["v1", "v0", "v99999999999", "latest", "abcdef", "123456", "a" * 70, "Prod", "", "-a"])
def test_a_tag_may_not_look_like_something_else(tag: str) -> None:
    with pytest.raises(InputError) as caught:
        check_tag_name(tag)
    assert caught.value.kind == "bad-name"


@given(names, names)
def test_every_allowed_tag_is_read_as_that_tag(dataset: str, tag: str) -> None:
    try:
        check_tag_name(tag)
    except InputError:
        return
    assert parse_ref(f"{check_dataset_name(dataset)}@{tag}") == TagRef(dataset=dataset, tag=tag)


@given(st.text(max_size=120))
def test_any_text_parses_or_is_refused_clearly(text: str) -> None:
    with contextlib.suppress(InputError):
        assert text.startswith(parse_ref(text).dataset)


def test_nearest_names() -> None:
    known = ["criteo", "criteo-small", "imagenet"]
    assert nearest("critoe", known)[0] == "criteo"
    assert did_you_mean("critoe", known).startswith("Did you mean criteo")
    assert did_you_mean("zzz", known, otherwise="Look.") == "Look."
