"""How errors cross: the same class, kind and words at the other end."""

from __future__ import annotations

import pytest

from forebay import errors
from forebay.wire.http import DamagedUploadError, error_from_json, error_to_json, status_of

CATEGORIES = [
    (errors.InputError, 400),
    (errors.NotFoundError, 404),
    (errors.ConflictError, 409),
    (errors.UnavailableError, 503),
    (errors.CapacityError, 507),
    (errors.NotAllowedError, 403),
    (errors.DamagedError, 500),
]


@pytest.mark.parametrize(("category", "status"), CATEGORIES)
def test_an_error_comes_out_as_it_went_in(category: type[errors.ForebayError], status: int) -> None:
    error = category("some-kind", "what failed", todo="what to do")
    assert status_of(error) == status
    found = error_from_json(status, error_to_json(error))
    assert type(found) is category
    assert found is not None
    assert (found.kind, found.message, found.todo) == ("some-kind", "what failed", "what to do")


@pytest.mark.parametrize(
    ("kind", "category", "status"),
    [
        ("not-signed-in", errors.NotAllowedError, 401),
        ("method-not-allowed", errors.InputError, 405),
        ("request-timeout", errors.UnavailableError, 408),
        ("body-too-large", errors.InputError, 413),
        ("bad-request", errors.InputError, 422),
        ("too-many-requests", errors.UnavailableError, 429),
        ("too-many-failed-sign-ins", errors.UnavailableError, 429),
        ("manifest-damaged", DamagedUploadError, 422),
        ("internal", errors.InternalError, 500),
    ],
)
def test_some_kinds_have_statuses_of_their_own(kind: str, category: type[errors.ForebayError], status: int) -> None:
    error = category(kind, "what failed")
    assert status_of(error) == status
    assert type(error_from_json(status, error_to_json(error))) in category.__mro__[:2]


@pytest.mark.parametrize(
    "data", [None, [], {}, {"error": "no"}, {"error": {"kind": 1, "message": "m"}}, {"detail": "x"}]
)
def test_what_is_no_error_of_ours_is_none(data: object) -> None:
    assert error_from_json(500, data) is None
