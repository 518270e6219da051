"""Writes docs/settings.md from the settings themselves.

A test sees to it that the page is what this script makes: `python scripts/settings_reference.py` brings it up to date.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from forebay.settings import MEANINGS, Settings

PAGE = Path(__file__).parent.parent / "docs" / "settings.md"

_HEAD = """# Settings

<!-- Made by scripts/settings_reference.py from the program itself. Do not edit. -->

A flag goes before a variable, that before `forebay.toml` in this folder or above, that before what `forebay login`
keeps, that before `~/.config/forebay/config.toml`, that before the default. `forebay config show --origin` shows what
holds, and why.
`token`, `metrics_token`, `database`, `oidc_client_secret` and `profiles` are secrets: they are shown nowhere.

| in a file | variable | default | meaning |
|---|---|---|---|
"""


def render() -> str:
    """The whole page."""
    return _HEAD + "".join(_row(field) for field in dataclasses.fields(Settings))


def _row(field: dataclasses.Field[Any]) -> str:
    name = field.name
    return f"| `{name}` | `FOREBAY_{name.upper()}` | {_default(field)} | {MEANINGS[name]} |\n"


def _default(field: dataclasses.Field[Any]) -> str:
    """What is the same on every machine; the rest is in the meaning."""
    if field.default in (dataclasses.MISSING, None, ""):
        return ""
    return f"`{field.default}`"


if __name__ == "__main__":
    PAGE.write_text(render())
