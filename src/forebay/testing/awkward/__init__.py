"""An HTTP origin that misbehaves on demand: status codes, hangs, resets, wrong bytes, ignored conditions.

Speaks plain GET, HEAD and Range, and enough of S3 (path style, ListObjectsV2) for an S3 client; checks no signature.
Counts every request and every byte it sends, so that a test can say "fetched once".
"""

from __future__ import annotations

from forebay.testing.awkward.answer import Seen
from forebay.testing.awkward.faults import (
    ChangeEtag,
    Fault,
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
from forebay.testing.awkward.origin import AwkwardOrigin

__all__ = [
    "AwkwardOrigin",
    "ChangeEtag",
    "Fault",
    "FlipBit",
    "Hold",
    "IgnoreCondition",
    "IgnoreRange",
    "Lengthen",
    "Reset",
    "Seen",
    "Shorten",
    "Status",
    "Truncate",
]
