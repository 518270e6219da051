"""Rules: what is kept at which sites, and until when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from forebay.hub.api.acting import Acting
from forebay.hub.api.paging import Page, Paging, page
from forebay.hub.api.resource import resource
from forebay.hub.api.values import Finite
from forebay.wire.rules import NewRule, Rule

router = resource("rules", "/rules")


@dataclass(frozen=True, kw_only=True)
class WantedRule:
    """What shall be kept, where, and until when (0: for ever). `owner` and `role` are set to those of who asks."""

    ref: Annotated[str, Field(min_length=1, max_length=200)]
    newest: bool = False
    at: Annotated[str, Field(max_length=1000)] = ""
    until: Finite = 0.0
    message: Annotated[str, Field(max_length=1000)] = ""
    owner: Annotated[str, Field(max_length=200)] = ""
    role: Annotated[str, Field(max_length=16)] = ""


@router.get("")
def list_rules(hub: Acting, paging: Paging) -> Page[Rule]:
    """All rules with how they stand, the oldest first."""
    return page(hub.rules.all(), lambda item: (item.made_at, item.rule_id), paging)


@router.post("", status_code=201)
def add_rule(hub: Acting, wanted: WantedRule) -> Rule:
    """Keep something from now on."""
    new = NewRule(
        ref=wanted.ref,
        newest=wanted.newest,
        at=wanted.at,
        until=wanted.until,
        message=wanted.message,
        owner=wanted.owner,
        role=wanted.role,
    )
    return hub.rules.add(new)


@router.get("/{rule_id}")
def get_rule(hub: Acting, rule_id: str) -> Rule:
    """One rule, with how it stands with each dataset at each site."""
    return hub.rules.get(rule_id)


@router.delete("/{rule_id}")
def remove_rule(hub: Acting, rule_id: str) -> Rule:
    """The rule keeps nothing any more; what it was."""
    return hub.rules.remove(rule_id)
