"""Errors as values: what they say, and that they survive a process border."""

from __future__ import annotations

import pickle

import pytest

from forebay import errors
from forebay.errors import ForebayError

CATEGORIES = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, ForebayError)]


@pytest.mark.parametrize("category", CATEGORIES)
def test_every_category_survives_pickling(category: type[ForebayError]) -> None:
    raised = category("a-kind", "what failed", todo="what to do")
    raised.besides = ("what else failed",)
    error = pickle.loads(pickle.dumps(raised))

    assert type(error) is category
    assert error.besides == ("what else failed",)
    assert (error.kind, error.message, error.todo) == ("a-kind", "what failed", "what to do")


def test_the_text_says_what_failed_and_then_what_to_do() -> None:
    assert str(ForebayError("k", "it failed")) == "it failed"
    assert str(ForebayError("k", "it failed", todo="mend it")) == "it failed\nmend it"
