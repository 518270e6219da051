"""No spelling of an internal address passes, and what an admin allows does."""

from __future__ import annotations

import ipaddress
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forebay.errors import InputError
from forebay.lake.internal import Allowed, check_addresses, host_to_look_up, is_internal, parse_allowed

NONE = Allowed()
INSIDE = [
    "10.0.0.0/8",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "100.64.0.0/10",
    "0.0.0.0/8",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "168.63.129.16/32",
    "::1/128",
    "fc00::/7",
    "fe80::/10",
    "ff00::/8",
    "fd00:ec2::254/128",
]


def kind_of(url: str, allowed: Allowed = NONE) -> str:
    try:
        return host_to_look_up(url, allowed) or ""
    except InputError as error:
        return f"refused: {error.kind}"


def _addresses_in(network: str) -> st.SearchStrategy[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    return st.ip_addresses(network=network)


inside = st.sampled_from(INSIDE).flatmap(_addresses_in)
inside_4 = st.sampled_from([item for item in INSIDE if "." in item]).flatmap(_addresses_in)


@st.composite
def spellings(draw: st.DrawFn) -> str:
    """An internal IPv4 address in one of the ways that `inet_aton` and browsers take it."""
    number = int(draw(inside_4))
    parts = [number >> 24, number >> 16 & 255, number >> 8 & 255, number & 255]
    kept = draw(st.integers(0, 3))
    last = number & (1 << 8 * (4 - kept)) - 1
    written = [draw(st.sampled_from(["{}", "{:#x}", "0{:o}", "{:#X}", "000{:o}"])) for _ in range(kept + 1)]
    host = ".".join(form.format(part) for form, part in zip(written, [*parts[:kept], last], strict=True))
    return host + draw(st.sampled_from(["", ".", ":80", ":443"]))


@given(spellings())
def test_no_spelling_of_an_internal_address_passes(host: str) -> None:
    bare = host.partition(":")[0].removesuffix(".")
    assert is_internal(ipaddress.ip_address(socket.inet_ntoa(socket.inet_aton(bare)))), "the test means what it says"
    assert kind_of(f"https://{host}/x").startswith("refused: "), host


@given(inside)
def test_internal_addresses_are_refused_also_within_others(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    forms = [address]
    if isinstance(address, ipaddress.IPv4Address):
        within = ("::ffff:", "64:ff9b::", "::")
        forms += [ipaddress.ip_address(f"{prefix}{address}") for prefix in within]
        forms.append(ipaddress.IPv6Address((0x2002 << 112) | (int(address) << 80)))
    for form in forms:
        host = f"[{form}]" if form.version == 6 else str(form)
        assert is_internal(form), form
        assert kind_of(f"https://{host}/x") == "refused: internal-lake", form
        assert kind_of(f"abfss://c@{host}/x") == "refused: internal-lake", form
        with pytest.raises(InputError):
            check_addresses("lake.example", ["8.8.8.8", str(form)], NONE)


@given(st.ip_addresses())
def test_what_is_public_passes_and_nothing_else(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    host = f"[{address}]" if address.version == 6 else str(address)
    assert (kind_of(f"https://{host}/x") == "") is not is_internal(address)


@pytest.mark.parametrize(
    "url",
    [
        "https://user:word@lake.example/x",
        "https://lake.example@169.254.169.254/x",
        "https://169.254.169.254\\.lake.example/x",
        "https://lake.example\\@169.254.169.254/x",
        "https:///169.254.169.254/x",
        "https:169.254.169.254/x",
        "https://169.254.169\t.254/x",
        " https://lake.example/x",
        "https://①⑥⑨.254.169.254/x",
        "https://169。254。169。254/x",
        "https://%31%32%37.0.0.1/x",
        "https://[fe80::1%25eth0]/x",
        "https://lake.example:x/x",
        "https://lake..example/x",
        "https://..../x",
        "https://",
        "s3://",
        "s3://a@169.254.169.254/x",
        "s3://169.254.169.254:80/x",
        "az://c@169.254.169.254/x",
        "abfss://c@/x",
        "lake",
        "",
    ],
)
def test_odd_spellings_are_refused(url: str) -> None:
    assert kind_of(url).startswith("refused: ")


@given(st.text(), st.sampled_from(["https", "http", "s3", "abfss", "file", "ftp"]))
def test_whatever_comes_is_judged(rest: str, scheme: str) -> None:
    """A name, nothing or one of our errors; never a name that could be read in two ways."""
    found = kind_of(f"{scheme}://{rest}")
    assert found.startswith("refused: ") or all(letter.isalnum() or letter in ".-_" for letter in found)


def test_buckets_have_no_host_and_files_none_that_counts() -> None:
    for url in ("s3://bucket/folder/", "gs://bucket", "az://container/x", "abfss://container/x"):
        assert kind_of(url) == ""
    assert kind_of("abfss://c@account.dfs.core.windows.net/x") == "account.dfs.core.windows.net"
    assert kind_of("HTTPS://Lake.Example.:8443/a file").startswith("refused: "), "a blank"
    assert kind_of("HTTPS://Lake.Example.:8443/a%20file") == "lake.example"
    assert kind_of("file:///data") == "refused: internal-lake"
    for scheme in ("ftp", "gopher", "jar", "data"):
        assert kind_of(f"{scheme}://lake.example/x") == "refused: unknown-scheme"


def test_a_name_counts_for_all_that_it_is_found_to_be() -> None:
    check_addresses("lake.example", ["8.8.8.8", "2606:4700::1111"], NONE)
    for found in ([], ["10.0.0.1"], ["8.8.8.8", "::1"], ["fe80::1%eth0"]):
        with pytest.raises(InputError) as refused:
            check_addresses("lake.example", found, NONE)
        assert "10.0.0.1" not in str(refused.value), "what it was found to be, nobody is told"


def test_an_admin_allows_hosts_networks_files_or_all() -> None:
    some = parse_allowed("file://, lake.corp.example *.minio.corp 10.1.0.0/16 fd12::/16")
    assert some == parse_allowed(" file:// 10.1.0.0/16 fd12::/16 LAKE.corp.example  .minio.corp ")
    assert kind_of("file:///data", some) == ""
    assert kind_of("http://lake.corp.example:9000/x", some) == ""
    assert kind_of("https://a.b.minio.corp/x", some) == ""
    assert kind_of("https://minio.corp/x", some) == "minio.corp", "to be looked up"
    assert kind_of("https://evil-minio.corp/x", some) == "evil-minio.corp"
    assert kind_of("https://10.1.2.3/x", some) == kind_of("https://[::ffff:10.1.2.3]/x", some) == ""
    assert kind_of("https://10.2.2.3/x", some) == kind_of("https://0xa.1.2.3/x", some) == "refused: internal-lake"
    check_addresses("minio.corp", ["10.1.0.9", "fd12::1"], some)
    with pytest.raises(InputError):
        check_addresses("minio.corp", ["10.1.0.9", "10.9.0.1"], some)
    assert kind_of("file:///data", parse_allowed("*")) == kind_of("http://127.0.0.1/x", parse_allowed("*")) == ""
    assert parse_allowed("") == NONE
    for wrong in ("10.0.0.1/8", "https://lake.example", "a..b", "127.1", "lake.example:9000", "a@b"):
        with pytest.raises(InputError, match="hub_internal_lakes"):
            parse_allowed(wrong)
