"""How runs are told on pages: their state with the one fact that matters, their metrics, links to what they use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from markupsafe import Markup, escape

from forebay.catalog.names import NumberRef, parse_ref
from forebay.errors import InputError
from forebay.hub.web import show
from forebay.hub.web.forms import Field, Form
from forebay.wire.runs import RunState

SHORT = 12
"""So many characters of an id tell runs apart."""

_LONGEST_FACT = 28
_FIRST = ("auc", "accuracy", "f1", "rmse", "log_loss", "loss")


def short(run_id: str) -> str:
    """The beginning of an id."""
    return run_id[:SHORT]


def run_state(state: RunState, fact: str = "") -> Markup:
    """Shape, word, and a fact that is cut where it is long; whole on hover."""
    told: str | Markup = fact
    if len(fact) > _LONGEST_FACT:
        told = show.html('<span title="{}">{}…</span>', fact, fact[:_LONGEST_FACT].rstrip())
    return show.state(state.value, state.value, told)


def cut(text: str, length: int) -> str | Markup:
    """The beginning of a long text, whole on hover."""
    if len(text) <= length:
        return text
    return show.html('<span title="{}">{}…</span>', text, text[:length].rstrip())


def figure(value: float) -> str:
    """`0.7834`, `1,200,000`, `1.2e-07`: four or five digits that say something."""
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:,.1f}" if abs(value) >= 10_000 else f"{value:.5g}"


def difference(apart: float, *values: float) -> str:
    """How far two values are apart, without a sign, to the digits that they are told with."""
    told = [figure(value) for value in values]
    places = max(len(text.partition(".")[2]) for text in told)
    rounded = f"{abs(apart):,.{places}f}"
    says_nothing = "e" in "".join(told) or not rounded.strip("0.")
    return figure(abs(apart)) if says_nothing else rounded


def main_metric(metrics: Mapping[str, float]) -> tuple[str, float] | None:
    """The one that a list has room for."""
    name = next((name for name in _FIRST if name in metrics), next(iter(metrics), ""))
    return (name, metrics[name]) if name else None


def ref_href(ref: str) -> str:
    """The page of a version; "" for what names none."""
    try:
        parsed = parse_ref(ref)
    except InputError:
        return ""
    return f"/datasets/{parsed.dataset}/v{parsed.number}" if isinstance(parsed, NumberRef) else ""


def ref_links(refs: list[str]) -> Markup:
    """Versions, each a link."""
    told = [show.link(href, ref) if (href := ref_href(ref)) else escape(ref) for ref in refs]
    return Markup(", ").join(told)


def compare_form(ids: Sequence[str], label: str) -> Form:
    """One more run beside these, by its id or the beginning of it."""
    return Form(
        action="/runs/compare",
        method="get",
        button="Compare",
        quiet=True,
        fields=(
            *(Field(name="run", label="", kind="hidden", value=each) for each in ids),
            Field(name="run", label=label, kind="search", placeholder="the id of another run", required=True),
        ),
    )
