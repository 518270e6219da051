"""How sites and their tasks look to a person."""

from __future__ import annotations

from typing import TYPE_CHECKING

from forebay.cli.downtime import told, told_when
from forebay.cli.table import keep, number, print_facts, print_table, say, text, wrapped
from forebay.cli.words import ago, count, duration, first_line, size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from forebay.client.site_overview import SiteOverview
    from forebay.client.why import Why
    from forebay.wire.links import LinkRecord
    from forebay.wire.sites import SiteRecord, Task

_GB = 2**30
_ID = 12


def told_state(record: SiteRecord) -> str:
    """`dgx is draining: new disks`"""
    return f"{record.name} is {record.state}{f': {record.reason}' if record.reason else ''}"


def told_price(record: SiteRecord) -> str:
    """What an hour costs."""
    return f"{record.name}: {record.gpu_hour_price:g} a GPU hour, {record.cpu_hour_price:g} a CPU hour"


def told_link(link: LinkRecord, now: float) -> str:
    """`s3://clicks at 11.4 MiB/s, 50 ms, 0.09 a GB, measured an hour ago`"""
    price = f", {link.price_byte * _GB:.4g} a GB" if link.price_byte else ""
    known = f"measured {ago(link.measured_at, now)}" if link.measured_at else "declared"
    return f"{_link(link)}, {link.latency_s * 1000:.3g} ms{price}, {known}"


def print_sites(out: Console, found: Sequence[SiteOverview], now: float) -> None:
    """One line a site."""
    if not found:
        say(out, "No site yet. Start one on this machine: forebay up, or forebay agent")
        return
    columns = [keep("SITE"), keep("STATE"), number("GPUS"), number("CPUS"), number("MEMORY"), number("USED")]
    columns += [number("READY"), number("TASKS"), keep("SEEN"), text("LINK"), text("LABELS"), wrapped("WHY")]
    print_table(out, columns, (_row(item, now) for item in found))


def print_site(out: Console, found: SiteOverview, now: float) -> None:
    """All that is known of one site, then its tasks."""
    site, volume = found.site, found.volume
    print_facts(
        out,
        [
            ("site", site.name),
            ("state", f"{site.state}, {ago(site.since, now)}"),
            ("reason", site.reason),
            ("wanted", site.wanted.value if site.wanted is not site.state else ""),
            ("capacity", f"{site.gpus} GPUs, {site.cpus} CPUs, {size(site.memory_bytes)}"),
            ("labels", site.labels),
            ("engine", site.engine),
            ("agent", f"{site.release or 'of an unknown release'}, heard of {_seen(site, now)}"),
            ("prices", f"{site.gpu_hour_price:g} a GPU hour, {site.cpu_hour_price:g} a CPU hour"),
            ("volume", f"{site.volume_id}: {_used(found)}"),
            ("health", f"{volume.state}: {volume.state_reason}" if volume and volume.state_reason else ""),
            ("ready", count(found.ready, "version")),
            *(("link", told_link(item, now)) for item in found.links),
            *(("downtime", told_when(item, now)) for item in found.downtimes),
        ],
    )
    if found.tasks:
        out.print()
        print_tasks(out, found.tasks, now)


def print_tasks(out: Console, tasks: Sequence[Task], now: float) -> None:
    """One line a task."""
    if not tasks:
        say(out, "Nothing is to be done.")
        return
    columns = [keep("TASK"), keep("SITE"), keep("KIND"), keep("STATE"), text("OF"), number("DONE"), keep("SINCE")]
    print_table(out, [*columns, wrapped("WHY")], (_task(item, now) for item in tasks))


def print_why(out: Console, found: Sequence[Why], now: float) -> None:
    """The story of each state."""
    for place, item in enumerate(found):
        if place:
            out.print()
        print_facts(
            out,
            [
                (item.what, f"{item.thing}{f' at {item.site}' if item.site else ''}"),
                ("state", f"{item.state}{f', {ago(item.since, now)}' if item.since else ''}"),
                ("reason", item.reason),
                ("attempts", str(item.attempts) if item.attempts else ""),
                ("next try", f"in {duration(item.next_try_at - now)}" if item.next_try_at > now else ""),
                ("last error", item.last_error),
                ("what unblocks it", item.unblock),
            ],
        )


def _row(item: SiteOverview, now: float) -> Sequence[str]:
    site = item.site
    numbers = (str(site.gpus), str(site.cpus), size(site.memory_bytes), _used(item), str(item.ready))
    link = _link(item.links[0]) if item.links else "-"
    ahead = (told(planned) for planned in item.downtimes if planned.begins_at > now)
    why = "; ".join((site.reason, *(f"it will be {text}" for text in ahead)))
    return site.name, site.state.value, *numbers, str(len(item.tasks)), _seen(site, now), link, site.labels, why


def _link(link: LinkRecord) -> str:
    return f"{link.source} at {size(link.bandwidth_bytes_s)}/s"


def _used(item: SiteOverview) -> str:
    if item.volume is None:
        return "-"
    return f"{size(item.volume.used_bytes + item.volume.reserved_bytes)} of {size(item.volume.limit_bytes)}"


def _seen(site: SiteRecord, now: float) -> str:
    return ago(site.seen_at, now) if site.seen_at else "never"


def _task(item: Task, now: float) -> Sequence[str]:
    done = f"{size(item.done_bytes)} of {size(item.total_bytes)}" if item.total_bytes else ""
    parts = [item.reason]
    if item.last_error and first_line(item.last_error) not in item.reason:
        parts.append(first_line(item.last_error))
    if item.unblock:
        parts.append(f"what unblocks it: {item.unblock}")
    why = "; ".join(part for part in parts if part)
    of = item.ref or item.run_id[:_ID]
    return item.task_id[:_ID], item.site, item.kind.value, item.state.value, of, done, ago(item.since, now), why
