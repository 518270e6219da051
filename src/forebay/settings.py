"""All settings in one place, with where each value came from.

Precedence: flag > environment (FOREBAY_*) > project file (forebay.toml, found upwards) > user file > default.
Slow to import (pydantic): only what really opens a hub imports this module.
"""

from __future__ import annotations

import difflib
import getpass
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from forebay.errors import InputError

PROJECT_FILE = "forebay.toml"

_SIZES = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40, "P": 2**50}
_DURATIONS = {"s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0, "w": 7 * 86400.0}


def parse_duration(text: str) -> float | None:
    """Seconds of `90s`, `10min`, `12h`, `7d`, `2w`; None for `never`. ValueError otherwise."""
    if text.strip().lower() == "never":
        return None
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(s|min|h|d|w)\s*", text)
    if match is None:
        raise ValueError(f"{text!r} is not a duration: write 90s, 10min, 12h, 7d, 2w or never")
    return float(match[1]) * _DURATIONS[match[2]]


def parse_limit(text: str) -> int | float:
    """Bytes of `500GB` (1 GB = 2**30), or a share of the file system in (0, 1] of `80%`. ValueError otherwise."""
    share = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*%\s*", text)
    if share and 0 < float(share[1]) <= 100:
        return float(share[1]) / 100
    size = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGTP]?)i?B?\s*", text, re.IGNORECASE)
    if size is None or share:
        raise ValueError(f"{text!r} is not a limit: write 500GB, 2TB or 80%")
    return int(float(size[1]) * _SIZES[size[2].upper()])


def parse_rate(text: str) -> float | None:
    """Bytes a second of `100MB` or `100MB/s` (1 MB = 2**20); None for `max`. ValueError otherwise."""
    if text.strip().lower() == "max":
        return None
    try:
        rate = parse_limit(text.strip().removesuffix("/s"))
    except ValueError:
        rate = 0
    if isinstance(rate, float) or rate == 0:
        raise ValueError(f"{text!r} is not a rate: write 100MB/s or max")
    return float(rate)


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """So much of a currency, for a GB (2**30 bytes)."""

    amount: float
    currency: str


def parse_price(text: str) -> Price | None:
    """The price that `0.09 USD` means; None for an empty text, as none is known. ValueError otherwise."""
    if not text.strip():
        return None
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Z]{3})\s*", text)
    if match is None:
        raise ValueError(f"{text!r} is not a price for a GB: write 0.09 USD")
    return Price(amount=float(match[1]), currency=match[2])


def _checked(parse: Any) -> AfterValidator:
    def check(text: str) -> str:
        parse(text)
        return text

    return AfterValidator(check)


class Settings(BaseSettings):
    """What may be set. Texts such as `7d` and `80%` stay as they were written; properties give their meaning."""

    model_config = SettingsConfigDict(env_prefix="FOREBAY_", extra="forbid", env_nested_delimiter="__")

    home: Path = Field(default_factory=lambda: _xdg("XDG_DATA_HOME", ".local/share"), description="Forebay's own files")
    database: SecretStr = Field(default=SecretStr(""), description="Database URL; empty: SQLite in home")
    volume: Path | None = Field(default=None, description="Cache volume; default: home/volume")
    volume_limit: Annotated[str, _checked(parse_limit)] = Field("80%", description="Most the volume may hold")
    lake: str = Field("", description="Where commits go; default: file://home/lake")
    profile: str = Field("", description="Credentials profile for new registrations and commits")
    stale_after: Annotated[str, _checked(parse_duration)] = Field("7d", description="Idle replicas go after this")
    grace: Annotated[str, _checked(parse_duration)] = Field("10min", description="New replicas stay at least this long")
    high_mark: float = Field(0.9, gt=0, le=1, description="Eviction starts above this share of the limit")
    low_mark: float = Field(0.8, gt=0, le=1, description="and stops below this one")
    read_price: Annotated[str, _checked(parse_price)] = Field("", description="Price of a GB read: 0.09 USD")
    streams: int = Field(16, ge=1, le=256, description="Objects moved at a time")
    user: str = Field(default_factory=lambda: _user(), description="Who you are, in records")
    profiles: dict[str, dict[str, SecretStr]] = Field(default_factory=dict, description="Named lake credentials")

    @property
    def database_url(self) -> str:
        return self.database.get_secret_value() or f"sqlite:///{self.home / 'hub.db'}"

    @property
    def volume_root(self) -> Path:
        return self.volume or self.home / "volume"

    @property
    def price(self) -> Price | None:
        return parse_price(self.read_price)

    @property
    def lake_url(self) -> str:
        return self.lake or f"file://{(self.home / 'lake').absolute()}"

    def profile_options(self, name: str) -> dict[str, str]:
        """The options of a named profile; InputError `profile-not-found`."""
        if not name:
            return {}
        if name not in self.profiles:
            raise InputError(
                "profile-not-found",
                f"no profile {name!r} here",
                todo=f"Add [profiles.{name}] to {user_file()}, with endpoint, access_key_id, secret_access_key, ...",
            )
        return {key: value.get_secret_value() for key, value in self.profiles[name].items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """The settings, and for each name where its value came from."""

    settings: Settings
    origins: Mapping[str, str]


def load(flags: Mapping[str, Any] | None = None, *, folder: Path | None = None) -> Loaded:
    """Read all sources; InputError `bad-setting` names the setting and its source."""
    values: dict[str, Any] = {}
    origins: dict[str, str] = dict.fromkeys(Settings.model_fields, "default")
    for origin, found in _sources(flags or {}, folder or Path.cwd()):
        for name in found:
            if name not in Settings.model_fields:
                raise _unknown(name, origin)
        values |= found
        origins |= dict.fromkeys(found, origin)
    try:
        return Loaded(settings=Settings(**values), origins=origins)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        told = first["msg"].removeprefix("Value error, ")
        raise InputError(
            "bad-setting", f"{name} (from {origins[name]}): {told}", todo="See: forebay config show --origin"
        ) from None


def user_file() -> Path:
    """The user's own settings file."""
    return _xdg("XDG_CONFIG_HOME", ".config") / "config.toml"


def project_file(folder: Path) -> Path | None:
    """The nearest forebay.toml, from `folder` upwards."""
    for place in (folder, *folder.parents):
        if (place / PROJECT_FILE).is_file():
            return place / PROJECT_FILE
    return None


def _sources(flags: Mapping[str, Any], folder: Path) -> list[tuple[str, dict[str, Any]]]:
    """Lowest precedence first."""
    found: list[tuple[str, dict[str, Any]]] = []
    project = project_file(folder)
    for path in (user_file(), project):
        if path is not None and path.is_file():
            found.append((str(path), _from_file(path)))
    environment = EnvSettingsSource(Settings)()
    for name, value in environment.items():
        found.append((f"FOREBAY_{name.upper()}", {name: value}))
    for name, value in flags.items():
        if value is not None:
            found.append((f"--{name.replace('_', '-')}", {name: value}))
    return found


def _from_file(path: Path) -> dict[str, Any]:
    try:
        return dict(TomlConfigSettingsSource(Settings, toml_file=path)())
    except (OSError, ValueError) as error:
        raise InputError("bad-settings-file", f"{path}: {error}") from error


def _unknown(name: str, origin: str) -> InputError:
    near = difflib.get_close_matches(name, Settings.model_fields, 1)
    hint = f"Did you mean {near[0]}?" if near else "See: forebay config show"
    return InputError("bad-setting", f"there is no setting {name!r} (in {origin})", todo=hint)


def _xdg(variable: str, fallback: str) -> Path:
    given = os.environ.get(variable)
    return (Path(given) if given else Path.home() / fallback) / "forebay"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid{os.getuid()}"
