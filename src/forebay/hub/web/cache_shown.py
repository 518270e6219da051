"""How a version at a place looks: a shape, a word and the one fact that matters next. The same on every page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from urllib.parse import urlencode

from markupsafe import Markup

from forebay import words
from forebay.cache.selection import Selection
from forebay.errors import InputError
from forebay.hub.board.grid import Spot, rule_of
from forebay.hub.board.known import Version
from forebay.hub.board.places import Place
from forebay.hub.board.standing import Filling, Known, Look, Part
from forebay.hub.web import show
from forebay.hub.web.addresses import segment
from forebay.wire.sites import TaskKind

FAILED_FILL = "the last fill failed"
"""How the reason of a replica begins that is absent since nobody could bring it (hub.fills)."""

_SHORT, _NAMED = 32, 3


def place_href(place: Place, *more: str) -> str:
    """The page of a place, or one below it."""
    return "/".join(("/cache", *map(segment, (place.key, *more))))


def spot_href(place: Place, dataset: str, number: int, *more: str) -> str:
    """The page of a version at a place, or one below it."""
    return place_href(place, dataset, f"v{number}", *more)


def version_href(dataset: str, number: int) -> str:
    """The page of a version."""
    return f"/datasets/{segment(dataset)}/v{number}"


def ref_href(ref: str) -> str:
    """The same of a ref, with its subset or without."""
    dataset, _, number = ref.partition("[")[0].partition("@v")
    return version_href(dataset, int(number)) if number.isdigit() else f"/datasets/{segment(dataset)}"


def warm_href(ref: str = "", site: str = "") -> str:
    """Where one sees what a fill would take, before it begins."""
    given = {name: value for name, value in (("ref", ref), ("site", site)) if value}
    return "/cache/-/warm" + (f"?{urlencode(given)}" if given else "")


def ref(dataset: str, number: int, subset: str = "", tags: tuple[str, ...] = ()) -> Markup:
    """A version's name, with its tags beside it."""
    told = Markup("<b>%s</b> %s") % (dataset, show.mono(f"v{number}" + (f"[{subset}]" if subset else "")))
    return told + Markup("").join(Markup(" ") + show.tag(name) for name in tags)


def spot(item: Spot, version: Version, now: float) -> Markup:
    """The cell of the grid: as `state`, with bars for what is filling."""
    return _lines(item, version, now, _bar)


def state(item: Spot, version: Version, now: float) -> Markup:
    """The word and the fact; where mere subsets are there, or they stand otherwise, theirs in a line for each."""
    return _lines(item, version, now, lambda look, fill: Markup(""))


def _lines(item: Spot, version: Version, now: float, drawn: Callable[[Look, Filling | None], Markup]) -> Markup:
    whole = item.whole
    lines = [] if item.look is Look.PARTIAL else [_beside(_own(item, now), drawn(item.look, whole.fill))]
    for part in item.tells:
        lines.append(_beside(_part(part, item, version, now), drawn(part.look, part.known.fill)))
    return lines[0] if len(lines) == 1 else Markup("<br>").join(lines)


def _beside(told: Markup, bar: Markup) -> Markup:
    return told + bar if bar else told


def _bar(look: Look, fill: Filling | None) -> Markup:
    if look is not Look.FILLING or fill is None or not fill.total_bytes:
        return Markup("")
    return show.bar(fill.share, "filling", f"{show.percent(fill.share)} filled")


def _own(item: Spot, now: float) -> Markup:
    """Of the version itself."""
    whole = item.whole
    match item.look:
        case Look.FILLING:
            return filling(whole.fill)
        case Look.QUEUED:
            return show.state("queued", "queued", waits(whole, now))
        case Look.STALE:
            return show.state("stale", f"leaves {_soon(item.leaves_at, now)}", users(whole))
        case Look.DAMAGED:
            return show.state("damaged", "damaged", _harm(whole))
        case Look.EVICTING:
            return show.state("evicting", "leaving", "as soon as nobody uses it" if whole.leases else "")
        case Look.BARRED:
            return show.state("absent", "not allowed here")
        case Look.ABSENT if whole.reason.startswith(FAILED_FILL):
            return show.state("failed", "absent", "its last fill failed")
        case Look.ABSENT:
            return show.state("absent", "absent", "" if item.seconds is None else f"would take {about(item.seconds)}")
    return show.state("ready", "ready", keeps(whole))


def _part(part: Part, item: Spot, version: Version, now: float) -> Markup:
    """Of a subset: what it holds, and what matters next."""
    known = part.known
    word = "subset" if item.whole.is_there else "partial"
    what = selected(known, version) + (f" · {part.more} more" if part.more else "")
    match part.look:
        case Look.FILLING:
            return filling(known.fill, what, keeps(known))
        case Look.QUEUED:
            return show.state("queued", "queued", _facts(what, waits(known, now)))
        case Look.DAMAGED:
            return show.state("damaged", "damaged", _facts(what, _harm(known), keeps(known)))
        case Look.STALE:
            leaves = f"leaves {_soon(known.leaves_at(item.place.policy), now)}"
            return show.state("stale", word, _facts(what, leaves, keeps(known)))
        case Look.EVICTING:
            return show.state("evicting", word, _facts(what, "leaving", keeps(known)))
    return show.state("partial", word, _facts(what, keeps(known)))


def _facts(*told: str) -> str:
    return " · ".join(fact for fact in told if fact)


def _harm(known: Known) -> str:
    return "being mended" if known.errand(TaskKind.FILL) is not None else _first(known.reason)


def filling(fill: Filling | None, *more: str) -> Markup:
    """`62 %`, and how fast, and how long; then what else is to be said."""
    if fill is None or not fill.total_bytes:
        return show.state("filling", "filling", _facts("looking what is missing", *more))
    rate = f"{words.size(fill.bytes_s)}/s" if fill.bytes_s else "nothing comes"
    left = "" if fill.left_s is None else about(fill.left_s)
    return show.state("filling", show.percent(fill.share), _facts(rate, left, *more))


def waits(known: Known, now: float) -> str:
    """What a fill that has not begun waits for."""
    errand = known.errand(TaskKind.FILL)
    if errand is None:
        return "whoever filled it is gone"
    if errand.failures:
        again = f"tries again {show.relative(errand.next_try_at, now)}" if errand.next_try_at > now else "tries again"
        return f"failed {errand.failures} ×, {again}"
    return errand.unblock if len(errand.unblock) <= _SHORT else "waits for its turn"


def keeps(known: Known) -> str:
    """What keeps a ready replica: who uses it, or who pinned it."""
    told = [users(known)] if known.leases else []
    if known.pinned_by:
        told.append("pinned" if known.leases else "kept by a rule" if known.by_rule else f"pinned by {pinner(known)}")
    return " · ".join(told)


def pinner(known: Known) -> str:
    """A person, or a rule."""
    return f"rule {rule_of(known.pinned_by)[:8]}" if known.by_rule else known.pinned_by


def users(known: Known) -> str:
    """`in use by ada`, or by how many where they are many."""
    return f"in use by {who([name for name in known.users if name])}" if known.leases else ""


def who(names: Sequence[str], noun: str = "") -> str:
    """Their names where they are few, else how many they are."""
    if len(names) <= _NAMED:
        return ", ".join(names) or "somebody"
    return words.count(len(names), noun) if noun else str(len(names))


def selected(part: Known, version: Version) -> str:
    """`2 columns, 13 %`: what a subset holds of its version."""
    share = part.size_bytes / version.size_bytes if version.size_bytes else 1.0
    try:
        selection = Selection.parse(part.selection)
    except InputError:
        return show.percent(share)
    what = words.count(len(selection.columns), "column") if selection.columns else str(selection)
    return f"{what if len(what) <= _SHORT else part.subset[:_SHORT]}, {show.percent(share)}"


def about(seconds: float) -> str:
    """`34 min`: roughly, since nobody knows it better."""
    if seconds < 60:
        return f"{max(1, round(seconds))} s"
    if seconds < 3600:
        return f"{round(seconds / 60)} min"
    return f"{round(seconds / 3600)} h" if seconds < 2 * 86400 else f"{round(seconds / 86400)} days"


def _soon(at: float | None, now: float) -> str:
    if at is None or at <= now + 60:
        return "with the next sweep"
    return f"in {about(at - now)}"


def _first(reason: str) -> str:
    line = reason.partition("\n")[0]
    return line if len(line) <= _SHORT else f"{line[: _SHORT - 1]}…"
