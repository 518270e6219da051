"""Whether a lake URL leads inside: to this machine, a private network, a cloud's own services. Pure.

A hub that others reach knows only lakes on the public internet, unless an admin allows more, so that nobody makes it,
or an agent beside it, fetch for them what they could not reach. Hosts in spellings that programs read in different
ways are refused, not understood. Names are looked up by the caller; who opens the lake looks them up again.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass

from forebay.errors import InputError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_WEB = ("https", "http")
_AT_AN_ACCOUNT = ("abfs", "abfss")
_BUCKETS = ("s3", "gs", "az", *_AT_AN_ACCOUNT)
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#\\]*)[!-\[\]-~]*")
_HOST = re.compile(r"([a-z0-9_-]+(?:\.[a-z0-9_-]+)*)\.?(?::\d{1,5})?", re.IGNORECASE)
_HOST_6 = re.compile(r"\[([0-9a-f:.]+)\](?::\d{1,5})?", re.IGNORECASE)
_BUCKET = re.compile(r"[A-Za-z0-9$][A-Za-z0-9._-]*")
_NUMBER = re.compile(r"(?:0x[0-9a-f]*|\d+)", re.IGNORECASE)

_INSIDE_TOO: tuple[Network, ...] = (
    ipaddress.ip_network("168.63.129.16/32"),  # Azure's own services, for every machine there
    ipaddress.ip_network("192.88.99.0/24"),
    ipaddress.ip_network("::/96"),
    ipaddress.ip_network("64:ff9b:1::/48"),
    ipaddress.ip_network("fec0::/10"),
)
"""What Python takes for public."""

_NAT64 = ipaddress.ip_network("64:ff9b::/96")


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """Which lakes an admin allows besides public ones. A host `.corp.example` is all below that name."""

    everything: bool = False
    files: bool = False
    hosts: frozenset[str] = frozenset()
    networks: tuple[Network, ...] = ()


def parse_allowed(text: str) -> Allowed:
    """What `file:// lake.corp.example *.corp.example 10.0.0.0/8` allows; `*` is everything, an empty text nothing.

    InputError `bad-setting`.
    """
    hosts, networks, words = set(), [], text.replace(",", " ").split()
    for word in words:
        if word in ("*", "file://"):
            continue
        name = word.removeprefix("*").lower()
        try:
            networks.append(ipaddress.ip_network(name))
        except ValueError:
            if not _HOST.fullmatch(name.removeprefix(".")) or ":" in name or _is_numeric(name):
                raise InputError(
                    "bad-setting",
                    f"hub_internal_lakes: {word!r} is neither a host nor a network.",
                    todo="Write file://, lake.corp.example, *.corp.example, 10.0.0.0/8, or * for everything.",
                ) from None
            hosts.add(name.removesuffix("."))
    return Allowed(everything="*" in words, files="file://" in words, hosts=frozenset(hosts), networks=tuple(networks))


def host_to_look_up(lake_url: str, allowed: Allowed) -> str | None:
    """The name whose addresses `check_addresses` must see; None where there is nothing to look up.

    InputError `internal-lake`, `unknown-scheme`, `bad-lake-url`.
    """
    if allowed.everything:
        return None
    match = _URL.fullmatch(lake_url)
    if match is None:
        raise _odd(lake_url)
    scheme, place = match[1].lower(), match[2]
    if scheme == "file":
        if not allowed.files:
            raise refused("a folder of some machine")
        return None
    if scheme in _BUCKETS:
        bucket, at, account = place.partition("@")
        if not _BUCKET.fullmatch(bucket) or (at and scheme not in _AT_AN_ACCOUNT):
            raise _odd(lake_url)
        return _name(account, lake_url, allowed) if at else None
    if scheme not in _WEB:
        raise InputError("unknown-scheme", f"The scheme {scheme!r} is not a lake's.", todo=_SCHEMES)
    return _name(place, lake_url, allowed)


def check_addresses(host: str, addresses: Iterable[str], allowed: Allowed) -> None:
    """What a name was found to be. InputError `internal-lake` if it leads inside, even once, or nowhere."""
    found = [ipaddress.ip_address(address.partition("%")[0]) for address in addresses]
    if not found or not all(_may_be(address, allowed) for address in found):
        raise refused(host)


def is_internal(address: Address) -> bool:
    """Whether an address is not one of the public internet; one that holds another is what that is."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_internal(inner)
    inside = not address.is_global or address.is_multicast or address.is_reserved
    return inside or any(address in network for network in _INSIDE_TOO)


def refused(what: str) -> InputError:
    """The one answer, so that it tells nothing of what is inside: not even which names there are."""
    return InputError(
        "internal-lake",
        f"This hub takes no lake at {what}: it is not on the public internet, as far as the hub can see.",
        todo="An admin may allow it where the hub runs: FOREBAY_HUB_INTERNAL_LAKES. See docs/access.md.",
    )


_SCHEMES = "Use s3://, az://, abfss://, gs:// or https://."


def _name(place: str, lake_url: str, allowed: Allowed) -> str | None:
    """The host of a URL where it is a name; an address is judged at once."""
    if bracketed := _HOST_6.fullmatch(place):
        host = bracketed[1].lower()
    elif named := _HOST.fullmatch(place):
        host = named[1].lower()
    else:
        raise _odd(lake_url)
    if bracketed or _is_numeric(host):
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            raise refused(host) from None
        if not _may_be(address, allowed):
            raise refused(host)
        return None
    if host in allowed.hosts or any(host.endswith(name) for name in allowed.hosts if name.startswith(".")):
        return None
    return host


def _is_numeric(host: str) -> bool:
    """Whether programs would read it as an address: 127.1, 0x7f000001 and 017700000001 are all this machine."""
    return _NUMBER.fullmatch(host.rpartition(".")[2]) is not None


def _may_be(address: Address, allowed: Allowed) -> bool:
    inner = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return not is_internal(address) or any((inner or address) in network for network in allowed.networks)


def _odd(lake_url: str) -> InputError:
    return InputError("bad-lake-url", f"{lake_url!r} is not a lake URL in a plain spelling.", todo=_SCHEMES)
