"""The version that a request is about: named in its address or body, and looked up by the hub itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends
from pydantic import Field

from forebay.errors import InputError
from forebay.hub.api.acting import Acting
from forebay.hub.api.values import Number, Subset
from forebay.wire.catalog import Version, ref_of
from forebay.wire.hub import Hub


@dataclass(frozen=True, kw_only=True)
class OfVersion:
    """A version by name, in a request's body."""

    dataset: str
    number: Annotated[int, Field(ge=1, le=2**31 - 1)]
    subset: str = ""

    def found(self, hub: Hub) -> Version:
        """NotFoundError when there is none."""
        return hub.catalog.resolve(ref_of(self.dataset, self.number, self.subset))


def agree(address: object, body: object) -> None:
    """InputError `bad-request` where a request's address and its body speak of two things."""
    if address != body:
        raise InputError("bad-request", f"The address says {address!r} and the body {body!r}.")


def _addressed(hub: Acting, dataset: str, number: Number, subset: Subset = "") -> Version:
    return hub.catalog.resolve(ref_of(dataset, number, subset))


Addressed = Annotated[Version, Depends(_addressed)]
"""The version that a request's address names, as `.../{dataset}/{number}?subset=`."""
