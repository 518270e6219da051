"""Pictures of the dashboard, of the hub that `forebay.testing.web.showcase` fills: in two widths, light and dark.

`make screenshots` brings each page's in docs/images up to date; `--all DIR` writes every state and question of them
elsewhere, to be looked at. Pictures are WebP, at most two screens high.
"""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

from PIL import Image

from forebay.testing.cached import FakeClock
from forebay.testing.served import ServedApp
from forebay.testing.servers import Chromium
from forebay.testing.servers.process import free_ports
from forebay.testing.web.dashboard import Dashboard
from forebay.testing.web.looking import PHONE, WIDE, Eyes, Scheme
from forebay.testing.web.paths import paths_of
from forebay.testing.web.pictures import ACTS, OUTSIDE, PAGES
from forebay.testing.web.showcase import Showcase
from forebay.wire.access import Role

FOLDER: Final = Path(__file__).parent.parent / "docs" / "images"
Act = Callable[[Eyes], object]
_SCHEMES: Final[tuple[Scheme, ...]] = ("light", "dark")
_HIGHEST: Final = {WIDE: 1300, PHONE: 1600}
_QUALITY: Final = 60


def shoot(eyes: Eyes, pages: Mapping[str, Act], folder: Path) -> Iterable[Path]:
    """Writes `NAME-WIDTH-SCHEME.webp` of each page; yields what it wrote."""
    for name, page in pages.items():
        eyes.at(WIDE, "light")
        page(eyes)
        for width in (WIDE, PHONE):
            for scheme in _SCHEMES:
                eyes.at(width, scheme)
                eyes.page.wait_for_timeout(50)
                path = folder / f"{name}-{width}-{scheme}.webp"
                _write(eyes.page.screenshot(full_page=True), path, _HIGHEST[width])
                yield path


def _write(png: bytes, path: Path, highest: int) -> None:
    with Image.open(io.BytesIO(png)) as picture:
        whole = picture.convert("RGB")
        whole.crop((0, 0, whole.width, min(whole.height, highest))).save(path, quality=_QUALITY, method=6)


def _opened(pages: Mapping[str, str]) -> dict[str, Act]:
    def opening(address: str) -> Act:
        return lambda eyes: eyes.go(address)

    return {name: opening(address) for name, address in pages.items()}


def _named(addresses: Iterable[str], ids: Mapping[str, str]) -> dict[str, str]:
    """File names of addresses, the same each time: ids are called what the showcase calls them."""
    found = {}
    for address in addresses:
        name = address
        for called, run_id in ids.items():
            name = name.replace(run_id, called)
        plain = "".join(letter if letter.isalnum() else "-" for letter in name).strip("-")
        found[plain or "overview"] = address
    return found


def main() -> None:
    """Fill a hub, serve it on a free port of this machine, and look at it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--all", metavar="DIR", type=Path, help="every address, into that folder")
    asked = parser.parse_args()
    folder: Path = asked.all or FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    clock = FakeClock(time.time())
    with tempfile.TemporaryDirectory() as home, Dashboard.on(Path(home), clock) as dashboard:
        showcase = Showcase(dashboard, clock, markup="").make()
        pages = (
            _named(paths_of(showcase.ids), showcase.ids)
            if asked.all
            else {name: address.format(**showcase.ids) for name, address in PAGES.items()}
        )
        (port,) = free_ports(1)
        dashboard.open_door(f"http://127.0.0.1:{port}", "https://login.example.org")
        session = dashboard.token_of("admin", Role.ADMIN)
        with (
            ServedApp(dashboard.made, port) as served,
            Chromium.start() as chromium,
            Eyes.of(chromium, served.url, session) as eyes,
            Eyes.of(chromium, served.url) as stranger,
        ):
            written = [
                *shoot(eyes, {**_opened(pages), **ACTS}, folder),
                *shoot(stranger, _opened(OUTSIDE), folder),
            ]
    size = sum(path.stat().st_size for path in written)
    sys.stdout.write(f"{len(written)} pictures in {folder}, {size:,} bytes\n")


if __name__ == "__main__":
    main()
