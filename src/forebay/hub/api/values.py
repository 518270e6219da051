"""What values a request may hold: numbers that both databases can keep, digests, and bounded texts in addresses."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query
from pydantic import Field

from forebay.wire.http import LONGEST_WAIT_S

_MOST = 2**63 - 1
_MOST_NUMBER = 2**31 - 1

Count = Annotated[int, Field(ge=0, le=_MOST)]
Signed = Annotated[int, Field(ge=-_MOST, le=_MOST)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Number = Annotated[int, Path(ge=0, le=_MOST_NUMBER, description="The version's number: 3 of criteo@v3.")]
Subset = Annotated[str, Query(max_length=200, description='A declared subset\'s name; "" for the whole version.')]
Waiting = Annotated[
    float, Query(ge=0, le=LONGEST_WAIT_S, allow_inf_nan=False, description="Hold the answer back so long for news.")
]
