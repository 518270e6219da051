"""How runs, and where they would go, look to a person."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from forebay.cli.table import keep, number, print_facts, print_table, say, text, wrapped
from forebay.cli.words import ago, count, duration, moment, size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from forebay.wire.runs import Attempt, Explanation, NewRun, Run, RunPage, SiteRow, Way

_GB = 2**30
_SHORT = 12
"""So many characters of an id tell runs apart; the whole is in --json and -q."""


def short(run_id: str) -> str:
    """The beginning of an id, which commands take."""
    return run_id[:_SHORT]


def told_of(run: Run) -> str:
    """One line: what a run is, where, and why."""
    place = f" at {run.site}" if run.site else ""
    reason = f": {run.reason}" if run.reason else ""
    return f"run {short(run.run_id)} {run.state}{place}{reason}"


def print_runs(out: Console, page: RunPage, now: float) -> None:
    """A list, newest first."""
    if not page.runs:
        say(out, "No run of that. Start one: forebay run --data REF -- COMMAND")
        return
    columns = [keep("RUN"), keep("STATE"), text("SITE"), text("BY"), keep("SUBMITTED"), text("DATA"), text("WHAT")]
    print_table(
        out,
        columns,
        (
            (
                short(run.run_id),
                run.state.value,
                run.site,
                run.submitted_by,
                ago(run.submitted_at, now),
                " ".join(item.ref for item in run.new.data),
                run.new.title or shlex.join(run.new.command),
            )
            for run in page.runs
        ),
    )
    if page.next_before:
        say(out, f"... older ones: --before {page.next_before}")


def print_run(out: Console, run: Run, now: float) -> None:
    """All that is known of one run."""
    new = run.new
    print_facts(
        out,
        [
            ("run", run.run_id),
            ("title", new.title),
            ("state", f"{run.state}{f' at {run.site}' if run.site else ''}, {ago(run.since, now)}"),
            ("reason", run.reason),
            ("last error", run.last_error),
            ("what unblocks it", run.unblock),
            ("next try", _in(run.next_try_at, now)),
            ("command", shlex.join(new.command)),
            ("reads", ", ".join(f"{item.name}={item.ref}" for item in new.data)),
            ("makes", ", ".join(f"{item.name}={item.dataset}" for item in new.outputs)),
            ("made", ", ".join(run.made)),
            ("asks for", _asks_for(new)),
            ("code", _code(new)),
            ("environment", _environment(new)),
            ("variables", ", ".join(f"{item.name}={item.value}" for item in new.variables)),
            ("submitted", f"{moment(run.submitted_at)} by {run.submitted_by or '?'}{_team(new)}"),
            ("cancelled by", run.cancelled_by),
        ],
    )
    if run.attempts:
        out.print()
        columns = [number("TRY"), keep("SITE"), keep("BEGAN"), keep("TOOK"), keep("ENDED"), wrapped("WHY")]
        print_table(out, columns, (_attempt(item, now) for item in run.attempts))


def print_explanation(out: Console, found: Explanation) -> None:
    """The table of a placement, the best site first; then what would unblock the others."""
    columns = [keep("SITE"), number("MISSING"), text("FROM"), number("DATA IN"), number("COMPUTE IN")]
    columns += [number("STARTS IN"), number("MONEY"), number("SCORE"), wrapped("WHY NOT")]
    print_table(out, columns, (_site_row(row, found.choice) for row in found.rows))
    for row in found.rows:
        for way in row.ways:
            say(out, f"{row.site}: {_way(way)}")
        for told in row.unblock:
            say(out, f"{row.site}: {told}")
    say(out, f"It would go to {found.choice}." if found.choice else "No site will do now: it would wait.")


def _site_row(row: SiteRow, choice: str) -> Sequence[str]:
    name = f"{row.site} *" if row.site == choice else row.site
    missing = size(row.missing_bytes) if row.missing_bytes else "-"
    if row.why_not:
        return name, missing, "", "", "", "", "", "", "; ".join(row.why_not)
    times = [duration(value) if value >= 1 else "now" for value in (row.data_s, row.queue_s, row.start_s)]
    return name, missing, ", ".join(row.sources) or "-", *times, f"{row.money:.2f}", f"{row.score:.0f}", ""


def _way(way: Way) -> str:
    """`from s3://clicks at 11.4 MiB/s, measured, after 50 ms, for 0.09 a GB`"""
    price = f", for {way.price_byte * _GB:.4g} a GB" if way.price_byte else ""
    how = "measured" if way.measured else "declared or assumed"
    return f"from {way.source} at {size(way.bandwidth_bytes_s)}/s, {how}, after {way.latency_s * 1000:.3g} ms{price}"


def _attempt(item: Attempt, now: float) -> Sequence[str]:
    until = item.ended_at or now
    took = duration(max(0.0, until - item.started_at)) if item.started_at else "-"
    ended = item.ending.value if item.ending else "under way"
    code = f" ({item.exit_code})" if item.exit_code is not None else ""
    return str(item.number), item.site, moment(item.ordered_at), took, f"{ended}{code}", item.reason


def _in(at: float, now: float) -> str:
    return f"in {duration(at - now)}" if at > now else ""


def _asks_for(new: NewRun) -> str:
    parts = [count(new.gpus, "GPU")] if new.gpus else []
    parts += [count(new.cpus, "CPU")]
    parts += [size(new.memory_bytes)] if new.memory_bytes else []
    parts += [count(new.nodes, "node")] if new.nodes > 1 else []
    parts += [f"a {new.engine.capitalize()} cluster"] if new.engine else []
    parts += [f"a site with {new.where}"] if new.where else []
    parts += [f"the site {new.site}"] if new.site else []
    parts += [f"at most {duration(new.time_limit_s)}"] if new.time_limit_s else []
    parts += [f"about {duration(new.estimate_s)}"] if new.estimate_s else []
    parts += [count(new.retry.attempts, "try")] if new.retry.attempts > 1 else []
    return ", ".join(parts)


def _code(new: NewRun) -> str:
    commit = f"git:{new.code.git_commit}{'+changes' if new.code.git_dirty else ''}" if new.code.git_commit else ""
    bundle = f"bundle {short(new.code.bundle)}" if new.code.bundle else ""
    return ", ".join(part for part in (commit, bundle) if part)


def _environment(new: NewRun) -> str:
    lines = [line for line in new.requirements.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    return count(len(lines), "requirement") if lines else ""


def _team(new: NewRun) -> str:
    return f" for the team {new.team}" if new.team else ""
