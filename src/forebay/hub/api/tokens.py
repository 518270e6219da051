"""Tokens: what programs and agents sign in with. A secret is in one answer, and nothing keeps that answer."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Request, Response

from forebay.errors import ConflictError
from forebay.hub.api.acting import Acting
from forebay.hub.api.once import tell_once
from forebay.hub.api.paging import Page, Paging, page
from forebay.hub.api.resource import resource
from forebay.wire.access import MadeToken, NewToken, Token

router = resource("tokens", "/tokens")


@router.get("")
def list_tokens(
    hub: Acting, paging: Paging, user: Annotated[str, Query(max_length=1000, description="Only this one's.")] = ""
) -> Page[Token]:
    """Tokens, newest first; never their secrets. One's own, or for an admin all."""
    return page(hub.access.tokens(user), lambda item: (-item.created_at, item.token_id), paging)


@router.post("", status_code=201)
def make_token(hub: Acting, new: NewToken, request: Request, response: Response) -> MadeToken:
    """Make a token. Its secret is in this answer alone: the same request again is told that it was made."""
    made = hub.access.make_token(new)
    told = ConflictError(
        "secret-told-once",
        f"The token {made.token.token_id} was made; its secret was in the first answer and is not told again.",
        todo=f"Was that answer lost? forebay token revoke {made.token.token_id}, and make another one.",
    )
    tell_once(request, response, told)
    return made


@router.delete("/{token_id}")
def revoke_token(hub: Acting, token_id: str) -> Token:
    """It ends now. Idempotent."""
    return hub.access.revoke_token(token_id)
