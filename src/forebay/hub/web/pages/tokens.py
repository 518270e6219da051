"""Tokens: one's own, or all for an admin; a new one's secret is in one answer and nowhere else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from forebay import words
from forebay.errors import ForebayError, InputError, NotFoundError
from forebay.hub.access.rules import Action
from forebay.hub.web import buttons, given, show
from forebay.hub.web.forms import Confirm, Field, Form, failed, filled
from forebay.hub.web.listing import Listing
from forebay.hub.web.page import Page, Redirect
from forebay.hub.web.pages.admin import ADMIN
from forebay.hub.web.route import Pages
from forebay.hub.web.table import Cell, Column, Row, Table
from forebay.hub.web.visit import Visit
from forebay.wire.access import MadeToken, NewToken, Role, Token

pages = Pages()

_TOKENS = ("Tokens", "/admin/tokens")
_LASTING: Final = {"1d": 1.0, "7d": 7.0, "30d": 30.0, "90d": 90.0, "365d": 365.0, "never": 0.0}
_SHOWN = 200
_DAY_S = 86400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class MadePage:
    """A secret that is shown this once."""

    says: str
    secret: str
    token: Token
    environment: str


@pages.get("/admin/tokens")
def tokens(visit: Visit) -> Page:
    """Those that hold; with `all` also those that ended."""
    return _page(visit)


def _page(visit: Visit, form: Form | None = None) -> Page:
    manages = visit.may(Action.MANAGE)
    found = visit.hub.access.tokens(visit.query.get("whose", "").strip())
    live = [item for item in found if _holds(item, visit.now)]
    everything = bool(visit.query.get("all"))
    shown = (found if everything else live)[: visit.limit(_SHOWN)]
    whose = "in all" if manages else "of your own"
    says = f"{words.count(len(live), 'live token')} {whose}, {len(found) - len(live)} ended"
    search = Form(
        action="/admin/tokens",
        method="get",
        button="Show",
        quiet=True,
        fields=(
            *((Field(name="whose", label="User", value=visit.query.get("whose", "")),) if manages else ()),
            Field(name="all", label="also those that ended", kind="checkbox", value="yes" if everything else ""),
        ),
    )
    context = Listing(says=says, search=search, forms=(("Make a token", form or _make_form(visit)),))
    return Page(
        template="admin/list.html",
        title="Tokens",
        nav="admin",
        context=context,
        tables=(tokens_table(visit, shown, whose=manages),),
        parent=ADMIN,
        status=400 if form else 200,
    )


@pages.post("/admin/tokens")
def make(visit: Visit) -> Page:
    """Make one, and show its secret once: going back or reloading does not show it again."""
    try:
        made = visit.hub.access.make_token(_new(visit))
    except ForebayError as error:
        return _page(visit, failed(filled(_make_form(visit), visit.form), error, _field(error)))
    return _made_page(visit, made)


@pages.get("/admin/tokens/{token_id}/revoke")
def ask_revoke(visit: Visit) -> Page:
    """What ends with it."""
    found = _one(visit)
    used = words.ago(found.last_used_at, visit.now) if found.last_used_at else "never"
    context = Confirm(
        heading=f"Revoke the token {found.token_id}?",
        says=f"{_for(found)}, {found.role}; it was used {used}.",
        facts=("It ends at once, for every program that has it. That can't be taken back: make another one instead.",),
        form=Form(
            action=f"/admin/tokens/{found.token_id}/revoke", button="Revoke it", danger=True, cancel="/admin/tokens"
        ),
    )
    return Page(template="confirm.html", title="Revoke a token", nav="admin", context=context, parent=_TOKENS)


@pages.post("/admin/tokens/{token_id}/revoke")
def revoke(visit: Visit) -> Redirect:
    """It ends now."""
    ended = visit.hub.access.revoke_token(visit.path["token_id"])
    return Redirect(to="/admin/tokens", notice=f"The token {ended.token_id} has ended.")


def tokens_table(visit: Visit, found: Sequence[Token], *, whose: bool) -> Table:
    """Tokens, never their secrets; `whose`: with their users."""
    columns = (
        Column(key="token", title="Token"),
        *((Column(key="user", title="User"),) if whose else ()),
        Column(key="role", title="Role"),
        Column(key="for", title="For"),
        Column(key="note", title="Note"),
        Column(key="state", title="State"),
        Column(key="last_used_at", title="Used", number=True),
        Column(key="created_at", title="Made", number=True),
        Column(key="act", title=""),
        Column(key="expires_at", title="Expires", given=True),
        Column(key="revoked_at", title="Revoked", given=True),
    )
    return Table(
        name="tokens",
        caption="What programs and agents sign in with",
        columns=columns,
        rows=tuple(_row(visit, item, whose=whose) for item in found),
        empty="No token. Programs sign in with one: make it below, or with forebay token make.",
    )


def _row(visit: Visit, item: Token, *, whose: bool) -> Row:
    now = visit.now
    end = buttons.link(f"/admin/tokens/{item.token_id}/revoke", "Revoke…", about=item.token_id)
    limits = f"agent of {item.site}" if item.site else " ".join(item.datasets)
    return Row(
        key=item.token_id,
        cells=(
            Cell(value=item.token_id, shown=show.copy(item.token_id)),
            *((Cell(value=item.user),) if whose else ()),
            Cell(value=item.role.value),
            Cell(value=limits, shown=limits or "all"),
            Cell(value=item.note),
            _state(item, now),
            Cell(
                value=item.last_used_at or None,
                shown=show.when(item.last_used_at, now) if item.last_used_at else "never",
            ),
            Cell(value=item.created_at, shown=show.when(item.created_at, now)),
            Cell(value="", shown=end if _holds(item, now) else ""),
            Cell(value=item.expires_at or None, shown=show.when(item.expires_at, now)),
            Cell(value=item.revoked_at or None, shown=show.when(item.revoked_at, now)),
        ),
    )


def _state(item: Token, now: float) -> Cell:
    if item.revoked_at:
        return Cell(value="revoked", shown=show.state("removed", "revoked", show.when(item.revoked_at, now)))
    if not item.expires_at:
        return Cell(value="holds", shown=show.state("ok", "holds"))
    if item.expires_at <= now:
        return Cell(value="expired", shown=show.state("removed", "expired", show.when(item.expires_at, now)))
    soon = item.expires_at - now < 7 * _DAY_S
    return Cell(value="holds", shown=show.state("warning" if soon else "ok", "ends", show.when(item.expires_at, now)))


def _made_page(visit: Visit, made: MadeToken) -> Page:
    token = made.token
    holds = f"for {words.duration(token.expires_at - visit.now)}" if token.expires_at else "until it is revoked"
    context = MadePage(
        says=f"{_for(token)}, {token.role}, and holds {holds}. "
        "This is the only time it is shown: the hub keeps none of it.",
        secret=made.secret,
        token=token,
        environment=f"export FOREBAY_TOKEN={made.secret}",
    )
    return Page(
        template="admin/made_token.html", title="A new token", nav="admin", context=context, parent=_TOKENS, status=201
    )


def _new(visit: Visit) -> NewToken:
    """InputError for what can't be read; what may not be asked for the hub says."""
    form = visit.form
    lasting = _LASTING.get(form.get("lasts", "30d"))
    if lasting is None:
        raise InputError("bad-duration", f"{form.get('lasts', '')[:40]!r} is no choice.")
    try:
        role = Role(form.get("role", ""))
    except ValueError:
        raise InputError("bad-role", f"{form.get('role', '')[:40]!r} is no role.") from None
    return NewToken(
        user=form.get("user", "").strip() or visit.sight.user,
        role=role,
        expires_at=visit.now + lasting * _DAY_S if lasting else 0.0,
        datasets=given.names(form.get("datasets", "")),
        site=form.get("site", "").strip(),
        note=form.get("note", "").strip(),
    )


def _field(error: ForebayError) -> str:
    fields = {"user-not-found": "user", "dataset-not-found": "datasets", "bad-role": "role", "bad-duration": "lasts"}
    return fields.get(error.kind, "")


def _make_form(visit: Visit) -> Form:
    manages = visit.may(Action.MANAGE)
    roles = tuple((role.value, role.value) for role in Role if visit.sight.role.covers(role))
    lasting = tuple((key, "until it is revoked" if key == "never" else f"{key[:-1]} days") for key in _LASTING)
    of_admin = (
        Field(name="user", label="User", value=visit.query.get("user", ""), placeholder=visit.sight.user),
        Field(name="site", label="Site", hint="Only for the agent of a site: then it is for nothing else."),
    )
    return Form(
        action="/admin/tokens#do",
        button="Make it",
        fields=(
            *(of_admin[:1] if manages else ()),
            Field(
                name="role",
                label="Role",
                kind="select",
                value=visit.sight.role.value,
                options=roles,
                hint="The most that it may do; never more than its user.",
            ),
            Field(name="lasts", label="Holds for", kind="select", value="30d", options=lasting),
            Field(
                name="datasets", label="Only for datasets", placeholder="criteo", hint="Empty: all that its user may."
            ),
            *(of_admin[1:] if manages else ()),
            Field(name="note", label="Note", placeholder="nightly job"),
        ),
    )


def _one(visit: Visit) -> Token:
    token_id = visit.path["token_id"]
    found = next((item for item in visit.hub.access.tokens() if item.token_id == token_id), None)
    if found is None:
        raise NotFoundError(
            "token-not-found", f"There is no token {token_id!r}.", todo="The list of tokens has all of them."
        )
    return found


def _holds(item: Token, now: float) -> bool:
    return not item.revoked_at and not 0 < item.expires_at <= now


def _for(item: Token) -> str:
    return f"It is for the agent of {item.site}" if item.site else f"It is {item.user}'s"
