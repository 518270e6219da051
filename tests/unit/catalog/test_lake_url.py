"""No credentials in the catalog."""

from __future__ import annotations

import pytest

from forebay.catalog.lake_url import check_lake_url
from forebay.errors import InputError

SECRET = "5ecret5ecret"


@pytest.mark.parametrize(
    "url",
    [
        "s3://lake/criteo",
        "az://container/folder",
        "gs://bucket/a b",
        "file:///data/x@y",
        "https://host.example/folder",
        "abfss://container@account.dfs.core.windows.net/folder",
        "s3://lake/tokens/secret-santa",
    ],
)
def test_plain_urls_pass(url: str) -> None:
    assert check_lake_url(url) == url


@pytest.mark.parametrize(
    "url",
    [
        f"s3://user:{SECRET}@lake/x",
        f"https://{SECRET}@host/x",
        f"abfss://container:{SECRET}@account/x",
        f"https://account.blob.core.windows.net/c?sv=2024&sig={SECRET}",
        f"https://host/x?X-Amz-Signature={SECRET}",
        f"https://host/x?AWSAccessKeyId={SECRET}",
        f"https://host/x?a=b&access%5Fkey={SECRET}",
        f"https://host/x#token={SECRET}",
        "s3://lake/AKIAIOSFODNN7EXAMPLE/x",
    ],
)
def test_credentials_are_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(InputError) as caught:
        check_lake_url(url)
    assert caught.value.kind == "credentials-in-url"
    assert SECRET not in str(caught.value)
    assert "AKIA" not in str(caught.value)


@pytest.mark.parametrize("url", ["", "folder/x", "s3:/x", "s3://lake/\n", "s3://[bad/x"])
def test_no_url(url: str) -> None:
    with pytest.raises(InputError) as caught:
        check_lake_url(url)
    assert caught.value.kind == "bad-lake-url"
