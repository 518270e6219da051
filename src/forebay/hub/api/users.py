"""Users: who may use the hub, and as what; and who asks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from forebay.hub.api.acting import Acting
from forebay.hub.api.paging import Page, Paging, page
from forebay.hub.api.resource import resource
from forebay.wire.access import Me, Role, User

router = resource("users")

UserName = Annotated[str, Field(max_length=1000)]


@dataclass(frozen=True, kw_only=True)
class NewUser:
    """A user, and the most that they may do."""

    name: UserName
    role: Role


@dataclass(frozen=True, kw_only=True)
class NewRole:
    """The most that a user may do."""

    role: Role


@router.get("/me")
def me(hub: Acting) -> Me:
    """Who asks: their role and teams, what their token is for and when it expires."""
    return hub.access.me()


@router.get("/users")
def list_users(hub: Acting, paging: Paging) -> Page[User]:
    """All users, by name."""
    return page(hub.access.users(), lambda item: (item.name,), paging)


@router.post("/users", status_code=201)
def add_user(hub: Acting, new: NewUser) -> User:
    """Add a user."""
    return hub.access.add_user(new.name, new.role)


@router.put("/users/{user}/role")
def set_role(hub: Acting, user: str, new: NewRole) -> User:
    """Give a user another role."""
    return hub.access.set_role(user, new.role)


@router.delete("/users/{user}", status_code=204)
def remove_user(hub: Acting, user: str) -> None:
    """Remove a user, whose tokens end with it."""
    hub.access.remove_user(user)
