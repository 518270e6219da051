"""The API's description is true: schemathesis sends what it allows, and what it does not."""

from __future__ import annotations

from typing import Any
from unittest import mock

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import Case
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from forebay.hub.api.app import create_app
from forebay.hub.local import LocalHub
from forebay.testing.served import ServedHubs
from forebay.wire.http import API, BYTES, GZIP, PARQUET
from forebay.wire.runs import NewRun
from forebay.wire.sites import Hello
from tests.integration.hub.conftest import VOLUME, new_version


def _no_bug(context: Any, response: Any, case: Any) -> None:
    """A volume may be down, or have no room; a bug may not be."""
    assert response.status_code != 500, response.text


CHECKS = [_no_bug, status_code_conformance, content_type_conformance, response_schema_conformance]
EXAMPLES = 8


@schemathesis.serializer(PARQUET, GZIP, BYTES)
def _as_it_is(context: object, value: object) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode(errors="surrogatepass")


def test_the_hub_keeps_to_its_description(
    served_hubs: ServedHubs, local: LocalHub, token: str, subtests: pytest.Subtests
) -> None:
    new_version(local, "d")
    local.sites.attach(Hello(site="s", volume_id=VOLUME, gpus=1, cpus=4))
    local.runs.submit(NewRun(command=("true",)))
    described = schemathesis.openapi.from_url(f"{served_hubs.url}{API}/openapi.json").exclude(path_regex="/stream$")
    operations = [found.ok() for found in described.get_all_operations() if isinstance(found, Ok)]
    assert len(operations) > 70
    for operation in operations:
        with subtests.test(operation=operation.label):

            @settings(max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
            @given(case=operation.as_strategy())
            def ask(case: Case[Any]) -> None:
                case.call_and_validate(headers={"Authorization": f"Bearer {token}"}, checks=CHECKS)

            ask()


def test_every_operation_has_a_name_a_group_and_one_error_shape() -> None:
    described = create_app(mock.Mock(), answers=mock.Mock(), check=bool).openapi()
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            place = f"{method} {path}"
            assert operation["summary"], place
            assert operation["tags"], place
            assert "422" not in operation["responses"], place
            failure = operation["responses"]["5XX"]["content"]["application/json"]["schema"]["$ref"]
            assert failure == "#/components/schemas/Failure", place
            keyed = any(item["name"] == "Idempotency-Key" for item in operation.get("parameters", ()))
            uploads = not {PARQUET, GZIP, BYTES}.isdisjoint(operation.get("requestBody", {}).get("content", {}))
            # Its answer has tickets, which are kept nowhere: asked again, it gives others.
            tells_secrets = path.endswith("/fills/{fill_id}/sources")
            assert keyed == (method != "get" and not uploads and not tells_secrets), place
