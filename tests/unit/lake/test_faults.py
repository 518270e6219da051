from __future__ import annotations

import pytest
from obstore import exceptions as obstore_errors

from forebay.errors import (
    ConflictError,
    ForebayError,
    InputError,
    NotAllowedError,
    NotFoundError,
    UnavailableError,
)
from forebay.lake.faults import FaultKind, lake_error, read_fault, request_error

SECRET_URL = "https://acc.blob.core.windows.net/box/k?sv=2024&sig=hunter2"


def status(code: int) -> obstore_errors.GenericError:
    return obstore_errors.GenericError(
        f"Generic S3 error: Error performing GET {SECRET_URL} in 1s - Server returned non-2xx status code: {code} X:"
        " <Error><Code>SlowDown</Code><Message>hunter2</Message></Error>"
    )


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (FileNotFoundError("status code: 404"), FaultKind.VANISHED),
        (PermissionError("Permission denied"), FaultKind.DENIED),
        (obstore_errors.PermissionDeniedError("status code: 403"), FaultKind.DENIED),
        (obstore_errors.UnauthenticatedError("status code: 401"), FaultKind.DENIED),
        (obstore_errors.PreconditionError("status code: 412"), FaultKind.CHANGED),
        (obstore_errors.AlreadyExistsError("x"), FaultKind.EXISTS),
        (status(404), FaultKind.VANISHED),
        (status(416), FaultKind.CHANGED),
        (status(400), FaultKind.REFUSED),
        (status(408), FaultKind.AWAY),
        (status(429), FaultKind.AWAY),
        (status(500), FaultKind.AWAY),
        (status(503), FaultKind.AWAY),
        (obstore_errors.NotSupportedError("RangeNotSupported { href }"), FaultKind.RANGE_IGNORED),
        (obstore_errors.GenericError("source: NotPartial"), FaultKind.RANGE_IGNORED),
        (obstore_errors.GenericError("source: MissingContentLength"), FaultKind.LENGTH_UNKNOWN),
        (obstore_errors.GenericError("error: IncompleteBody"), FaultKind.TRUNCATED),
        (obstore_errors.GenericError("kind: Timeout"), FaultKind.AWAY),
        (obstore_errors.GenericError("kind: Connect"), FaultKind.AWAY),
        (obstore_errors.GenericError("PUT http://169.254.169.254/latest/api/token kind: Connect"), FaultKind.DENIED),
        (obstore_errors.GenericError("anything else"), FaultKind.AWAY),
        (ValueError('Error parsing Path "a/../b": illegal'), FaultKind.BAD_KEY),
    ],
)
def test_a_fault_is_read_from_what_obstore_raises(error: Exception, kind: FaultKind) -> None:
    assert read_fault(error).kind is kind


def test_an_error_names_status_code_and_tries_but_no_secret() -> None:
    error = lake_error(read_fault(status(503)), "az://box/k", tries=6)

    assert error.message == "az://box/k: the lake did not answer (status 503, SlowDown), after 6 tries"
    assert "hunter2" not in repr(error)


def test_a_host_that_is_away_is_named_without_what_stands_around_it() -> None:
    raised = obstore_errors.GenericError(
        "GET http://user:pass@s3.example.org:9000/b/k?X-Amz-Signature=abc kind: Connect"
    )
    error = lake_error(read_fault(raised), "s3://b/k")
    assert error.message == "s3://b/k: the lake can't be reached at s3.example.org:9000"


def test_a_slow_down_is_told_from_other_failures() -> None:
    assert [code for code in (408, 429, 500, 502, 503) if read_fault(status(code)).throttled] == [429, 503]


def test_an_unreadable_key_is_named() -> None:
    fault = read_fault(obstore_errors.InvalidPathError('Error parsing Path "a/../b": illegal'))

    assert '"a/../b"' in lake_error(fault, "s3://lake").message


@pytest.mark.parametrize(
    ("kind", "category"),
    [
        (FaultKind.VANISHED, ConflictError),
        (FaultKind.CHANGED, ConflictError),
        (FaultKind.DENIED, NotAllowedError),
        (FaultKind.AWAY, UnavailableError),
        (FaultKind.TRUNCATED, UnavailableError),
        (FaultKind.RANGE_IGNORED, InputError),
    ],
)
def test_every_fault_has_a_category(kind: FaultKind, category: type[ForebayError]) -> None:
    from forebay.lake.faults import Fault

    error = lake_error(Fault(kind=kind, what="x"), "s3://lake/k")

    assert isinstance(error, category)
    assert error.todo


def test_a_listing_of_nothing_speaks_of_the_lake() -> None:
    assert isinstance(request_error(read_fault(status(404)), "s3://lake", "k"), NotFoundError)
