"""Credentials come from a profile or the environment, and appear in no repr and no error, whatever goes wrong."""

from __future__ import annotations

import traceback

import obstore
import pytest

from forebay.errors import ForebayError, InputError, NotAllowedError
from forebay.lake.fetch import fetch
from forebay.lake.listing import list_objects
from forebay.lake.location import parse_location
from forebay.lake.look import look
from forebay.lake.stores import LakeStore
from forebay.testing.awkward import AwkwardOrigin, Fault, Reset, Status, Truncate
from forebay.testing.servers import Azurite, SeaweedFS
from tests.integration.lake.lakes import QUICK, SECRET, Waits, open_awkward, whole

pytestmark = pytest.mark.integration

ACCOUNT_KEY = "aHVudGVyMi12ZXJ5LXNlY3JldA=="
SAS = f"sv=2024-11-04&sig={SECRET}"
AZURE_PROFILES = [{"account_key": ACCOUNT_KEY}, {"sas_token": SAS}]


def clean(error: BaseException, capsys: pytest.CaptureFixture[str]) -> None:
    printed = "".join(traceback.format_exception(error)) + "".join(capsys.readouterr())
    shown = printed + repr(error) + str(error)
    for secret in (SECRET, ACCOUNT_KEY, "X-Amz", "Authorization", "sig=", "Credential="):
        assert secret not in shown.replace("test_secrets.py", ""), secret


@pytest.mark.parametrize("fault", [Status(401), Status(403), Status(404), Status(412), Status(500), Reset()], ids=repr)
def test_no_secret_in_any_error_of_s3(
    awkward_origin: AwkwardOrigin, capsys: pytest.CaptureFixture[str], fault: Fault
) -> None:
    awkward_origin.put("/lake/k", b"x" * 100)
    store = open_awkward(awkward_origin)
    part = whole(store, "k")
    for path in ("/lake/k", "/lake"):
        awkward_origin.misbehave(path, always=fault)

    with pytest.raises(ForebayError) as caught:
        fetch(store, part, bytes, patience=Waits().patience())
    clean(caught.value, capsys)
    with pytest.raises(ForebayError) as caught:
        list(list_objects(parse_location("s3://lake/*"), store, patience=Waits().patience()))
    clean(caught.value, capsys)


@pytest.mark.parametrize("profile", AZURE_PROFILES, ids=["key", "sas"])
@pytest.mark.parametrize("fault", [Status(403), Status(500), Reset(), Truncate(after_bytes=1)], ids=repr)
def test_no_secret_in_any_error_of_azure(
    awkward_origin: AwkwardOrigin, capsys: pytest.CaptureFixture[str], fault: Fault, profile: dict[str, str]
) -> None:
    awkward_origin.put("/account/box/k", b"x" * 100)
    awkward_origin.misbehave("/account/box/k", always=fault)
    awkward_origin.misbehave("/account/box/k", always=Status(403), method="HEAD")
    settings = {"account_name": "account", "endpoint": f"{awkward_origin.url}/account", **profile}
    store = LakeStore.open("az://box", settings, manners=QUICK)

    with pytest.raises(ForebayError) as caught:
        look(store, "k")
    clean(caught.value, capsys)


def test_no_secret_in_a_repr(awkward_origin: AwkwardOrigin) -> None:
    store = open_awkward(awkward_origin)

    assert repr(store) == f"LakeStore(root_url='s3://lake', scheme='s3', endpoint={awkward_origin.url!r})"
    assert SECRET not in repr(store.streams) + repr(store.requests)


@pytest.mark.parametrize("profile", [{"account_key": "not base64 " + SECRET}, {"sas_token": SECRET}])
def test_no_secret_when_the_lake_cannot_be_opened(
    profile: dict[str, str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)

    with pytest.raises(InputError) as caught:
        LakeStore.open("az://box", profile)

    assert caught.value.kind == "lake-config"
    clean(caught.value, capsys)


def test_credentials_from_the_environment(s3_server: SeaweedFS, monkeypatch: pytest.MonkeyPatch) -> None:
    s3_server.make_bucket("by-environment")
    for name, value in s3_server.env.items():
        monkeypatch.setenv(name, value)

    store = LakeStore.open("s3://by-environment")
    obstore.put(store.requests, "k", b"x")

    assert whole(store, "k").object_size_bytes == 1


def test_a_profile_is_not_mixed_with_the_environments_token(
    s3_server: SeaweedFS, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3_server.make_bucket("by-profile")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "of somebody else")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "of somebody else")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of somebody else")
    profile = {
        "endpoint": s3_server.endpoint,
        "access_key_id": s3_server.access_key_id,
        "secret_access_key": s3_server.secret_access_key,
    }

    store = LakeStore.open("s3://by-profile", profile)
    obstore.put(store.requests, "k", b"x")

    assert whole(store, "k").object_size_bytes == 1


def test_azure_credentials_from_the_environment(azurite_server: Azurite, monkeypatch: pytest.MonkeyPatch) -> None:
    azurite_server.make_container("by-environment")
    for name, value in azurite_server.env.items():
        monkeypatch.setenv(name, value)

    store = LakeStore.open("az://by-environment")
    obstore.put(store.requests, "k", b"x")

    assert whole(store, "k").object_size_bytes == 1


def test_wrong_credentials_are_denied(s3_server: SeaweedFS, capsys: pytest.CaptureFixture[str]) -> None:
    s3_server.make_bucket("closed")
    profile = {"endpoint": s3_server.endpoint, "access_key_id": "nobody", "secret_access_key": SECRET}

    with pytest.raises(NotAllowedError) as caught:
        list(list_objects(parse_location("s3://closed/*"), LakeStore.open("s3://closed", profile)))

    clean(caught.value, capsys)


def test_an_anonymous_profile_signs_nothing(awkward_origin: AwkwardOrigin) -> None:
    awkward_origin.put("/lake/k", b"x")
    store = LakeStore.open("s3://lake", {"endpoint": awkward_origin.url, "anonymous": "true"}, manners=QUICK)

    assert whole(store, "k").object_size_bytes == 1


def test_half_a_key_is_refused() -> None:
    with pytest.raises(InputError) as caught:
        LakeStore.open("s3://lake", {"access_key_id": "a"})

    assert caught.value.kind == "bad-profile"
