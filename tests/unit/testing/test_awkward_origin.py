"""The awkward origin itself: an S3 and an HTTP client see exactly the behaviour that was asked for."""

from __future__ import annotations

import gc
import http.client
import socket
import threading
from urllib.parse import urlsplit

import obstore
import pytest
from obstore.exceptions import BaseError, PreconditionError
from obstore.store import HTTPStore, S3Store

from forebay.testing.awkward import (
    AwkwardOrigin,
    ChangeEtag,
    FlipBit,
    Hold,
    IgnoreCondition,
    IgnoreRange,
    Lengthen,
    Reset,
    Shorten,
    Status,
    Truncate,
)

BODY = bytes(range(256)) * 40


def s3_store(origin: AwkwardOrigin, *, max_retries: int = 0) -> S3Store:
    return S3Store(
        "lake",
        endpoint=origin.url,
        region="us-east-1",
        access_key_id="anybody",
        secret_access_key="anything",
        client_options={"allow_http": True, "timeout": "10s"},
        retry_config={"max_retries": max_retries},
    )


def raw_get(
    origin: AwkwardOrigin, path: str, headers: dict[str, str] | None = None
) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection(urlsplit(origin.url).netloc, timeout=10)
    try:
        connection.request("GET", path, headers=headers or {})
        with connection.getresponse() as response:
            return response.status, dict(response.getheaders()), response.read()
    finally:
        connection.close()


def test_an_s3_client_lists_heads_and_gets(awkward_origin: AwkwardOrigin) -> None:
    etag = awkward_origin.put("/lake/a/b c&d.bin", BODY)
    store = s3_store(awkward_origin)
    (listed,) = [item for page in obstore.list(store, prefix="a") for item in page]
    assert (listed["path"], listed["size"], listed["e_tag"]) == ("a/b c&d.bin", len(BODY), etag)
    assert obstore.head(store, "a/b c&d.bin")["e_tag"] == etag
    assert bytes(obstore.get(store, "a/b c&d.bin").bytes()) == BODY
    assert bytes(obstore.get_range(store, "a/b c&d.bin", start=5, length=9)) == BODY[5:14]
    assert [seen.method for seen in awkward_origin.seen("/lake/a/b c&d.bin")] == ["HEAD", "GET", "GET"]
    assert awkward_origin.sent_bytes("/lake/a/b c&d.bin") == len(BODY) + 9


def test_a_listing_pages_and_folds_at_the_delimiter() -> None:
    with AwkwardOrigin(page_size=2) as origin:
        for number in range(5):
            origin.put(f"/lake/days/{number}", b"x")
        origin.put("/lake/top", b"x")
        store = s3_store(origin)
        assert [item["path"] for page in obstore.list(store, prefix="days") for item in page] == [
            f"days/{number}" for number in range(5)
        ]
        folded = obstore.list_with_delimiter(store)
        assert list(folded["common_prefixes"]) == ["days"]
        assert [item["path"] for item in folded["objects"]] == ["top"]
        assert len(origin.seen("/lake")) == 3 + 1


def test_an_http_client_heads_and_gets(awkward_origin: AwkwardOrigin) -> None:
    awkward_origin.put("/files/day_0", BODY)
    store = HTTPStore(f"{awkward_origin.url}/files", client_options={"allow_http": True})
    assert obstore.head(store, "day_0")["size"] == len(BODY)
    assert bytes(obstore.get(store, "day_0").bytes()) == BODY


def test_faults_are_taken_one_a_request_and_then_the_object_is_served(awkward_origin: AwkwardOrigin) -> None:
    awkward_origin.put("/lake/a", BODY)
    awkward_origin.misbehave("/lake/a", Status(503), Status(429, retry_after_s=7))
    answers = [raw_get(awkward_origin, "/lake/a") for _ in range(3)]
    assert [status for status, _, _ in answers] == [503, 429, 200]
    assert answers[1][1]["Retry-After"] == "7"
    assert [seen.status for seen in awkward_origin.seen("/lake/a")] == [503, 429, 200]


@pytest.mark.parametrize("status", [403, 404, 500])
def test_a_lasting_fault_stays(awkward_origin: AwkwardOrigin, status: int) -> None:
    awkward_origin.put("/lake/a", BODY)
    awkward_origin.misbehave("/lake/a", always=Status(status))
    assert {raw_get(awkward_origin, "/lake/a")[0] for _ in range(3)} == {status}


def test_a_listing_and_a_head_can_fail_too(awkward_origin: AwkwardOrigin) -> None:
    awkward_origin.put("/lake/a", BODY)
    awkward_origin.misbehave("/lake", Status(403))
    awkward_origin.misbehave("/lake/a", Status(404), method="HEAD")
    store = s3_store(awkward_origin)
    with pytest.raises(BaseError):
        list(obstore.list(store))
    with pytest.raises(FileNotFoundError):
        obstore.head(store, "a")
    assert bytes(obstore.get(store, "a").bytes()) == BODY


@pytest.mark.parametrize("fault", [Truncate(after_bytes=100), Reset(after_bytes=100)], ids=["truncated", "reset"])
def test_a_body_that_ends_early_is_an_error_to_the_client(
    awkward_origin: AwkwardOrigin, fault: Truncate | Reset
) -> None:
    awkward_origin.put("/lake/a", BODY)
    awkward_origin.misbehave("/lake/a", fault)
    with pytest.raises((http.client.IncompleteRead, ConnectionResetError)) as caught:
        raw_get(awkward_origin, "/lake/a")
    if isinstance(fault, Reset):
        assert caught.type is ConnectionResetError
    assert raw_get(awkward_origin, "/lake/a")[2] == BODY


def test_wrong_bytes(awkward_origin: AwkwardOrigin) -> None:
    awkward_origin.put("/lake/a", BODY)
    awkward_origin.misbehave("/lake/a", Shorten(missing_bytes=3), Lengthen(extra_bytes=3), FlipBit(at_byte=7))
    bodies = [raw_get(awkward_origin, "/lake/a")[2] for _ in range(3)]
    assert [len(body) - len(BODY) for body in bodies] == [-3, 3, 0]
    assert [(a ^ b) for a, b in zip(bodies[2], BODY, strict=True) if a != b] == [1]


def test_ranges_and_a_server_that_ignores_them(awkward_origin: AwkwardOrigin) -> None:
    awkward_origin.put("/lake/a", BODY)
    ask = {"Range": "bytes=10-19"}
    status, headers, body = raw_get(awkward_origin, "/lake/a", ask)
    assert (status, headers["Content-Range"], body) == (206, f"bytes 10-19/{len(BODY)}", BODY[10:20])
    assert raw_get(awkward_origin, "/lake/a", {"Range": "bytes=-5"})[2] == BODY[-5:]
    assert raw_get(awkward_origin, "/lake/a", {"Range": f"bytes={len(BODY)}-"})[0] == 416
    awkward_origin.misbehave("/lake/a", IgnoreRange())
    assert raw_get(awkward_origin, "/lake/a", ask)[::2] == (200, BODY)


def test_conditions(awkward_origin: AwkwardOrigin) -> None:
    first = awkward_origin.put("/lake/a", BODY)
    assert raw_get(awkward_origin, "/lake/a", {"If-Match": first})[0] == 200
    awkward_origin.misbehave("/lake/a", ChangeEtag())
    assert raw_get(awkward_origin, "/lake/a", {"If-Match": first})[0] == 412
    awkward_origin.put("/lake/a", b"other bytes")
    with pytest.raises(PreconditionError):
        obstore.get(s3_store(awkward_origin), "a", options={"if_match": first})
    awkward_origin.misbehave("/lake/a", IgnoreCondition())
    assert raw_get(awkward_origin, "/lake/a", {"If-Match": first})[::2] == (200, b"other bytes")


def test_a_held_body_goes_on_when_the_gate_opens(awkward_origin: AwkwardOrigin) -> None:
    awkward_origin.put("/lake/a", BODY)
    gate = threading.Event()
    awkward_origin.misbehave("/lake/a", Hold(after_bytes=10, gate=gate))
    connection = http.client.HTTPConnection(urlsplit(awkward_origin.url).netloc, timeout=10)
    connection.request("GET", "/lake/a")
    with connection.getresponse() as response:
        assert response.read(10) == BODY[:10]
        assert awkward_origin.seen("/lake/a") == ()
        gate.set()
        assert response.read() == BODY[10:]
    connection.close()


def test_the_origin_ends_although_a_request_hangs() -> None:
    with AwkwardOrigin() as origin:
        origin.put("/lake/a", BODY)
        origin.misbehave("/lake/a", Hold())
        connection = http.client.HTTPConnection(urlsplit(origin.url).netloc, timeout=10)
        connection.request("GET", "/lake/a")
    connection.close()


def test_a_client_that_goes_away_makes_no_noise(capfd: pytest.CaptureFixture[str]) -> None:
    with AwkwardOrigin() as origin:
        origin.put("/lake/big", bytes(20_000_000))
        connection = socket.create_connection(("127.0.0.1", urlsplit(origin.url).port or 0))
        connection.sendall(b"GET /lake/big HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(12) == b"HTTP/1.1 200"
        connection.close()
    gc.collect()
    assert capfd.readouterr().err == ""
    assert origin.sent_bytes("/lake/big") == 0
