"""`forebay token`: what programs and agents sign in with. A secret is printed when it is made, and never again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from forebay.cli.call import Call
from forebay.cli.command import Group, command
from forebay.cli.options import Yes
from forebay.cli.table import keep, print_table, say, text
from forebay.cli.words import ago, moment, parse_role, parse_until
from forebay.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console

    from forebay.wire.access import MadeToken, Token

app = typer.Typer(cls=Group, no_args_is_help=True, help="What programs and agents sign in with.")


@command(
    app,
    "make",
    example="""
forebay token make --user ada --role scientist --expires 30d
export FOREBAY_TOKEN=$(forebay token make -q --dataset criteo --role viewer)
forebay token make --site dgx --expires never --note 'the agent beside the DGX'""",
    gives="forebay.wire.access:MadeToken",
)
def make(
    call: Call,
    user: Annotated[str, typer.Option(metavar="USER", help="Whose; default: yours.", show_default=False)] = "",
    role: Annotated[str, typer.Option(metavar="ROLE", help="The most that it may do; never more than its user.")] = (
        "scientist"
    ),
    expires: Annotated[str, typer.Option(metavar="WHEN", help="30d, 2026-12-31 or never.")] = "90d",
    dataset: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="For this dataset alone; may repeat.", show_default=False)
    ] = None,
    site: Annotated[str, typer.Option(metavar="SITE", help="For the agent of this site.", show_default=False)] = "",
    note: Annotated[str, typer.Option(metavar="TEXT", help="What it is for.", show_default=False)] = "",
) -> None:
    """Make a token. Its secret is shown this once: -q prints it alone."""
    from forebay.wire.access import NewToken, Role

    access = call.session.access
    made = access.make_token(
        NewToken(
            user=user or access.me().user,
            # What an agent may do, its site says.
            role=Role.VIEWER if site else parse_role(role),
            expires_at=0.0 if expires == "never" else parse_until(expires, call.now, option="--expires"),
            datasets=tuple(dataset or ()),
            site=site,
            note=note,
        )
    )
    call.show(made, ids=[made.secret], human=lambda out: _print_made(out, made))


@command(
    app,
    "ls",
    example="""
forebay token ls
forebay token ls --user ada -q""",
    gives="[forebay.wire.access:Token]",
)
def ls(
    call: Call, user: Annotated[str, typer.Option(metavar="USER", help="Only this one's.", show_default=False)] = ""
) -> None:
    """List the tokens, newest first; never their secrets."""
    found = call.session.access.tokens(user)
    now = call.now
    call.show(found, ids=(item.token_id for item in found), human=lambda out: _print_tokens(out, found, now))


@command(app, "revoke", example="forebay token revoke 4f9c0a1b2d3e --yes", gives="[forebay.wire.access:Token]")
def revoke(
    call: Call,
    tokens: Annotated[list[str], typer.Argument(metavar="TOKEN...", help="From `token ls`.", show_default=False)],
    yes: Yes = False,
) -> None:
    """End tokens. Whoever uses them is refused from now on."""
    for token_id in tokens:
        if token_id.startswith("fbt_"):
            raise InputError(
                "secret-given", "That is a secret, not the id of a token.", todo="Its id: forebay token ls"
            )
    access = call.session.access
    call.confirm(f"Revoke {', '.join(tokens)}?", yes=yes)
    ended = [access.revoke_token(token_id) for token_id in tokens]
    call.show(ended, ids=tokens, human=lambda out: say(out, f"revoked {', '.join(tokens)}"))


def _print_made(out: Console, made: MadeToken) -> None:
    token = made.token
    say(out, f"{_for(token)}; {_ends(token)}; its id is {token.token_id}")
    say(out, "Keep the secret now, nobody can show it again:")
    say(out, made.secret)


def _print_tokens(out: Console, tokens: list[Token], now: float) -> None:
    if not tokens:
        say(out, "No token yet. Make one: forebay token make --user NAME")
        return
    columns = [keep("TOKEN"), keep("USER"), text("FOR"), keep("STATE"), text("USED"), text("NOTE")]
    rows = (
        (
            item.token_id,
            item.user,
            _for(item),
            _state(item, now),
            ago(item.last_used_at, now) if item.last_used_at else "never",
            item.note,
        )
        for item in tokens
    )
    print_table(out, columns, rows)


def _for(token: Token) -> str:
    if token.site:
        return f"the agent of {token.site}"
    return " of ".join((token.role.value, ", ".join(token.datasets))) if token.datasets else token.role.value


def _ends(token: Token) -> str:
    return f"until {moment(token.expires_at)}" if token.expires_at else "until it is revoked"


def _state(token: Token, now: float) -> str:
    if token.revoked_at:
        return f"revoked {ago(token.revoked_at, now)}"
    if 0 < token.expires_at <= now:
        return f"expired {ago(token.expires_at, now)}"
    return _ends(token)
