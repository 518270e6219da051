"""All settings in one place, with where each value came from.

Precedence: flag > environment (FOREBAY_*) > project file (forebay.toml, found upwards) > log-in > user file > default.
Every command waits for this: plain values and checks of our own, since a settings library takes longer to import than
a small fill takes.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from forebay.errors import InputError

PROJECT_FILE = "forebay.toml"

LEAST_HOLD_S, MOST_HOLD_S = 10.0, 3600.0
"""Of `site_hold`: less would take a slow answer for a dead agent, more would leave runs with a dead one for long."""

_ENVIRONMENT = "FOREBAY_"
_NESTED = "__"
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


def parse_address(text: str) -> tuple[str, int]:
    """Host and port of `0.0.0.0:8766` or `[::1]:8766`. ValueError otherwise."""
    match = re.fullmatch(r"\s*(?:\[([0-9A-Fa-f:.]+)\]|([\w.-]+)):(\d{1,5})\s*", text)
    if match is None or int(match[3]) > 65535:
        raise ValueError(f"{text!r} is not an address: write 0.0.0.0:8766")
    return match[1] or match[2], int(match[3])


@dataclass(frozen=True, slots=True, kw_only=True)
class Frequency:
    """At most so many in so many seconds."""

    count: int
    seconds: int


def parse_frequency(text: str) -> Frequency | None:
    """What `2000/10s` means; None for `none`, which limits nothing. ValueError otherwise."""
    if text.strip().lower() == "none":
        return None
    match = re.fullmatch(r"\s*([1-9]\d{0,8})\s*/\s*([1-9]\d{0,5})\s*(s|min|h)\s*", text)
    if match is None:
        raise ValueError(f"{text!r} is not a frequency: write 2000/10s, 20/1min or none")
    return Frequency(count=int(match[1]), seconds=int(match[2]) * int(_DURATIONS[match[3]]))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not a text")
    return value


def _token(value: Any) -> str:
    """A text that can stand in a header; a secret, which no error repeats."""
    if not isinstance(value, str) or not re.fullmatch(r"[!-~]*", value):
        raise ValueError("it is no token: that is a text of printable ASCII without blanks")
    return value


def _hub_url(value: Any) -> str:
    """An address of a hub, or an empty text; what is wrong with it is not repeated: it may hold a password."""
    text = _text(value).strip().rstrip("/")
    if text and not re.fullmatch(r"https?://[^\s/@?#]+(/[^\s@?#]*)?", text):
        raise ValueError("it is not the address of a hub: write https://hub.example.org:8765")
    return text


def _listens(value: Any) -> str:
    """Nothing, or what `parse_address` reads."""
    return _checked(parse_address)(value) if value else ""


def _size(value: Any) -> str:
    if not isinstance(parse_limit(_text(value)), int):
        raise ValueError(f"{value!r} is not a size: write 500MB or 1GB")
    return str(value)


def _truth(value: Any) -> bool:
    known = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    if str(value).strip().lower() not in known:
        raise ValueError(f"{value!r} is neither true nor false")
    return known[str(value).strip().lower()]


def _lasting(text: str) -> float:
    seconds = parse_duration(text)
    if not seconds:
        raise ValueError("it must end some time: write 12h")
    return seconds


def _hold(text: str) -> float:
    seconds = parse_duration(text)
    if seconds is None or not LEAST_HOLD_S <= seconds <= MOST_HOLD_S:
        raise ValueError(f"a hold is from {LEAST_HOLD_S:.0f}s to {MOST_HOLD_S / 60:.0f}min")
    return seconds


def _engine(value: Any) -> str:
    if value not in ("process", "slurm"):
        raise ValueError(f"{value!r} is no engine: process or slurm")
    return str(value)


def _path(value: Any) -> Path:
    return value if isinstance(value, Path) else Path(_text(value))


def _checked(parse: Callable[[str], object]) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        parse(_text(value))
        return str(value)

    return read


def _share(value: Any) -> float:
    """A number in (0, 1]."""
    try:
        number = float("nan") if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        number = float("nan")
    if not 0 < number <= 1:
        raise ValueError(f"{value!r} is not a number above 0 and at most 1")
    return number


def _count(least: int, most: int) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        text = "" if isinstance(value, bool) else str(value).strip()
        if not text.isdecimal() or not least <= int(text) <= most:
            raise ValueError(f"{value!r} is not a whole number from {least} to {most}")
        return int(text)

    return read


def _profiles(value: Any) -> dict[str, dict[str, str]]:
    """Options by profile; a variable holds them as JSON. What is wrong is not repeated: it may be a secret."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            raise ValueError("it is not JSON") from None
    if not isinstance(value, dict) or not all(isinstance(options, dict) for options in value.values()):
        raise ValueError("profiles are tables: [profiles.NAME]")
    for name, options in value.items():
        for key, option in options.items():
            if not isinstance(option, str):
                raise ValueError(f"{name}.{key} is not a text")
    return {name: dict(options) for name, options in value.items()}


def _is(meaning: str, read: Callable[[Any], Any]) -> Mapping[str, Any]:
    return {"meaning": meaning, "read": read}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What may be set. Texts such as `7d` and `80%` stay as they were written; properties give their meaning."""

    home: Path = field(
        default_factory=lambda: _xdg("XDG_DATA_HOME", ".local/share"), metadata=_is("Forebay's own files", _path)
    )
    database: str = field(default="", metadata=_is("Database URL; empty: SQLite in home", _text), repr=False)
    hub: str = field(default="", metadata=_is("The hub to ask: https://...; empty: the one in home", _hub_url))
    token: str = field(default="", metadata=_is("Token to show it, or that a served hub wants", _token), repr=False)
    volume: Path | None = field(default=None, metadata=_is("Cache volume; default: home/volume", _path))
    volume_limit: str = field(default="80%", metadata=_is("Most the volume may hold", _checked(parse_limit)))
    lake: str = field(default="", metadata=_is("Where commits go; default: file://home/lake", _text))
    profile: str = field(default="", metadata=_is("Credentials profile for new registrations and commits", _text))
    stale_after: str = field(default="7d", metadata=_is("Idle replicas go after this", _checked(parse_duration)))
    grace: str = field(default="10min", metadata=_is("New replicas stay at least this long", _checked(parse_duration)))
    high_mark: float = field(default=0.9, metadata=_is("Eviction starts above this share of the limit", _share))
    low_mark: float = field(default=0.8, metadata=_is("and stops below this one", _share))
    read_price: str = field(default="", metadata=_is("Price of a GB read: 0.09 USD", _checked(parse_price)))
    retention_grace: str = field(
        default="7d", metadata=_is("Replicas of retired versions stay so long", _checked(_lasting))
    )
    streams: int = field(default=64, metadata=_is("At most so many streams from a lake", _count(1, 256)))
    wait_per_money: str = field(
        default="1h", metadata=_is("A fill waits so long rather than pay one more", _checked(parse_duration))
    )
    hub_host: str = field(default="127.0.0.1", metadata=_is("Where a served hub listens", _text))
    hub_port: int = field(default=8765, metadata=_is("and on which port", _count(0, 65535)))
    hub_upload_limit: str = field(default="1GB", metadata=_is("Largest manifest a served hub takes", _size))
    metrics_token: str = field(
        default="", metadata=_is("Token that a Prometheus shows to read metrics", _token), repr=False
    )
    hub_token_rate: str = field(
        default="2000/10s", metadata=_is("Most requests with one token", _checked(parse_frequency))
    )
    hub_address_rate: str = field(default="10000/10s", metadata=_is("and from one address", _checked(parse_frequency)))
    hub_failed_sign_ins: str = field(
        default="20/1min", metadata=_is("Most wrong tokens from one address", _checked(parse_frequency))
    )
    hub_internal_lakes: str = field(
        default="", metadata=_is("Lakes a served hub takes besides public ones: file:// HOST NETWORK, or *", _text)
    )
    hub_url: str = field(default="", metadata=_is("Where people reach the served hub: https://...", _hub_url))
    hub_session: str = field(default="12h", metadata=_is("How long a web log-in lasts", _checked(_lasting)))
    site_hold: str = field(
        default="60s", metadata=_is("A site whose agent is silent for longer loses its runs", _checked(_hold))
    )
    hub_logs_kept: str = field(
        default="90d", metadata=_is("How long a served hub keeps the logs of ended runs", _checked(parse_duration))
    )
    hub_runs_kept: str = field(
        default="never",
        metadata=_is("After how long it forgets ended runs that made no version", _checked(parse_duration)),
    )
    oidc_issuer: str = field(default="", metadata=_is("The OpenID provider for web log-in; empty: none", _text))
    oidc_client_id: str = field(default="", metadata=_is("What the hub is called there", _text))
    oidc_client_secret: str = field(default="", metadata=_is("and its secret there", _token), repr=False)
    oidc_scopes: str = field(default="openid profile email", metadata=_is("What it is asked for", _text))
    oidc_user_claim: str = field(default="preferred_username", metadata=_is("The claim with a user's name", _text))
    oidc_groups_claim: str = field(default="groups", metadata=_is("and the one with their groups", _text))
    oidc_roles: str = field(default="", metadata=_is("Who may log in as what: GROUP=ROLE, *=viewer", _text))
    oidc_teams: str = field(default="", metadata=_is("Which groups are teams: GROUP=TEAM, GROUP=TEAM", _text))
    oidc_adopt: bool = field(default=False, metadata=_is("Log-ins take over users of their name", _truth))
    site: str = field(default="", metadata=_is("The site an agent is of", _text))
    site_capacity: str = field(default="", metadata=_is("What it has: gpus=4,cpus=32,memory=256GB", _text))
    site_labels: str = field(default="", metadata=_is("Its labels: gpu-type=a100,cloud=azure", _text))
    site_engine: str = field(default="process", metadata=_is("What starts its runs: process or slurm", _engine))
    site_serve: str = field(
        default="", metadata=_is("Where an agent serves its volume to other sites: HOST:PORT; empty: nowhere", _listens)
    )
    site_serve_url: str = field(default="", metadata=_is("and where they reach that, if not there", _hub_url))
    site_tls_cert: Path | None = field(default=None, metadata=_is("Its certificate, with its chain (PEM)", _path))
    site_tls_key: Path | None = field(default=None, metadata=_is("and the key", _path))
    site_metrics: str = field(
        default="", metadata=_is("Where an agent tells its metrics and health: HOST:PORT; empty: nowhere", _listens)
    )
    scrub_rate: str = field(default="50MB/s", metadata=_is("How fast an agent verifies", _checked(parse_rate)))
    user: str = field(default_factory=lambda: _user(), metadata=_is("Who you are, in records", _text))
    profiles: dict[str, dict[str, str]] = field(
        default_factory=dict, metadata=_is("Named lake credentials", _profiles), repr=False
    )

    @property
    def database_url(self) -> str:
        return self.database or f"sqlite:///{self.home / 'hub.db'}"

    @property
    def volume_root(self) -> Path:
        return self.volume or self.home / "volume"

    @property
    def site_hold_s(self) -> float:
        return parse_duration(self.site_hold) or 0.0

    @property
    def retention_grace_s(self) -> float:
        return parse_duration(self.retention_grace) or 0.0

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
        return dict(self.profiles[name])


MEANINGS: Mapping[str, str] = {item.name: item.metadata["meaning"] for item in fields(Settings)}
"""What each setting means, by its name."""

_READERS: Mapping[str, Callable[[Any], Any]] = {item.name: item.metadata["read"] for item in fields(Settings)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """The settings, and for each name where its value came from."""

    settings: Settings
    origins: Mapping[str, str]


def load(flags: Mapping[str, Any] | None = None, *, folder: Path | None = None) -> Loaded:
    """Read all sources; InputError `bad-setting` names the setting and its source."""
    given: dict[str, Any] = {}
    origins: dict[str, str] = dict.fromkeys(MEANINGS, "default")
    for origin, found in _sources(flags or {}, folder or Path.cwd()):
        for name in found:
            if name not in MEANINGS:
                raise _unknown(name, origin)
        given |= found
        origins |= dict.fromkeys(found, origin)
    kept = str(login_file())
    if origins["token"] == kept and origins["hub"] != kept:
        # The token of a log-in goes to its hub alone, whatever hub a variable or a project's file names.
        del given["token"]
        origins |= {"token": "default"}
    values: dict[str, Any] = {}
    for name, value in given.items():
        try:
            values[name] = _READERS[name](value)
        except ValueError as error:
            raise InputError(
                "bad-setting", f"{name} (from {origins[name]}): {error}", todo="See: forebay config show --origin"
            ) from None
    settings = Settings(**values)
    _check_marks(settings, origins)
    return Loaded(settings=settings, origins=origins)


def _check_marks(settings: Settings, origins: Mapping[str, str]) -> None:
    """Between two marks in the wrong order, nothing would ever go."""
    if settings.low_mark > settings.high_mark:
        low, high = (f"{name} {getattr(settings, name)} (from {origins[name]})" for name in ("low_mark", "high_mark"))
        raise InputError(
            "bad-setting",
            f"{low} is above {high}: eviction starts above the high mark and stops below the low one",
            todo="Give both, the low one at most as high as the high one.",
        )


def user_file() -> Path:
    """The user's own settings file."""
    return _xdg("XDG_CONFIG_HOME", ".config") / "config.toml"


def login_file() -> Path:
    """Where `forebay login` keeps a hub and a token for it."""
    return user_file().with_name("login.toml")


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
    for path in (user_file(), login_file(), project):
        if path is not None and path.is_file():
            found.append((str(path), _from_file(path)))
    for name, value in _from_environment().items():
        found.append((f"{_ENVIRONMENT}{name.upper()}", {name: value}))
    for name, value in flags.items():
        if value is not None:
            found.append((f"--{name.replace('_', '-')}", {name: value}))
    return found


def _from_environment() -> dict[str, Any]:
    """What FOREBAY_NAME says; FOREBAY_PROFILES__NAME__KEY is one option of one profile. Others are not for us."""
    found: dict[str, Any] = {}
    options: dict[str, dict[str, str]] = {}
    for variable, value in sorted(os.environ.items()):
        if not variable.upper().startswith(_ENVIRONMENT):
            continue
        name, *nested = variable[len(_ENVIRONMENT) :].lower().split(_NESTED, 2)
        if name in MEANINGS and not nested:
            found[name] = value
        elif name == "profiles" and len(nested) == 2:
            options.setdefault(nested[0], {})[nested[1]] = value
    if options:
        found["profiles"] = _with_options(found.get("profiles", {}), options)
    return found


def _with_options(given: Any, options: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, str]]:
    try:
        known = _profiles(given)
    except ValueError as error:
        raise InputError("bad-setting", f"profiles (from {_ENVIRONMENT}PROFILES): {error}") from None
    return known | {name: {**known.get(name, {}), **more} for name, more in options.items()}


def _from_file(path: Path) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError("bad-settings-file", f"{path}: {error}") from error


def _unknown(name: str, origin: str) -> InputError:
    import difflib

    near = difflib.get_close_matches(name, MEANINGS, 1)
    hint = f"Did you mean {near[0]}?" if near else "See: forebay config show"
    return InputError("bad-setting", f"there is no setting {name!r} (in {origin})", todo=hint)


def _xdg(variable: str, fallback: str) -> Path:
    given = os.environ.get(variable)
    return (Path(given) if given else Path.home() / fallback) / "forebay"


def _user() -> str:
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid{os.getuid()}"
