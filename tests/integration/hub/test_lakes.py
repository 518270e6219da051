"""A served hub takes no lake that lies inside, unless its admin allows it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx2
import pytest

from forebay.errors import InputError
from forebay.hub.lakes import PublicLakes, addresses_of
from forebay.hub.local import LocalHub
from forebay.lake.internal import parse_allowed
from forebay.testing.cached import FakeClock
from forebay.testing.served import ServedHubs
from forebay.wire.catalog import NewVersion
from forebay.wire.http import API
from tests.e2e.program import Program
from tests.integration.hub.conftest import new_version

NAMES = {"lake.example": ["93.184.216.34"], "inside.example": ["93.184.216.34", "10.0.0.9"]}


def look_up(host: str) -> Sequence[str]:
    return NAMES.get(host, [])


@pytest.fixture
def careful() -> Iterator[ServedHubs]:
    lakes = PublicLakes(parse_allowed("minio.corp 10.1.0.0/16"), look_up)
    with ServedHubs(check_lake=lakes) as served:
        yield served


@pytest.fixture
def there(careful: ServedHubs, local: LocalHub, clock: FakeClock) -> Iterator[httpx2.Client]:
    token = careful.lend(local, clock)
    with httpx2.Client(base_url=careful.url + API, headers={"Authorization": f"Bearer {token}"}) as client:
        yield client


def test_no_version_comes_to_be_in_an_internal_lake(there: httpx2.Client, local: LocalHub) -> None:
    known = new_version(local, "known")
    answers = set()
    for lake in (
        "https://169.254.169.254",
        "https://[fd00:ec2::254]",
        "http://127.0.0.1:8765",
        "https://localhost",
        "https://inside.example",
        "https://nowhere.example",
        "https://10.2.0.1",
        "file:///etc",
    ):
        new = {"dataset": "d", "manifest_digest": known.manifest_digest, "origin": "registered", "lake_url": lake}
        for answer in (there.post("/datasets/d/versions", json=new), there.put("/datasets/d/versions/3", json=new)):
            assert (answer.status_code, answer.json()["error"]["kind"]) == (400, "internal-lake"), lake
        if "example" in lake:
            answers.add(answer.json()["error"]["message"].replace(lake.removeprefix("https://"), ""))
    assert len(answers) == 1, "what is inside is not told from what is not there"
    assert [item.name for item in local.catalog.datasets()] == ["known"]
    for number, lake in enumerate(
        ("https://lake.example", "s3://bucket", "http://minio.corp:9000", "https://10.1.0.1")
    ):
        new = {"dataset": f"d{number}", "manifest_digest": known.manifest_digest, "origin": "registered"}
        added = there.post(f"/datasets/d{number}/versions", json={**new, "lake_url": lake})
        assert added.status_code == 201, added.text


def test_a_client_is_told_so_and_the_embedded_hub_has_no_such_rule(
    careful: ServedHubs, local: LocalHub, clock: FakeClock, tmp_path: Path
) -> None:
    new = NewVersion(
        dataset="mine",
        manifest_digest=new_version(local, "known").manifest_digest,
        origin="registered",
        lake_url="file:///lake",
    )
    with careful.client_of(local, clock, tmp_path) as remote, pytest.raises(InputError) as refused:
        remote.catalog.add_version(new)
    assert refused.value.kind == "internal-lake"
    assert "FOREBAY_HUB_INTERNAL_LAKES" in refused.value.todo
    assert local.catalog.add_version(new).created


def test_names_are_looked_up_where_the_hub_is() -> None:
    assert set(addresses_of("localhost")) <= {"127.0.0.1", "::1"}
    assert addresses_of("nothing.invalid") == addresses_of("a" * 300) == []


def test_a_wrong_setting_keeps_a_hub_from_starting(tmp_path: Path) -> None:
    wrong = Program(tmp_path, FOREBAY_HUB_INTERNAL_LAKES="https://lake.example")
    told = wrong("hub", "serve", "--port", "0", "--json", code=2).error
    assert (told["kind"], "https://lake.example" in told["message"]) == ("bad-setting", True)
