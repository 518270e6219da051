"""What a run left, shown in a frame or sent as it is: in an origin of its own, under a policy of its own."""

from __future__ import annotations

from dataclasses import dataclass

from forebay.errors import NotFoundError
from forebay.hub.board.run_names import title_of
from forebay.hub.web.page import Page, Raw
from forebay.hub.web.route import Pages
from forebay.hub.web.run_left import href_of, is_page, kind_of, left_by
from forebay.hub.web.run_words import short
from forebay.hub.web.visit import Visit
from forebay.runs.left import TASK_STREAM_HTML
from forebay.wire.runs import Keepsake

pages = Pages()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportShown:
    """`others` are the run's other pages, by name and address. `draws_itself`: by scripts, in an origin of its own."""

    file: Keepsake
    href: str
    draws_itself: bool
    others: tuple[tuple[str, str], ...]


@pages.get("/runs/{run}/report")
def report(visit: Visit) -> Page:
    """One page that the run left, as wide as it goes; the report unless another one is named."""
    run = visit.hub.runs.get(visit.path["run"])
    left = left_by(visit, run)
    shown = [item for item in left.files if is_page(item.name) or item.name == TASK_STREAM_HTML]
    name, attempt = visit.query.get("name", ""), visit.query.get("attempt", "")
    found = next(
        (
            item
            for item in (shown if name else [each for each in (left.report,) if each])
            if item.name == (name or item.name) and str(item.attempt) == (attempt or str(item.attempt))
        ),
        None,
    )
    if found is None:
        raise NotFoundError(
            "keepsake-not-found",
            f"The run {short(run.run_id)} left no such page.",
            todo="A program leaves one as report.html in the folder $FOREBAY_REPORTS.",
        )
    context = ReportShown(
        file=found,
        href=href_of(run.run_id, found),
        draws_itself=found.name == TASK_STREAM_HTML,
        others=tuple(
            (
                f"{item.name} of attempt {item.attempt}",
                f"/runs/{run.run_id}/report?attempt={item.attempt}&name={item.name}",
            )
            for item in shown
            if item != found
        ),
    )
    return Page(
        template="runs/report.html",
        title="Task stream" if found.name == TASK_STREAM_HTML else "Report",
        nav="runs",
        context=context,
        parent=(f"{title_of(run.new)[:60]} · {short(run.run_id)}", f"/runs/{run.run_id}"),
    )


@pages.get("/runs/{run}/left/{attempt}/{name}")
def left_file(visit: Visit) -> Raw:
    """The bytes of one file."""
    run = visit.hub.runs.get(visit.path["run"])
    attempt, name = visit.path["attempt"], visit.path["name"]
    if not (attempt.isascii() and attempt.isdigit() and len(attempt) < 10):
        raise NotFoundError("keepsake-not-found", "There is no such attempt.")
    data = visit.hub.runs.keepsake(run.run_id, int(attempt), name)
    media_type, policy = kind_of(name)
    is_shown = media_type != "application/octet-stream" and "download" not in visit.query
    return Raw(
        content=data,
        media_type=media_type,
        policy=policy,
        filename="" if is_shown else name,
        framed=media_type.startswith("text/html"),
    )
