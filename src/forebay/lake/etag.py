"""Comparing what a lake says about an object with what was registered. Pure.

Lakes write the same etag with and without quotes (Azure lists it bare, GET quotes it). A web server that gives no etag
gets one made of its Last-Modified, marked as weak, so that a change of the same size is still seen.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from obstore import ObjectMeta

_WEAK = "W/"
_MODIFIED = f'{_WEAK}"modified-'


def etag_of(meta: ObjectMeta) -> str:
    """The object's etag, or a weak one made of its modification time; empty when there is neither."""
    return meta["e_tag"] or etag_of_time(meta["last_modified"])


def etag_of_time(modified: datetime) -> str:
    """The stand-in for an etag; obstore gives the year 1970 where the lake gives no time."""
    seconds = modified.timestamp()
    return f'{_MODIFIED}{seconds:.0f}"' if seconds > 0 else ""


def same_etag(one: str, other: str) -> bool:
    """Whether two etags name the same bytes, however they are quoted. An empty one says nothing: False."""
    return bool(one) and _bare(one) == _bare(other)


def condition(etag: str) -> str | None:
    """What to send as If-Match: a strong etag in quotes, or None (a weak etag never satisfies If-Match)."""
    return f'"{_bare(etag)}"' if etag and not etag.startswith(_WEAK) else None


def _bare(etag: str) -> str:
    return etag.removeprefix(_WEAK).strip('"')
