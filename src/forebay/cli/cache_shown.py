"""How the results of `forebay cache` look to a person."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from forebay.cli.table import keep, number, print_facts, print_table, say, text, wrapped
from forebay.cli.words import ago, count, duration, moment, size

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from forebay.cache.advise import Replayed
    from forebay.cache.engine import Warmed
    from forebay.cache.policy import Decision
    from forebay.cache.recover import Recovered
    from forebay.cache.scrub import Scrubbed
    from forebay.cache.verify import Verified
    from forebay.cli.cache import VerifyResult
    from forebay.client.forecast import Forecast
    from forebay.client.keep import Explanation
    from forebay.wire.cache import CacheEvent, Replica, Volume


def print_warmed(out: Console, done: list[Warmed]) -> None:
    """Two lines a version: what it took, and where it is."""
    for item in done:
        ref, whole = item.replica.ref, size(item.replica.size_bytes)
        if item.moved_bytes:
            there = f", {size(item.present_bytes)} were there" if item.present_bytes else ""
            rate = f" ({size(item.moved_bytes / max(item.seconds, 1e-3))}/s)"
            say(out, f"{ref}: {size(item.moved_bytes)} moved in {duration(item.seconds)}{rate}{there}")
        elif item.waited:
            say(out, f"{ref}: ready, after somebody else filled it ({whole}, waited {duration(item.seconds)})")
        else:
            say(out, f"{ref}: ready already, nothing moved ({whole})")
        say(out, f"  {item.path}")


def print_forecasts(out: Console, planned: list[Forecast]) -> None:
    """What fills would do."""
    for item in planned:
        if item.state == "ready":
            say(out, f"{item.ref}: ready already, nothing to move")
            continue
        if not item.move_bytes:
            say(out, f"{item.ref}: nothing to move, all its bytes are on the volume already")
            continue
        there = f", {size(item.present_bytes)} are there" if item.present_bytes else ""
        about = "no fill here yet to estimate the time from"
        if item.estimated_seconds is not None:
            about = f"about {duration(item.estimated_seconds)}, by past fills"
        said = f"{about}; {_cost(item.cost, item.currency)}"
        say(out, f"{item.ref}: {count(item.move_files, 'file')}, {size(item.move_bytes)}, to move{there}; {said}")
        if item.left_bytes:
            say(out, f"  an earlier try left {size(item.left_bytes)}; what verifies of it is used")
        for gone in item.evicts:
            replica = gone.candidate.replica
            say(out, f"  evicts {replica.ref}: frees {size(gone.frees_bytes)} ({gone.reason})")
        if item.over_quota_bytes:
            say(
                out,
                f"  its team's quota has no room: {size(item.over_quota_bytes)} are missing and nothing more may go",
            )
        if item.missing_bytes:
            say(out, f"  there is no room: {size(item.missing_bytes)} are missing and nothing more may go")


def _cost(cost: float | None, currency: str) -> str:
    if cost is None:
        return "no price is known: set read_price"
    return f"{cost:,.2f} {currency}" if cost else "free of charge"


def print_replicas(out: Console, root: Path, replicas: list[Replica], now: float) -> None:
    """A line a replica."""
    if not replicas:
        say(out, f"Nothing is cached on {root} yet. Bring a version: forebay cache warm REF")
        return
    columns = [keep("VERSION"), keep("STATE"), number("SIZE"), number("FILES"), keep("LAST USED"), wrapped("KEPT BY")]
    rows = [
        (
            item.ref,
            item.state.value,
            size(item.size_bytes),
            f"{item.files:,}",
            ago(item.last_used_at, now),
            _kept_by(item),
        )
        for item in replicas
    ]
    print_table(out, columns, rows)
    damaged = [item.ref for item in replicas if item.state.value == "damaged"]
    if damaged:
        say(out, f"What is damaged can't be opened until it is filled again: forebay cache why {damaged[0]}")


def _kept_by(item: Replica) -> str:
    """What keeps a replica here, in a few words."""
    if item.leases:
        return count(item.leases, "lease")
    return f"pin of {item.pinned_by}{f': {item.pin_reason}' if item.pin_reason else ''}" if item.pinned_by else ""


def print_explanation(out: Console, found: Explanation, now: float) -> None:
    """The one line that answers, then the facts."""
    say(out, f"{found.ref} is {found.state}: {found.reason}")
    facts = [("path", str(found.path) if found.state == "ready" else ""), ("selects", found.selects)]
    if found.replica is not None:
        facts += [
            ("since", f"{moment(found.replica.since)} ({ago(found.replica.since, now)})"),
            ("how it came", found.replica.reason if found.state == "ready" else ""),
            ("last used", ago(found.replica.last_used_at, now) if found.state == "ready" else ""),
            ("attempts", str(found.replica.attempts) if found.replica.attempts > 1 else ""),
        ]
    facts += [("used by", f"{lease.holder}, since {moment(lease.granted_at)}") for lease in found.leases]
    if found.fill is not None and (found.fill.live or found.fill.progress.done_bytes):
        progress = found.fill.progress
        done = f"{size(progress.done_bytes)} of {size(progress.total_bytes)}"
        facts.append(("filled by" if found.fill.live else "left by", f"{found.fill.holder}: {done}"))
    facts += [("what helps", found.todo)]
    print_facts(out, facts)


def print_decisions(out: Console, decisions: list[Decision], currency: str) -> None:
    """Every replica's fate, with the reason."""
    if not decisions:
        say(out, "Nothing is cached: nothing can go.")
        return
    going = [item for item in decisions if item.evict]
    freed = sum(item.frees_bytes for item in going)
    columns = [keep("VERSION"), keep(""), number("FREES"), number("REFILL"), wrapped("WHY")]
    rows = [
        (
            item.candidate.replica.ref,
            "goes" if item.evict else "stays",
            size(item.frees_bytes),
            duration(item.refill_seconds),
            item.reason,
        )
        for item in decisions
    ]
    print_table(out, columns, rows)
    say(out, f"would evict {count(len(going), 'replica')} and free {size(freed)}")
    if going:
        seconds = sum(item.refill_seconds for item in going)
        costs = [item.refill_cost for item in going]
        known = [cost for cost in costs if cost is not None]
        cost = sum(known) if len(known) == len(costs) else None
        say(out, f"to bring that back: about {duration(seconds)}, by past fills; {_cost(cost, currency)}")


def print_verified(out: Console, result: VerifyResult) -> None:
    """A line a replica, then its damaged files."""
    if not result.verified:
        say(out, "Nothing is cached: nothing to verify.")
        return
    columns = [keep("VERSION"), number("FILES"), number("HASHED"), number("BYTES"), text("RESULT")]
    rows = [
        (item.ref, f"{item.files:,}", f"{item.hashed_files:,}", size(item.hashed_bytes), _verdict(item))
        for item in result.verified
    ]
    print_table(out, columns, rows)
    for item in result.verified:
        for bad in item.bad[:20]:
            say(out, f"  {item.ref}: {bad.path}: {bad.why}")


def _verdict(item: Verified) -> str:
    return f"{len(item.bad)} damaged" if item.bad else "good"


def print_scrubbed(out: Console, done: Scrubbed) -> None:
    """The replicas that were looked through, and what became of damaged ones."""
    if not done.verified and not done.failed:
        say(out, "Nothing is cached: nothing to scrub.")
        return
    hashed = sum(item.hashed_bytes for item in done.verified)
    files = sum(item.files for item in done.verified)
    say(out, f"{count(len(done.verified), 'replica')}, {count(files, 'file')}: {size(hashed)} hashed")
    for item in done.verified:
        for bad in item.bad[:20]:
            say(out, f"  {item.ref}: {bad.path}: {bad.why}")
    for ref in done.damaged:
        what = "fetched anew, ready again" if ref in done.refilled else "taken out of use"
        say(out, f"  {ref}: {what}")


def print_health(out: Console, volume: Volume, now: float) -> None:
    """The state of a volume, why, and since when."""
    facts = [("volume", volume.path), ("state", f"{volume.state}, since {ago(volume.state_since, now)}")]
    print_facts(out, [*facts, ("reason", volume.state_reason)] if volume.state_reason else facts)


def print_recovered(out: Console, done: Recovered, *, dry_run: bool) -> None:
    """What was found, and mended."""
    repairs = done.repairs
    blobs = sum(len(digests) for digests in repairs.orphan_blobs.values())
    found: list[tuple[str, Any]] = [
        ("lost with the volume, now damaged", ", ".join(done.lost)),
        ("taken up", ", ".join(tree.ref for tree in repairs.adopt)),
        ("put back into the catalog", ", ".join(done.restored)),
        ("records without files, dropped", ", ".join(item.ref for item in repairs.forget)),
        ("damaged, out of use", ", ".join(f"{tree.ref} ({tree.fault})" for tree in repairs.damaged)),
        ("unusable trees, to quarantine", ", ".join(tree.ref for tree in repairs.orphan_trees)),
        ("blobs of no version, to quarantine", f"{blobs:,}" if blobs else ""),
        ("leftovers of fills, removed", f"{len(repairs.remove_incoming):,}" if repairs.remove_incoming else ""),
        ("emptied from the trash", f"{done.emptied_trash:,}" if done.emptied_trash else ""),
        ("could not be removed", ", ".join(str(path) for path in done.stuck[:5])),
    ]
    facts = [(name, value) for name, value in found if value]
    if not facts:
        say(out, "Records and volume agree: nothing to mend.")
    elif dry_run:
        say(out, "This would be done:")
    print_facts(out, facts)
    if repairs.brake:
        say(out, f"The brake stands against it: {repairs.brake}. If it is true: --force")
    if not dry_run:
        say(out, f"The volume holds {size(done.used_bytes)}.")


def print_events(out: Console, found: list[CacheEvent]) -> None:
    """The history as a table."""
    if not found:
        say(out, "Nothing has happened on this volume yet. Bring a version: forebay cache warm REF")
        return
    columns = [keep("WHEN"), keep("VERSION"), keep("WHAT"), number("SIZE"), wrapped("WHY")]
    rows = [(moment(item.at), item.ref, item.event, size(item.size_bytes), item.reason) for item in found]
    print_table(out, columns, rows)


def print_advice(out: Console, found: list[Replayed], limit_bytes: int) -> None:
    """A line a size; the volume's own is marked."""
    if not found or not found[0].uses:
        say(out, "The ledger has no use yet to replay. Open a version: forebay path REF")
        return
    columns = [keep("VOLUME"), keep(""), number("USES"), number("FOUND THERE"), number("MOVED"), number("REFILLING")]
    rows = [
        (
            size(item.limit_bytes),
            "as it is" if item.limit_bytes == limit_bytes else "",
            f"{item.uses:,}",
            f"{item.hit_rate:.1%}",
            size(item.refill_bytes),
            duration(item.refill_seconds),
        )
        for item in found
    ]
    print_table(out, columns, rows)
