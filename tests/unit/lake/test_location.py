from __future__ import annotations

import pytest

from forebay.errors import InputError
from forebay.lake.location import lake_place, parse_location


@pytest.mark.parametrize(
    ("url", "root_url", "key", "glob", "base"),
    [
        ("s3://lake/criteo/day_*", "s3://lake", "criteo/", "day_*", "criteo/"),
        ("s3://lake/criteo/", "s3://lake", "criteo/", None, "criteo/"),
        ("s3://lake/criteo", "s3://lake", "criteo", None, "criteo/"),
        ("s3://lake", "s3://lake", "", None, ""),
        ("s3://lake/", "s3://lake", "", None, ""),
        ("s3://lake/day_?", "s3://lake", "", "day_?", ""),
        ("s3://lake/a/**/x.[ch]", "s3://lake", "a/", "**/x.[ch]", "a/"),
        ("s3://lake/a*/", "s3://lake", "", "a*/**", ""),
        ("S3://lake/a", "s3://lake", "a", None, "a/"),
        ("az://box/logs/*.tsv", "az://box", "logs/", "*.tsv", "logs/"),
        ("gs://lake/a", "gs://lake", "a", None, "a/"),
        (
            "abfss://box@account.dfs.core.windows.net/p/*",
            "abfss://box@account.dfs.core.windows.net",
            "p/",
            "*",
            "p/",
        ),
        ("file:///data/logs/day_*", "file:///data/logs", "", "day_*", ""),
        ("file:///data/logs", "file:///data", "logs", None, "logs/"),
        ("file:///data/logs/", "file:///data/logs", "", None, ""),
        ("file:///logs", "file:///", "logs", None, "logs/"),
        ("file:///my%20data/a%20b", "file:///my%20data", "a b", None, "a b/"),
        ("file:///d/%5Bx%5D_*", "file:///d", "", "[[]x]_*", ""),
        ("https://host/a%20b/c.tsv", "https://host", "a b/c.tsv", None, "a b/c.tsv/"),
        ("http://127.0.0.1:8000/c.tsv", "http://127.0.0.1:8000", "c.tsv", None, "c.tsv/"),
        ("http://[::1]:8000/c.tsv", "http://[::1]:8000", "c.tsv", None, "c.tsv/"),
        ("http://localhost/c.tsv", "http://localhost", "c.tsv", None, "c.tsv/"),
    ],
)
def test_a_url_is_split_into_root_key_and_pattern(
    url: str, root_url: str, key: str, glob: str | None, base: str
) -> None:
    location = parse_location(url)

    assert (location.root_url, location.key, location.glob, location.base) == (root_url, key, glob, base)


@pytest.mark.parametrize(
    "url",
    [
        "s3://AKIAHUNTER2:hunter2@lake/x",
        "s3://hunter2@lake/x",
        "https://user:hunter2@host/x",
        "abfss://box:hunter2@account.dfs.core.windows.net/x",
        "https://host/x?X-Amz-Signature=hunter2",
        "https://host/x?sv=2020&sig=hunter2",
        "s3://lake/x?AWSAccessKeyId=hunter2",
        "https://host/x?token=hunter2",
        "nonsense://user:hunter2@host/x",
    ],
)
def test_credentials_in_url_are_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_location(url)

    assert caught.value.kind == "credentials-in-url"
    assert "hunter2" not in repr(caught.value).lower()


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("/data/logs", "bad-lake-url"),
        ("file:/data/logs", "bad-lake-url"),
        ("file://host/data", "bad-lake-url"),
        ("file:///data/../etc/passwd", "bad-lake-url"),
        ("file:///data/%2e%2e/passwd", "bad-lake-url"),
        ("s3:///key", "bad-lake-url"),
        ("s3://lake/../x", "bad-lake-url"),
        ("s3://lake/a//b", "bad-lake-url"),
        ("s3://lake/a/../*", "bad-lake-url"),
        ("s3://lake/nul\0", "bad-lake-url"),
        ("https://host/x?page=2", "bad-lake-url"),
        ("https://host/x#part", "bad-lake-url"),
        ("https:///x", "bad-lake-url"),
        ("ftp://host/x", "unknown-scheme"),
        ("http://example.com/x", "plain-http"),
        ("https://host/", "no-listing"),
        ("https://host/day_*", "no-listing"),
        ("s3://lake/[x", "bad-pattern"),
    ],
)
def test_a_bad_url_is_refused_by_kind(url: str, kind: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_location(url)

    assert caught.value.kind == kind


def test_the_query_of_a_web_address_is_not_repeated() -> None:
    with pytest.raises(InputError) as caught:
        parse_location("https://host/x?st=hunter2")

    assert "hunter2" not in repr(caught.value)


def test_plain_http_needs_the_option() -> None:
    assert parse_location("http://example.com/x", allow_http=True).root_url == "http://example.com"


def test_only_a_plain_key_may_be_an_object() -> None:
    assert parse_location("s3://lake/a").may_be_object
    assert not parse_location("s3://lake/a/").may_be_object
    assert not parse_location("s3://lake/a*").may_be_object
    assert not parse_location("s3://lake").may_be_object


@pytest.mark.parametrize("url", ["s3://lake/criteo/day_*", "file:///x", "https://host/a.tsv", "s3://lake/criteo/"])
def test_a_location_shows_as_the_url(url: str) -> None:
    assert str(parse_location(url)) == url


@pytest.mark.parametrize(
    ("root_url", "endpoint", "place"),
    [
        ("s3://clicks", "", "s3://clicks"),
        ("s3://clicks", "https://minio.local:9000", "s3://minio.local:9000/clicks"),
        ("s3://clicks", "http://user:secret@minio.local/path", "s3://minio.local/clicks"),
        ("az://box/", "", "az://box"),
        ("https://host:8443", "", "https://host:8443"),
        ("file:///somebody/s/lake", "", "file://"),
    ],
)
def test_a_lake_s_place_has_neither_keys_nor_secrets(root_url: str, endpoint: str, place: str) -> None:
    assert lake_place(root_url, endpoint) == place
