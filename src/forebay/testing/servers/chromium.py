"""A real browser without a window, and what a page did in it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from forebay.testing.servers.process import find_program

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

_PATIENCE_MS: Final = 120_000
"""A page of ours is there at once; a machine with twenty other things to do needs longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """An open page; the lists grow as it does something."""

    page: Page
    requests: list[str] = field(default_factory=list)
    """addresses, the page's own first"""
    complaints: list[str] = field(default_factory=list)
    """what the page wrote to the console, and errors of its scripts"""

    @property
    def overflows(self) -> bool:
        """Whether the page as a whole scrolls sideways."""
        return bool(self.page.evaluate("document.documentElement.scrollWidth > innerWidth"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Chromium:
    """A running browser; each visit has a profile of its own."""

    browser: Browser

    @classmethod
    @contextlib.contextmanager
    def start(cls) -> Iterator[Chromium]:
        """Debian's Chromium, driven by Playwright, which brings none."""
        program = find_program("chromium", "chromium (of Debian)")
        # A quarter of a second that most tests never need.
        from playwright.sync_api import sync_playwright

        # The sandbox needs rights that root in a container lacks.
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=program, args=arguments)
            try:
                yield cls(browser=browser)
            finally:
                browser.close()

    @contextlib.contextmanager
    def visit(
        self, address: str, *, width: int = 1200, height: int = 900, scheme: Literal["light", "dark"] = "light"
    ) -> Iterator[Visit]:
        """Open a page in a window of so many pixels."""
        context = self.browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
        context.set_default_timeout(_PATIENCE_MS)
        try:
            visit = Visit(page=context.new_page())
            visit.page.on("request", lambda request: visit.requests.append(request.url))
            visit.page.on("console", lambda message: visit.complaints.append(message.text))
            visit.page.on("pageerror", lambda error: visit.complaints.append(str(error)))
            visit.page.goto(address)
            yield visit
        finally:
            context.close()
