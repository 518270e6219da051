"""Looks at a page as Chromium shows it: what axe-core finds, what the console says, what it asks other hosts for."""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from forebay.testing.servers import Chromium, PartMissingError

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, ConsoleMessage, Page

Scheme = Literal["light", "dark"]
WIDE: Final = 1440
PHONE: Final = 375
_HEIGHT: Final = 900
_PATIENCE_MS: Final = 60_000
_LOOK_MS: Final = 100
_AXE: Final = Path(".venv/npm/node_modules/axe-core/axe.min.js")
# What a sandboxed frame holds is a page of its own; to ask it across its border is a warning of the console.
_ALL: Final = {"resultTypes": ["violations"], "iframes": False}
_CONTRAST: Final = {**_ALL, "runOnly": {"type": "rule", "values": ["color-contrast", "scrollable-region-focusable"]}}

_UNEXPORTED: Final = """() => [...document.querySelectorAll("table")].filter(({ id }) =>
  ["csv", "json"].some((kind) => !document.querySelector(`a[download][href*="table=${id.slice(2)}&as=${kind}"]`))
).map((table) => table.caption?.textContent ?? table.outerHTML.slice(0, 80))"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Eyes:
    """A browser in which somebody is logged in at one hub. The lists grow as pages do something."""

    url: str
    context: BrowserContext
    page: Page
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    @classmethod
    @contextlib.contextmanager
    def of(cls, chromium: Chromium, url: str, session: str = "", *, scripts: bool = True) -> Iterator[Eyes]:
        """With the cookie of a session, or as a stranger."""
        context = chromium.browser.new_context(
            viewport={"width": WIDE, "height": _HEIGHT}, java_script_enabled=scripts, base_url=url
        )
        context.set_default_timeout(_PATIENCE_MS)
        try:
            if session:
                context.add_cookies([{"name": "forebay_session", "value": session, "url": url}])
            eyes = cls(url=url, context=context, page=context.new_page())
            eyes.page.on("request", lambda request: eyes.requests.append(request.url))
            eyes.page.on("console", lambda message: eyes._note(message))
            eyes.page.on("pageerror", lambda error: eyes.complaints.append(str(error)))
            yield eyes
        finally:
            context.close()

    def _note(self, message: ConsoleMessage) -> None:
        if message.type in ("warning", "error"):
            self.complaints.append(f"{message.type}: {message.text}")

    def go(self, path: str) -> int:
        """Open a page; its status. A page with live parts never falls silent, so only its own files are waited for."""
        answer = self.page.goto(path, wait_until="load")
        assert answer is not None
        return answer.status

    def until(self, expression: str) -> None:
        """Wait until that is true. Playwright's own waiting would have the page evaluate text, which it forbids."""
        until = time.monotonic() + _PATIENCE_MS / 1000
        while not self.page.evaluate(expression):
            if time.monotonic() > until:
                raise TimeoutError(expression)
            self.page.wait_for_timeout(_LOOK_MS)

    def at(self, width: int, scheme: Scheme) -> None:
        """The page in a window of that width, light or dark."""
        self.page.set_viewport_size({"width": width, "height": _HEIGHT})
        self.page.emulate_media(color_scheme=scheme)

    def faults(self, *, contrast_only: bool = False) -> list[str]:
        """What axe-core calls serious or critical, each with the first place."""
        if not self.page.evaluate("'axe' in window"):
            self.page.evaluate(axe())
        options = _CONTRAST if contrast_only else _ALL
        found: dict[str, Any] = self.page.evaluate("options => axe.run(document, options)", options)
        return [
            f"{item['id']}: {item['help']}: {node['html'][:200]} ({len(item['nodes'])} places) {node['failureSummary']}"
            for item in found["violations"]
            if item["impact"] in ("serious", "critical")
            for node in item["nodes"][:1]
        ]

    @property
    def unexported(self) -> list[str]:
        """The captions of tables, folded ones too, that have no links to what they show as CSV and JSON."""
        found: list[str] = self.page.evaluate(_UNEXPORTED)
        return found

    @property
    def overflows(self) -> bool:
        """Whether the page as a whole scrolls sideways."""
        return bool(self.page.evaluate("document.documentElement.scrollWidth > innerWidth"))

    @property
    def foreign(self) -> list[str]:
        """What was asked of anybody but the hub."""
        return [each for each in self.requests if not each.startswith((self.url, "data:", "blob:"))]


@functools.cache
def axe() -> str:
    """The text of axe-core; PartMissingError."""
    if not _AXE.exists():
        raise PartMissingError("axe-core (from npm)", "scripts/test_parts.sh brings it.")
    return _AXE.read_text()
