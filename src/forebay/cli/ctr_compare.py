"""`forebay ctr compare`: the honest comparison, of a version from the cache or of a folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from forebay.cli.bars import ByteBar, counter
from forebay.cli.call import Call
from forebay.cli.command import command
from forebay.cli.exits import ERROR
from forebay.cli.table import Column, keep, number, print_table, say, wrapped
from forebay.cli.words import parse_option, parse_size, seconds_of

if TYPE_CHECKING:
    from rich.console import Console

    from forebay.ctr.compare.comparison import ComparisonReport
    from forebay.ctr.compare.sections import Section

_DEFAULT_TIME_LIMIT = "1h"


def add_to(app: typer.Typer) -> None:
    """Make it a command of `forebay ctr`."""
    command(
        app,
        "compare",
        example="""
forebay ctr compare clicks@v1
forebay ctr compare /data/clicks --sizes 100000,300000,1000000 --out comparison.html""",
        gives="forebay.ctr.compare.comparison:ComparisonReport",
    )(compare)


def compare(
    call: Call,
    what: Annotated[str, typer.Argument(metavar="REF", help="A version of click logs, or a folder of day_N.")],
    sizes: Annotated[
        str,
        typer.Option(metavar="ROWS,...", help="Train rows. Default: all (ten million at most), 1/4, 1/16 of them."),
    ] = "",
    contenders: Annotated[
        str, typer.Option(metavar="NAME,...", help="Who takes part beside the reference. Default: all.")
    ] = "",
    test_rows: Annotated[int, typer.Option(min=2, help="Rows of the last day to measure on, at most.")] = 1_000_000,
    memory_limit: Annotated[
        str, typer.Option(metavar="SIZE", help="Of each contender, e.g. 8GB. Default: 9/10 of what is free now.")
    ] = "",
    time_limit: Annotated[str, typer.Option(metavar="TIME", help="Of each trial.")] = _DEFAULT_TIME_LIMIT,
    no_climb: Annotated[
        bool, typer.Option("--no-climb", help="Don't look for the least rows and rounds that reach the same AUC.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of all models.")] = 1,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Also write it: .md or .html.", show_default=False)
    ] = None,
) -> None:
    """Compare pandas, scikit-learn and forebay honestly.

    The same rows and the same split for all, each contender in a process of its own, measured from outside: time,
    CPU-seconds, memory, and the quality on the last day. Nothing is extrapolated. The exit code is 1 where a trial
    failed or ran out of memory.
    """
    from forebay.ctr.compare.comparison import CompareOptions
    from forebay.ctr.compare.comparison import compare as use
    from forebay.ctr.compare.page import check_target, write_page
    from forebay.ctr.compare.sections import sections

    options = CompareOptions(
        sizes=tuple(parse_option("--sizes", each, int) for each in _listed(sizes)),
        contenders=_listed(contenders),
        test_rows=test_rows,
        memory_limit_bytes=parse_size(memory_limit) if memory_limit else None,
        time_limit_s=parse_option("--time-limit", time_limit, seconds_of),
        climb=not no_climb,
        seed=seed,
    )
    if out is not None:
        check_target(out)
    with _logs(call, what) as (name, folder), counter(call, "counting rows") as line:
        report = use(folder, options=options, name=name, progress=lambda *step: line.show(_told(*step)))
    told = sections(report)
    if out is not None:
        write_page(told, out)
    call.show(report, ids=_ids(report), human=lambda console: _print(console, told, out))
    if report.failures:
        call.exit_code = ERROR


@contextmanager
def _logs(call: Call, what: str) -> Iterator[tuple[str, Path]]:
    """What it is called in the report, and where its days are."""
    if Path(what).is_dir():
        yield what, Path(what)
        return
    from forebay.client.opened import open_version

    version = call.session.hub.catalog.resolve(what)
    with ByteBar(call, version.size_bytes) as bar:
        opened = open_version(call.session, version.ref, bar.fill(version.ref))
    with opened:
        yield version.ref, opened.path


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _told(stage: str, done: int, total: int) -> str:
    return f"{stage} {done:,} of {total:,}" if total else stage


def _ids(report: ComparisonReport) -> Iterator[str]:
    """Contender, rows and AUC of every trial that was done, a line each."""
    from forebay.ctr.compare.trial import Done

    for outcome in report.outcomes:
        if isinstance(outcome, Done):
            yield f"{outcome.trial.contender} {outcome.trial.rows} {outcome.quality.auc:.6f}"


def _print(console: Console, told: tuple[Section, ...], out: Path | None) -> None:
    for section in told:
        say(console, section.title.upper())
        say(console, section.told)
        columns = [_column(section, place) for place in range(len(section.head))]
        print_table(console, columns, section.rows)
        say(console, "")
    if out is not None:
        say(console, f"written: {out}")


def _column(section: Section, place: int) -> Column:
    title = section.head[place]
    if not title:
        return wrapped(title)
    return keep(title) if place < section.words else number(title)
