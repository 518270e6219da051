"""Messages as JSON and back: every class of wire/, and what another release may have sent."""

from __future__ import annotations

import dataclasses
import json
from typing import Any, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from forebay.wire import cache, catalog
from forebay.wire.cache import Granted, Holder, NoRoom, Progress, Quota, Ready, ReplicaState, Reserved, Volume, Waiting
from forebay.wire.catalog import Dataset
from forebay.wire.codec import from_json, to_json

MESSAGES = [
    kind
    for module in (cache, catalog)
    for kind in vars(module).values()
    if dataclasses.is_dataclass(kind) and isinstance(kind, type)
]
CLAIM: Any = Ready | Granted | Waiting
ROOM: Any = Reserved | NoRoom
finite = st.floats(allow_nan=False, allow_infinity=False)


def any_of(hint: Any) -> st.SearchStrategy[Any]:
    """A value that JSON can hold."""
    if hint is float:
        return finite
    if hint == float | None:
        return st.none() | finite
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        hints = get_type_hints(hint)
        return st.builds(hint, **{field.name: any_of(hints[field.name]) for field in dataclasses.fields(hint)})
    return st.from_type(hint)


@pytest.mark.parametrize("kind", MESSAGES)
@given(data=st.data())
def test_a_message_comes_back_as_it_went(kind: Any, data: st.DataObject) -> None:
    message = data.draw(any_of(kind))
    sent = json.loads(json.dumps(to_json(message), allow_nan=False))
    assert from_json(kind, sent) == message


@pytest.mark.parametrize("kind", MESSAGES)
@given(data=st.data())
def test_the_hub_s_own_words_are_the_same(kind: Any, data: st.DataObject) -> None:
    """FastAPI writes and reads the very classes with pydantic."""
    message = data.draw(any_of(kind))
    adapter = TypeAdapter(kind)
    assert json.loads(adapter.dump_json(message)) == json.loads(json.dumps(to_json(message)))
    assert adapter.validate_json(json.dumps(to_json(message))) == message


@given(any_of(Granted) | any_of(Waiting) | any_of(Ready))
def test_a_claim_says_of_which_kind_it_is(claim: cache.Claim) -> None:
    assert from_json(CLAIM, to_json(claim)) == claim


@given(st.none() | any_of(Reserved) | any_of(NoRoom))
def test_or_nothing(room: Reserved | NoRoom | None) -> None:
    assert from_json(ROOM | None, to_json(room)) == room


def test_lists_and_plain_values() -> None:
    quotas = [Quota(volume_id="v", team="ads", limit_bytes=1)]
    assert from_json(list[Quota], to_json(quotas)) == quotas
    assert to_json({"state": ReplicaState.READY, "entries": (1, 2)}) == {"state": "ready", "entries": [1, 2]}
    assert from_json(float, 3) == 3.0


HOLDER = {"user": "ada", "host": "here", "pid": 1, "purpose": "test"}


def test_what_a_newer_release_adds_is_passed_over_and_what_an_older_one_lacks_is_filled() -> None:
    assert from_json(Holder, {**HOLDER, "mood": "fine"}) == Holder(user="ada", host="here", pid=1, purpose="test")
    volume = {"volume_id": "v", "path": "/v", "limit_bytes": 1, "used_bytes": 0, "reserved_bytes": 0}
    assert from_json(Volume, volume).state_reason == ""


@pytest.mark.parametrize(
    ("kind", "data", "told"),
    [
        (Holder, {**HOLDER, "pid": "1"}, "Holder.pid: int is wanted, not str"),
        (Holder, {**HOLDER, "pid": True}, "Holder.pid: int is wanted, not bool"),
        (Holder, {"user": "ada"}, "Holder.host is missing"),
        (Holder, [], "Holder: an object is wanted, not list"),
        (Progress, None, "Progress: an object is wanted, not NoneType"),
        (list[Quota], {}, "a list is wanted, not dict"),
        (CLAIM, {"answer": "perhaps"}, "answer: one of ready, granted, waiting is wanted"),
        (CLAIM, None, "answer: one of"),
        (ReplicaState, "lost", "'lost' is not a valid ReplicaState"),
        (float, True, "a number is wanted, not bool"),
        (Dataset, {"name": 3}, "Dataset.name: str is wanted, not int"),
    ],
)
def test_what_is_no_message_is_refused_by_the_name_of_its_field(kind: Any, data: object, told: str) -> None:
    with pytest.raises(ValueError, match=told.replace("[", r"\[")):
        from_json(kind, data)
