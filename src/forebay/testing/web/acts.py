"""What no address brings, only an act: the palette open over a page, a token's secret, a form with its error."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from forebay.testing.web.looking import Eyes

if TYPE_CHECKING:
    from playwright.sync_api import Locator

ERROR: Final = ".wrong strong, .problem strong"
"""Where a page says what is wrong with a form."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrong:
    """What somebody writes into a form, by the names of its fields, that does not do; `told` is of the answer.

    `beside` is the field that the answer stands beside, "" where it stands above the form; `fold` is what one opens
    first. Without a `button` the address itself asks wrongly.
    """

    path: str
    told: str
    beside: str = ""
    fold: str = ""
    button: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)


WRONG: Final[tuple[Wrong, ...]] = (
    Wrong(
        path="/datasets/-/register",
        button="Give me the command",
        fields={"name": "Click logs", "urls": "s3://lake/clicks/*", "message": "The first week"},
        told="Click logs",
        beside="name",
    ),
    Wrong(
        path="/datasets/-/commit",
        button="Give me the command",
        fields={"name": "clicks", "folder": "./clicks", "parents": "nothing"},
        told="nothing",
        beside="parents",
    ),
    Wrong(path="/datasets/criteo/tags", button="Set it", fields={"tag": "v7"}, told="v7", beside="tag"),
    Wrong(
        path="/datasets/criteo/settings",
        fold="Change which versions are kept",
        button="Show what would go",
        fields={"keep_last": "0"},
        told="at least 1",
        beside="keep_last",
    ),
    Wrong(
        path="/datasets/clicks-raw/forget",
        button="Forget it",
        fields={"confirm": "clicks"},
        told="Write clicks-raw",
        beside="confirm",
    ),
    Wrong(
        path="/cache/dgx-basement/criteo/v6/pin",
        button="Pin",
        fields={"reason": "nightly training", "until": "2020-01-31"},
        told="2020-01-31 is over",
        beside="until",
    ),
    Wrong(
        path="/cache/-/warm?site=gcp-cpu",
        button="See what it takes",
        fields={"ref": "nothing@v1"},
        told="nothing",
        beside="ref",
    ),
    Wrong(path="/sites/where", button="Ask", fields={"memory": "much"}, told="much", beside="memory"),
    Wrong(
        path="/sites/gcp-cpu",
        fold="Plan a downtime",
        button="Plan the downtime",
        fields={"ends": "later"},
        told="later",
        beside="ends",
    ),
    Wrong(path="/admin/users", button="Add the user", fields={"name": "Two Words"}, told="Two Words", beside="name"),
    Wrong(path="/admin/teams", button="Add the team", fields={"team": "Two Words"}, told="Two Words", beside="team"),
    Wrong(path="/admin/tokens", button="Make it", fields={"user": "nobody"}, told="nobody", beside="user"),
    Wrong(
        path="/admin/quotas",
        button="Set the quota",
        fields={"team": "ads", "limit": "much"},
        told="much",
        beside="limit",
    ),
    Wrong(
        path="/admin/retention",
        button="Show what would go",
        fields={"dataset": "nothing"},
        told="nothing",
        beside="dataset",
    ),
    Wrong(path="/admin/policies", button="Show it", fields={"dataset": "nothing"}, told="nothing", beside="dataset"),
    Wrong(
        path="/admin/policies/criteo",
        button="Set the policy",
        fields={"read": "Two!Words"},
        told="Two!Words",
    ),
    Wrong(
        path="/admin/links",
        button="Declare it",
        fields={"source": "s3://lake", "target": "aks-gpu", "bandwidth": "fast"},
        told="fast",
        beside="bandwidth",
    ),
    Wrong(path="/admin/audit?since=yesterday", told="yesterday", beside="since"),
)
"""A form of each page that has one whose answer can be an error, on the hub of `Showcase`; an admin's."""


def wrong_at(path: str) -> Wrong:
    """The one of a page."""
    return next(wrong for wrong in WRONG if wrong.path == path)


def fill_in(eyes: Eyes, wrong: Wrong) -> None:
    """Write it, and wait for what the page says to that."""
    eyes.go(wrong.path)
    if wrong.fold:
        eyes.page.get_by_text(wrong.fold, exact=True).click()
    if wrong.button:
        _send(eyes, wrong)
    said(eyes).first.wait_for()


def _send(eyes: Eyes, wrong: Wrong) -> None:
    form = eyes.page.locator("main form", has=eyes.page.get_by_role("button", name=wrong.button, exact=True))
    for name, text in wrong.fields.items():
        form.locator(f"[name={name}]").fill(text)
    form.get_by_role("button", name=wrong.button, exact=True).click()


def said(eyes: Eyes) -> Locator:
    """What the page says is wrong."""
    return eyes.page.locator(ERROR)


def ask_the_palette(eyes: Eyes, text: str) -> None:
    """Open it over the page, and wait for what it finds."""
    eyes.page.keyboard.press("Control+k")
    eyes.page.keyboard.type(text)
    eyes.page.locator("#found").get_by_role("option").first.wait_for()


def make_a_token(eyes: Eyes) -> None:
    """Make one, and stay where its secret is shown this once."""
    eyes.go("/admin/tokens")
    eyes.page.locator("main").get_by_label("Note", exact=True).fill("nightly job")
    eyes.page.get_by_role("button", name="Make it").click()
    eyes.page.locator(".once pre").wait_for()
