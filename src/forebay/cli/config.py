"""`forebay config`: what is set, and where that comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from forebay.cli.call import Call
from forebay.cli.command import Group, command
from forebay.cli.table import keep, print_table, say, text

if TYPE_CHECKING:
    from forebay.settings import Loaded, Settings

app = typer.Typer(cls=Group, no_args_is_help=True, help="What is set, and where that comes from.")

_MASK = "********"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One setting; secrets are masked."""

    name: str
    value: Any
    origin: str
    description: str


@command(
    app,
    "show",
    example="""
forebay config show
forebay config show --origin""",
    gives="[forebay.cli.config:Setting]",
)
def show(
    call: Call, origin: Annotated[bool, typer.Option("--origin", help="Say where each value comes from.")] = False
) -> None:
    """Show all settings.

    Precedence: flag, FOREBAY_* variable, forebay.toml here or above, log-in, user file, default.
    """
    from forebay.settings import load, user_file

    found = _settings(load(call.flags))
    columns = [keep("SETTING"), keep("VALUE") if origin else text("VALUE"), text("ORIGIN" if origin else "MEANING")]
    rows = [(item.name, _shown(item.value), item.origin if origin else item.description) for item in found]

    def human(out: Any) -> None:
        print_table(out, columns, rows)
        say(out, f"User file: {user_file()}{'' if user_file().is_file() else ' (not there)'}")

    call.show(found, ids=(f"{item.name}={_shown(item.value)}" for item in found), human=human)


def _settings(loaded: Loaded) -> list[Setting]:
    from forebay.settings import MEANINGS

    return [
        Setting(
            name=name,
            value=_value(loaded.settings, name),
            origin=loaded.origins[name],
            description=meaning,
        )
        for name, meaning in MEANINGS.items()
    ]


def _value(settings: Settings, name: str) -> Any:
    """The value in effect; where a default is made from others, what it came to."""
    match name:
        case "database":
            return _MASK if settings.database else settings.database_url
        case "token" | "metrics_token" | "oidc_client_secret":
            return _MASK if getattr(settings, name) else ""
        case "volume":
            return settings.volume_root
        case "lake":
            return settings.lake_url
        case "profiles":
            return {name: dict.fromkeys(keys, _MASK) for name, keys in settings.profiles.items()}
        case _:
            return getattr(settings, name)


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return " ".join(f"{name}({', '.join(keys)})" for name, keys in value.items())
    return str(value)
