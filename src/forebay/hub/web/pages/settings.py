"""One's own settings: who one is here, one's tokens and sessions, light or dark."""

from __future__ import annotations

from dataclasses import dataclass

from forebay.errors import NotFoundError
from forebay.hub.access.secret import WEB
from forebay.hub.web import show
from forebay.hub.web.forms import Confirm, Form
from forebay.hub.web.page import Page, Redirect
from forebay.hub.web.route import Pages
from forebay.hub.web.table import Cell, Column, Row, Table
from forebay.hub.web.visit import Visit
from forebay.wire.access import Me, Token

pages = Pages()


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Who somebody is here."""

    me: Me


@pages.get("/settings")
def settings(visit: Visit) -> Page:
    """Also says what one may do, and until when."""
    context = Settings(me=visit.hub.access.me())
    return Page(
        template="settings/page.html",
        title="Settings",
        nav="settings",
        context=context,
        tables=(_tokens(visit, _own(visit)),),
    )


@pages.get("/settings/tokens/{token}/revoke")
def ask_to_revoke(visit: Visit) -> Page:
    """Before a token ends."""
    token = _one(visit)
    confirm = Confirm(
        heading=f"End the token {token.token_id}?",
        says="Programs that sign in with it stop at once. This can't be undone.",
        form=Form(
            action=f"/settings/tokens/{token.token_id}/revoke",
            button="End it",
            danger=True,
            cancel="/settings",
        ),
        facts=(f"It is for: {token.note}.",) if token.note else (),
    )
    return Page(
        template="confirm.html",
        title="End a token",
        nav="settings",
        context=confirm,
        parent=("Settings", "/settings"),
    )


@pages.post("/settings/tokens/{token}/revoke")
def revoke(visit: Visit) -> Redirect:
    """End one's own token, or another session."""
    token = _one(visit)
    visit.hub.access.revoke_token(token.token_id)
    return Redirect(to="/settings", notice=f"The token {token.token_id} has ended.")


def _own(visit: Visit) -> list[Token]:
    """Those that still hold."""
    found = visit.hub.access.tokens(visit.sight.user)
    return [item for item in found if not item.revoked_at and not 0 < item.expires_at <= visit.now]


def _one(visit: Visit) -> Token:
    for token in _own(visit):
        if token.token_id == visit.path["token"]:
            return token
    raise NotFoundError("token-not-found", "You have no such token that holds.")


def _tokens(visit: Visit, tokens: list[Token]) -> Table:
    here = visit.sight.principal.token_id
    return Table(
        name="tokens",
        caption="Your tokens and sessions",
        columns=(
            Column(key="token", title="Token"),
            Column(key="what", title="For"),
            Column(key="role", title="Role"),
            Column(key="datasets", title="Datasets"),
            Column(key="created", title="Made"),
            Column(key="used", title="Last used"),
            Column(key="expires", title="Ends"),
            Column(key="end", title=""),
        ),
        rows=tuple(_row(visit, token, here) for token in tokens),
        empty="You have no token that holds.",
    )


def _row(visit: Visit, token: Token, here: str) -> Row:
    what = token.note or ("a web session" if token.token_id.startswith(WEB) else "")
    is_here = token.token_id == here
    end = Cell(value="this one") if is_here else Cell(value="", shown="End", href=_revoke_at(token))
    return Row(
        cells=(
            Cell(value=token.token_id, shown=show.copy(token.token_id)),
            Cell(value=what),
            Cell(value=token.role.value),
            Cell(value=" ".join(token.datasets), shown=", ".join(token.datasets) or "all you may"),
            Cell(value=token.created_at, shown=show.when(token.created_at, visit.now)),
            Cell(value=token.last_used_at, shown=show.when(token.last_used_at, visit.now)),
            Cell(value=token.expires_at, shown=show.when(token.expires_at, visit.now) if token.expires_at else "never"),
            end,
        )
    )


def _revoke_at(token: Token) -> str:
    return f"/settings/tokens/{token.token_id}/revoke"
