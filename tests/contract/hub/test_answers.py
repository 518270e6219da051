"""What writes with an idempotency key were answered, on both databases."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from forebay.errors import ConflictError, UnavailableError
from forebay.hub.answers import ABANDONED_SECONDS, KEPT_SECONDS, Answer, AnswerStore, Key
from forebay.hub.local import LocalHub
from forebay.testing.cached import FakeClock

KEY = Key(caller="ada", text="k")


def test_an_answer_is_kept_for_a_day_and_an_unfinished_write_for_a_moment(embedded: LocalHub, clock: FakeClock) -> None:
    answers = AnswerStore(embedded.engine, clock)
    assert answers.begin(KEY, "a") is None
    with pytest.raises(UnavailableError) as waiting:
        answers.begin(KEY, "a")
    assert waiting.value.kind == "request-under-way"
    clock.pass_by(ABANDONED_SECONDS)
    assert answers.begin(KEY, "a") is None, "its hub was killed"
    answers.keep(KEY, Answer(status=201, body=b"{}"))
    clock.pass_by(KEPT_SECONDS - 1000)
    assert answers.begin(KEY, "a") == Answer(status=201, body=b"{}")
    clock.pass_by(1001)
    assert answers.begin(KEY, "another") is None
    answers.forget(KEY)
    assert AnswerStore(embedded.engine, clock).begin(KEY, "yet another") is None


def test_a_key_is_its_caller_s_and_for_one_request(embedded: LocalHub, clock: FakeClock) -> None:
    answers = AnswerStore(embedded.engine, clock)
    assert answers.begin(KEY, "a") is None
    assert answers.begin(Key(caller="bob", text="k"), "a") is None
    with pytest.raises(ConflictError) as reused:
        answers.begin(KEY, "b")
    assert reused.value.kind == "idempotency-key-reused"


def test_of_many_that_begin_at_once_one_writes(embedded: LocalHub, clock: FakeClock) -> None:
    answers, barrier = AnswerStore(embedded.engine, clock), Barrier(8)

    def begin() -> bool:
        barrier.wait()
        try:
            return answers.begin(KEY, "a") is None
        except UnavailableError:
            return False

    with ThreadPoolExecutor(8) as pool:
        begun = [future.result() for future in [pool.submit(begin) for _ in range(8)]]
    assert sum(begun) == 1
