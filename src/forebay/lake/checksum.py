"""The checksum that a lake itself offers for an object, as far as it can be had: the MD5 that is a plain S3 etag. Pure.

obstore shows an object's etag and no other header, so x-amz-checksum-* and Azure's Content-MD5 stay out of reach. An
etag of an upload in parts has a dash; one of an object under a customer's key looks like an MD5 and is none.
"""

from __future__ import annotations

import re

_MD5 = re.compile(r'"?([0-9a-f]{32})"?')


def offered_md5(scheme: str, etag: str) -> str:
    """The MD5 (hex) that this etag may be; "" where the lake offers none."""
    plain = _MD5.fullmatch(etag) if scheme == "s3" else None
    return plain[1] if plain else ""
