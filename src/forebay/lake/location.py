"""Lake URLs: which root, which keys below it, and which path each key has inside a version. Pure.

A URL with credentials in it is refused (see `catalog.lake_url`).
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import quote, unquote

from forebay.catalog.lake_url import check_lake_url
from forebay.errors import InputError
from forebay.lake.glob import escape, pattern_regex, split_pattern

_BUCKETS = ("s3", "az", "abfs", "abfss", "gs")
_WEB = ("https", "http")
_EXAMPLES = "Examples: s3://bucket/folder/day_*  az://container/folder/  file:///data/logs  https://host/file.parquet"
_ENCODED = re.compile(r"(?:%[0-9A-Fa-f]{2})+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """A place in a lake. Keys are relative to `root_url` and never begin with a slash.

    Without a `glob`, `key` is one object or the prefix of many (with a trailing slash, or empty: only a prefix). With a
    `glob`, `key` is the folder that all matches lie in, and the glob matches what follows it.
    """

    root_url: str
    scheme: str
    key: str
    glob: str | None = None

    @property
    def base(self) -> str:
        """What is cut off a listed key to get its path in the version: a folder with its slash, or nothing."""
        return self.key if not self.key or self.key.endswith("/") else f"{self.key}/"

    @property
    def may_be_object(self) -> bool:
        """Whether this can be the key of one object."""
        return self.glob is None and self.key != "" and not self.key.endswith("/")

    @property
    def listable(self) -> bool:
        return self.scheme not in _WEB

    def __str__(self) -> str:
        return f"{self.root_url.removesuffix('/')}/{self.key}{self.glob or ''}"


def parse_location(url: str, *, allow_http: bool = False) -> Location:
    """Understand a lake URL.

    InputError `bad-lake-url`, `unknown-scheme`, `credentials-in-url`, `plain-http`, `no-listing` or `bad-pattern`.
    """
    scheme, _, rest = check_lake_url(url).partition("://")
    scheme = scheme.lower()
    host, _, path = rest.partition("/")
    if scheme == "file":
        return _in_files(url, host, path)
    if scheme in _WEB:
        return _on_web(url, scheme, host, path, allow_http=allow_http)
    if scheme not in _BUCKETS:
        raise InputError("unknown-scheme", f"{url!r}: the scheme {scheme!r} is not a lake's.", todo=_EXAMPLES)
    if not host:
        raise _bad(url, "the bucket or container is missing")
    key, glob = split_pattern(path)
    return _checked(url, Location(root_url=f"{scheme}://{host}", scheme=scheme, key=key, glob=glob))


def lake_place(root_url: str, endpoint: str = "") -> str:
    """What a link calls a lake: its scheme, its endpoint where one is set, and its bucket; never a key or a secret."""
    scheme, _, rest = root_url.partition("://")
    if scheme == "file":
        return "file://"
    bucket = rest.partition("/")[0]
    host = endpoint.partition("://")[2].partition("/")[0].rpartition("@")[2]
    return f"{scheme}://{host}/{bucket}" if host and scheme not in _WEB else f"{scheme}://{bucket}"


def _in_files(url: str, host: str, path: str) -> Location:
    """The root is the innermost folder that is certain to be one, so that a lake may be moved as a whole."""
    if host not in ("", "localhost"):
        raise _bad(url, "a file URL has three slashes and an absolute path")
    before, glob = split_pattern(path)
    folder, _, name = before.rpartition("/")
    _check_components(url, unquote(folder))
    root_url = f"file://{quote('/' + unquote(folder))}"
    if glob is not None:
        glob = _ENCODED.sub(lambda run: escape(unquote(run.group())), glob)
    return _checked(url, Location(root_url=root_url, scheme="file", key=unquote(name), glob=glob))


def _on_web(url: str, scheme: str, host: str, path: str, *, allow_http: bool) -> Location:
    if "?" in path or "#" in path or not host:
        raise _bad(url.partition("?")[0], "a web lake is a plain address of one file, without a query")
    if scheme == "http" and not allow_http and not _is_loopback(host):
        raise InputError(
            "plain-http",
            f"{url!r}: what comes over plain HTTP can be read and changed on its way.",
            todo="Use https://.",
        )
    if path.endswith("/") or not path or "*" in path:
        raise InputError(
            "no-listing", f"{url!r}: a web server can't list its files.", todo="Give the address of each file."
        )
    return _checked(url, Location(root_url=f"{scheme}://{host}", scheme=scheme, key=unquote(path)))


def _checked(url: str, location: Location) -> Location:
    _check_components(url, location.key.removesuffix("/"))
    if location.glob is not None:
        _check_components(url, location.glob)
        pattern_regex(location.glob)
    return location


def _check_components(url: str, path: str) -> None:
    if path and any(component in ("", ".", "..") for component in path.split("/")):
        raise _bad(url, "it has an empty component, '.' or '..'")


def _is_loopback(host: str) -> bool:
    name = host.rpartition(":")[0] if re.search(r":\d+$", host) else host
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return name == "localhost"


def _bad(url: str, why: str) -> InputError:
    return InputError("bad-lake-url", f"{url!r} is not a lake URL: {why}.", todo=_EXAMPLES)
