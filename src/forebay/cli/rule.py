"""`forebay rule`: what is kept at which sites, and until when."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from forebay.cli.call import Call
from forebay.cli.command import Group, command
from forebay.cli.options import Message, Yes
from forebay.cli.words import parse_until

if TYPE_CHECKING:
    from forebay.wire.hub import Hub
    from forebay.wire.rules import Rule

app = typer.Typer(cls=Group, no_args_is_help=True, help="Rules: what is kept at which sites, until when.")

RuleId = Annotated[str, typer.Argument(metavar="RULE", help="A rule's id, or the beginning of it.", show_default=False)]


@command(
    app,
    "add",
    example="""
forebay rule add criteo@prod --at 'gpu>=4' --until 2027-06-01
forebay rule add criteo --at used-last
forebay rule add '*@daily' --new-versions --at used-last""",
    gives="forebay.wire.rules:Rule",
)
def add(
    call: Call,
    ref: Annotated[
        str,
        typer.Argument(
            metavar="REF",
            help="criteo@v3, what a tag names (criteo@prod), the newest (criteo), or of every dataset: *@daily",
            show_default=False,
        ),
    ],
    new_versions: Annotated[
        bool, typer.Option("--new-versions", help="The newest version of the datasets that have the tag.")
    ] = False,
    at: Annotated[
        str,
        typer.Option(
            metavar="LABELS", help="Sites such as 'gpu>=4' or 'site=dgx|aks'; default: all.", show_default=False
        ),
    ] = "",
    until: Annotated[
        str, typer.Option(metavar="WHEN", help="2027-06-01 or 30d; default: for ever.", show_default=False)
    ] = "",
    message: Message = "",
) -> None:
    """Keep a version, or whatever a tag names, at sites.

    When the tag moves, the new version is filled first, then the old one is let go. `used-last` is a label of the
    sites that last used the version before.
    """
    from forebay.cli.rules_shown import told_rule
    from forebay.wire.rules import NewRule

    session = call.session
    end = parse_until(until, call.now) if until else 0.0
    new = NewRule(ref=ref, newest=new_versions, at=at, until=end, message=message, owner=session.settings.user)
    made = session.hub.rules.add(new)
    call.show(made, ids=[made.rule_id], human=lambda out: out.out(told_rule(made)))


@command(app, "ls", example="forebay rule ls", gives="[forebay.wire.rules:Rule]")
def ls(call: Call) -> None:
    """List the rules, and where each is satisfied."""
    from forebay.cli.rules_shown import print_rules

    hub = call.session.hub
    found = hub.rules.all()
    why = {item.rule_id: _placeless(hub, item) for item in found if not item.places}
    call.show(found, ids=(item.rule_id for item in found), human=lambda out: print_rules(out, found, why))


@command(app, "show", example="forebay rule show 4f9c0a1b2d3e", gives="forebay.wire.rules:Rule")
def show(call: Call, rule: RuleId) -> None:
    """Show one rule, and how it stands at each site.

    At each it is satisfied, filling or waiting, since when, and why.
    """
    from forebay.cli.rules_shown import print_rule

    hub = call.session.hub
    found = _find(hub, rule)
    why = "" if found.places else _placeless(hub, found)
    call.show(found, ids=[found.rule_id], human=lambda out: print_rule(out, found, call.now, why))


@command(app, "rm", example="forebay rule rm 4f9c0a1b2d3e --yes", gives="forebay.wire.rules:Rule")
def rm(call: Call, rule: RuleId, yes: Yes = False) -> None:
    """End a rule. What it kept stays until it is stale or its space is needed."""
    from forebay.cli.rules_shown import told_rule

    found = _find(call.session.hub, rule)
    call.confirm(f"End {told_rule(found)}?", yes=yes)
    removed = call.session.hub.rules.remove(found.rule_id)
    call.show(removed, ids=[removed.rule_id], human=lambda out: out.out(f"ended: {told_rule(removed)}"))


def _find(hub: Hub, rule_id: str) -> Rule:
    from forebay.sites.rules import begun_by

    return begun_by(hub.rules.all(), rule_id) or hub.rules.get(rule_id)


def _placeless(hub: Hub, rule: Rule) -> str:
    """Why it has no place."""
    from forebay.client.why import all_labels
    from forebay.sites.rules import placeless

    return placeless(rule, all_labels(hub.sites.all()))[0]
