"""How the results of `forebay dataset` look to a person."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from forebay.cli.dataset_retention import retired_facts
from forebay.cli.table import keep, number, print_facts, print_table, print_tree, say, text, wrapped
from forebay.cli.words import ago, count, goes_after, moment, size

if TYPE_CHECKING:
    from rich.console import Console

    from forebay.catalog.diff import Diff
    from forebay.catalog.manifest import Entry
    from forebay.cli.dataset import DatasetDetails, DiffResult
    from forebay.client.commit import Committed
    from forebay.wire.catalog import Lineage, TagMove, Version


def sent(committed: Committed) -> str:
    """What a commit sent, and what it did not need to."""
    told = f"{count(committed.sent_files, 'file')}, {size(committed.sent_bytes)}, sent"
    if committed.present_files:
        told += f"; {count(committed.present_files, 'file')}, {size(committed.present_bytes)}, there already"
    return told


def kept(committed: Committed) -> str:
    """Where a committed version is ready, and what that took; or why it is not."""
    if committed.kept is None:
        return f"not kept on the cache volume: {committed.not_kept}"
    copied = committed.kept.copied_bytes
    linked = committed.version.size_bytes - copied
    parts = [f"{size(copied)} copied from here"] if copied or not linked else []
    parts += [f"{size(linked)} on the volume already"] if linked else []
    return f"ready without a download ({', '.join(parts)}): {committed.kept.path}"


def print_dataset(out: Console, details: DatasetDetails, now: float) -> None:
    """A line about the dataset, what was said of it, then its versions."""
    item = details.dataset
    retired = sum(version.is_retired for version in details.versions)
    besides = f" and {count(retired, 'retired one')}" if retired else ""
    told = f"{item.name}: {count(item.versions, 'version')}{besides}, owned by {item.owner or 'nobody'}"
    told += f", of the team {item.team}" if item.team else ""
    say(out, f"{told}, made {moment(item.created_at)}")
    if item.description:
        say(out, item.description)
    if item.stale_after_s is not None:
        say(out, f"its replicas {goes_after(item.stale_after_s)}")
    columns = [
        keep("VERSION"),
        number("FILES"),
        number("SIZE"),
        keep("MADE"),
        text("BY"),
        text("TAGS"),
        text("MESSAGE"),
    ]
    print_table(
        out,
        columns,
        (
            (
                version.ref,
                f"{version.files:,}",
                size(version.size_bytes),
                ago(version.created_at, now),
                version.created_by,
                "(retired)" if version.is_retired else " ".join(version.tags),
                version.message,
            )
            for version in details.versions
        ),
    )


def print_version(out: Console, version: Version, now: float) -> None:
    """All that is known of one version."""
    print_facts(
        out,
        [
            ("version", version.ref),
            *retired_facts(version),
            ("tags", ", ".join(version.tags)),
            ("message", version.message),
            ("files", f"{version.files:,}"),
            ("size", f"{size(version.size_bytes)} ({version.size_bytes:,} bytes)"),
            ("made", f"{moment(version.created_at)} ({ago(version.created_at, now)}) by {version.created_by or '?'}"),
            ("made by", version.made_by.command),
            ("from code", version.made_by.code),
            ("parameters", version.made_by.parameters),
            ("parents", ", ".join(parent.ref for parent in version.parents)),
            ("lake", f"{version.lake_url}{f' (profile {version.profile})' if version.profile else ''}"),
            ("digests", "all known" if version.sealed else "learned by the first fill"),
            ("manifest", version.manifest_digest),
        ],
    )


def file_row(entry: Entry) -> tuple[str, str, str]:
    """One file in a list."""
    return size(entry.size_bytes), (entry.digest or "not known")[:16], entry.path


def print_diff(out: Console, result: DiffResult, found: Diff, *, all_files: bool) -> None:
    """The tallies; with `all_files` each changed file below."""
    if result.same:
        say(out, f"{result.old} and {result.new} hold the same {count(result.tallies['unchanged'].files, 'file')}")
        return
    rows = [(kind, f"{tally.files:,}", size(tally.size_bytes)) for kind, tally in result.tallies.items() if tally.files]
    print_table(out, [keep(f"{result.old} -> {result.new}"), number("FILES"), number("SIZE")], rows)
    if result.tallies["unknown"].files:
        say(out, "unknown: neither digests nor etags tell; a fill of each version learns the digests")
    if not all_files:
        return
    out.print()
    rows = [
        (change.kind.value, size(change.size_bytes or change.old_size_bytes or 0), _moved(change))
        for change in found.changes()
    ]
    print_table(out, [keep("CHANGE"), number("SIZE"), wrapped("FILE")], rows)


def _moved(change: Any) -> str:
    return f"{change.old_path} -> {change.path}" if change.old_path not in (None, change.path) else str(change.path)


def print_moves(out: Console, name: str, moves: list[TagMove]) -> None:
    """A history of tags."""
    if not moves:
        say(out, f"{name} has no tags yet. Set one: forebay dataset tag {name}@v1 prod")
        return
    rows = [
        (move.tag, f"{name}@v{move.number}" if move.number else "(removed)", moment(move.moved_at), move.moved_by)
        for move in moves
    ]
    print_table(out, [keep("TAG"), keep("VERSION"), keep("SINCE"), text("BY")], rows)


def print_lineage(out: Console, version: Version, found: Lineage) -> None:
    """Both directions as one tree."""
    from rich.text import Text
    from rich.tree import Tree

    tree = Tree(Text(version.ref, style="bold"))
    parents: dict[str, list[str]] = {}
    children: dict[str, list[str]] = {}
    for edge in found.upstream:
        parents.setdefault(edge.child, []).append(edge.parent)
    for edge in found.downstream:
        children.setdefault(edge.parent, []).append(edge.child)
    if not parents and not children:
        say(out, f"{version.ref} was made from no version, and none was made from it.")
        return
    for label, edges in (("made from", parents), ("went into", children)):
        if edges:
            _grow(tree.add(Text(label, style="dim")), version.ref, edges)
    print_tree(out, tree)


def _grow(branch: Any, ref: str, edges: dict[str, list[str]]) -> None:
    from rich.text import Text

    for other in sorted(edges.get(ref, ())):
        _grow(branch.add(Text(other)), other, edges)


def print_removal(out: Console, named: str, held_by: tuple[str, ...]) -> None:
    """What a removal would do, or what stands against it."""
    if not held_by:
        say(out, f"would forget {named}; the lake keeps its objects")
        return
    say(out, f"{named} cannot be forgotten yet:")
    for reason in held_by:
        say(out, f"  {reason}")
