from __future__ import annotations

import pytest

from forebay.errors import InputError
from forebay.lake.profile import store_options


def test_a_profile_is_put_in_the_words_of_obstore() -> None:
    assert store_options("s3", {"endpoint": "http://x", "addressing": "virtual", "anonymous": "yes"}) == {
        "endpoint": "http://x",
        "virtual_hosted_style_request": "true",
        "skip_signature": "true",
    }
    assert store_options("gs", {"endpoint": "http://x", "service_account": "/k.json"}) == {
        "base_url": "http://x",
        "service_account": "/k.json",
    }


def test_an_azure_key_or_token_of_the_profile_wins_over_the_environment() -> None:
    assert store_options("az", {"account_key": "k"})["credential_type"] == "access_key"
    assert store_options("abfss", {"sas_token": "t"})["credential_type"] == "sas_token"


def test_a_connection_string_is_spelled_out() -> None:
    text = "DefaultEndpointsProtocol=https;AccountName=acc;AccountKey=a2V5PT0=;EndpointSuffix=core.windows.net"

    assert store_options("az", {"connection_string": text}) == {
        "account_name": "acc",
        "account_key": "a2V5PT0=",
        "credential_type": "access_key",
    }


@pytest.mark.parametrize(
    ("scheme", "profile"),
    [
        ("s3", {"secret_acces_key": "hunter2"}),
        ("s3", {"account_key": "hunter2"}),
        ("s3", {"anonymous": "hunter2"}),
        ("file", {"region": "hunter2"}),
    ],
)
def test_a_bad_profile_names_the_key_and_not_the_value(scheme: str, profile: dict[str, str]) -> None:
    with pytest.raises(InputError) as caught:
        store_options(scheme, profile)

    assert caught.value.kind == "bad-profile"
    assert next(iter(profile)) in str(caught.value)
    assert "hunter2" not in repr(caught.value)


def test_a_misspelled_key_gets_a_suggestion() -> None:
    with pytest.raises(InputError, match="Did you mean 'secret_access_key'"):
        store_options("s3", {"secret_acces_key": "x"})
