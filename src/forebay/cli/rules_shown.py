"""How rules look to a person."""

from __future__ import annotations

from typing import TYPE_CHECKING

from forebay.cli.table import keep, number, print_facts, print_table, say, text, wrapped
from forebay.cli.words import ago, duration, first_line, moment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console

    from forebay.wire.rules import Rule, RulePlace


def told_rule(rule: Rule) -> str:
    """`rule 4f9c0a1b2d3e: criteo@prod at gpu>=4 until 2027-06-01 23:59, by ana`"""
    return f"rule {rule.rule_id}: {_what(rule)} at {rule.at or 'every site'}{_until(rule)}, by {rule.owner}"


def print_rules(out: Console, rules: Sequence[Rule], placeless: Mapping[str, str]) -> None:
    """One line a rule. `placeless` says of those without a place why."""
    if not rules:
        say(out, "No rule yet. Make one: forebay rule add criteo@prod --at 'gpu>=4'")
        return
    columns = [keep("RULE"), keep("KEEPS"), text("AT"), keep("UNTIL"), number("READY"), text("BY"), wrapped("WHY")]
    print_table(out, columns, (_row(rule, placeless.get(rule.rule_id, "")) for rule in rules))


def print_rule(out: Console, rule: Rule, now: float, placeless: str) -> None:
    """All of one rule, then its places, or why it has none."""
    ended = " (over)" if rule.ended else ""
    print_facts(
        out,
        [
            ("rule", rule.rule_id),
            ("keeps", _what(rule)),
            ("at", rule.at or "every site"),
            ("until", f"{moment(rule.until)}{ended}" if rule.until else "for ever"),
            ("owner", rule.owner),
            ("made", ago(rule.made_at, now)),
            ("message", rule.message),
        ],
    )
    if not rule.places:
        say(out, f"It keeps nothing anywhere: {placeless}.")
        return
    out.print()
    columns = [keep("SITE"), keep("VERSION"), keep("STATE"), keep("SINCE"), keep("KEEPS MEANWHILE"), wrapped("WHY")]
    print_table(out, columns, (_place(item, now) for item in rule.places))


def _what(rule: Rule) -> str:
    return f"the newest of {rule.ref}" if rule.newest else rule.ref


def _until(rule: Rule) -> str:
    return f" until {moment(rule.until)}" if rule.until else ""


def _row(rule: Rule, placeless: str) -> Sequence[str]:
    waiting = [item for item in rule.places if item.state != "satisfied"]
    ready = f"{len(rule.places) - len(waiting)} of {len(rule.places)}"
    why = _why(waiting[0]) if waiting else placeless
    until = "over" if rule.ended else moment(rule.until) if rule.until else "-"
    return rule.rule_id, _what(rule), rule.at or "every site", until, ready, rule.owner, why


def _why(item: RulePlace) -> str:
    """The first of those that it waits for."""
    return item.reason if item.site in item.reason else f"{item.site}: {item.reason}"


def _place(item: RulePlace, now: float) -> Sequence[str]:
    parts = [item.reason]
    if item.last_error and first_line(item.last_error) not in item.reason:
        parts.append(first_line(item.last_error))
    if item.next_try_at > now:
        parts.append(f"next try in {duration(item.next_try_at - now)}")
    if item.unblock:
        parts.append(f"what unblocks it: {item.unblock}")
    wanted = item.ref or item.dataset
    return item.site, wanted, item.state.value, ago(item.since, now), " ".join(item.keeps) or "-", "; ".join(parts)
