"""Style sheets, scripts and pictures out of this package: under names with a hash, so that browsers keep them for ever.

All `static/css/*.css` are one sheet, in the order of their names.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import PurePosixPath
from typing import Final

PLACE: Final = "/static/"

_SHEET: Final = "forebay.css"
_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """A file as it is sent, plain and compressed."""

    content: bytes
    compressed: bytes
    media_type: str


class Assets:
    """Read once."""

    def __init__(self) -> None:
        self._addresses: dict[str, str] = {}
        self._by_name: dict[str, Asset] = {}
        for name, content in _files():
            path = PurePosixPath(name)
            hashed = f"{path.stem}-{hashlib.sha256(content).hexdigest()[:12]}{path.suffix}"
            self._addresses[name] = PLACE + hashed
            self._by_name[hashed] = Asset(
                content=content,
                compressed=gzip.compress(content, 9, mtime=0),
                media_type=_TYPES[path.suffix],
            )

    def address(self, name: str) -> str:
        """Where `forebay.js` is; KeyError for what is not there."""
        return self._addresses[name]

    @property
    def addresses(self) -> Mapping[str, str]:
        """All of them, by name."""
        return self._addresses

    def at(self, hashed: str) -> Asset | None:
        """The file of a name with its hash."""
        return self._by_name.get(hashed)


def _files() -> Iterator[tuple[str, bytes]]:
    place = resources.files(__package__).joinpath("static")
    sheets = sorted(place.joinpath("css").iterdir(), key=_name)
    yield _SHEET, b"\n".join(item.read_bytes() for item in sheets)
    for item in sorted(place.iterdir(), key=_name):
        if item.is_file():
            yield item.name, item.read_bytes()


def _name(item: Traversable) -> str:
    return item.name
