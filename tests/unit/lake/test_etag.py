from __future__ import annotations

from datetime import UTC, datetime

from forebay.lake.etag import condition, etag_of, same_etag


def test_quotes_and_weakness_do_not_make_etags_differ() -> None:
    assert same_etag('"0x8D"', "0x8D")
    assert same_etag('W/"a"', '"a"')
    assert not same_etag('"a"', '"b"')


def test_an_unknown_etag_is_the_same_as_none() -> None:
    assert not same_etag("", "")
    assert not same_etag("", '"a"')


def test_only_a_strong_etag_is_a_condition() -> None:
    assert condition("0x8D") == '"0x8D"'
    assert condition('"a"') == '"a"'
    assert condition('W/"a"') is None
    assert condition("") is None


def test_without_an_etag_the_modification_time_stands_in_as_a_weak_one() -> None:
    modified = datetime(2026, 1, 1, tzinfo=UTC)
    epoch = datetime(1970, 1, 1, tzinfo=UTC)

    etag = etag_of({"path": "x", "size": 1, "e_tag": None, "version": None, "last_modified": modified})

    assert etag == 'W/"modified-1767225600"'
    assert condition(etag) is None
    assert etag_of({"path": "x", "size": 1, "e_tag": None, "version": None, "last_modified": epoch}) == ""
