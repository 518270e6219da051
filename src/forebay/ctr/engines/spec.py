"""What somebody wants of an engine, parsed from words. Values only: nothing is opened here.

local | tcp://HOST:PORT | ssh:[USER@]HOST[:PORT],... | kubernetes[:image=NAME,namespace=NAME,claim=NAME,mount=PATH]
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from forebay.errors import InputError

FORMS: Final = "Write local, tcp://scheduler:8786, ssh:host1,host2 or kubernetes:image=NAME,claim=NAME,mount=/data."
_HOST: Final = r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)"
_ADDRESS: Final = re.compile(rf"(?:tcp|tls)://{_HOST}:(?P<port>[0-9]{{1,5}})")
_LOGIN: Final = re.compile(rf"(?:(?P<user>[A-Za-z0-9_][A-Za-z0-9_.-]*)@)?(?P<host>{_HOST})(?::(?P<port>[0-9]{{1,5}}))?")
_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?")
_MOST: Final = 10_000


class Device(StrEnum):
    """What the models are fitted on."""

    CPU = "cpu"
    CUDA = "cuda"


@dataclass(frozen=True, slots=True, kw_only=True)
class Local:
    """Processes of this machine, for the time of the command."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheduler:
    """A Dask scheduler that runs already, with workers of its own: `tcp://HOST:PORT`, or `tls://`."""

    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """A host to log in to; `user` "" and `port` 0 as the user's SSH configuration has them."""

    host: str
    user: str = ""
    port: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ssh:
    """Workers on each of these; the first one has the scheduler, too."""

    logins: tuple[Login, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kubernetes:
    """Pods, by the operator of dask-kubernetes. `claim` (a PersistentVolumeClaim) is mounted at `mount`.

    `image` "" is the operator's own choice, which has no forebay in it: fit for a first look at a cluster alone.
    """

    image: str = ""
    namespace: str = ""
    claim: str = ""
    mount: str = ""


Place = Local | Scheduler | Ssh | Kubernetes


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSpec:
    """An engine; what is None is chosen (sizes.py). Counts: `workers` of all hosts together, memory in bytes."""

    place: Place
    device: Device = Device.CPU
    workers: int | None = None
    threads_per_worker: int | None = None
    memory_per_worker: int | None = None

    def __post_init__(self) -> None:
        counts = {"workers": self.workers, "threads-per-worker": self.threads_per_worker}
        for name, value in counts.items():
            if value is not None and not 1 <= value <= _MOST:
                raise InputError("bad-option", f"--{name} {value} is not between 1 and {_MOST}")
        if self.memory_per_worker is not None and self.memory_per_worker < 1:
            raise InputError("bad-option", "--memory-per-worker is no memory at all", todo="Write 4GB.")
        if isinstance(self.place, Scheduler) and (any(counts.values()) or self.memory_per_worker):
            raise InputError(
                "bad-option",
                f"{self.place.address} has workers of its own: their number, threads and memory are its",
                todo="Leave out --workers, --threads-per-worker and --memory-per-worker.",
            )

    @property
    def is_here(self) -> bool:
        """Whether all workers are on this machine, so that they see whatever this process sees."""
        return isinstance(self.place, Local)


LOCAL: Final = EngineSpec(place=Local())


def parse_place(text: str) -> Place:
    """The place that `--engine` names; InputError `bad-engine` says what is wrong with it."""
    kind, colon, rest = text.partition(":")
    if text == "local":
        return Local()
    if kind in ("tcp", "tls"):
        return _scheduler(text)
    if kind == "ssh" and colon:
        return Ssh(logins=tuple(_login(host) for host in rest.split(",")))
    if kind == "kubernetes":
        return _kubernetes(rest)
    raise _bad(f"{text!r} names no engine")


def to_text(place: Place) -> str:
    """As `parse_place` reads it."""
    match place:
        case Local():
            return "local"
        case Scheduler():
            return place.address
        case Ssh():
            return "ssh:" + ",".join(_login_text(login) for login in place.logins)
        case Kubernetes():
            given = [f"{name}={value}" for name, value in _options(place).items() if value]
            return "kubernetes" + (":" + ",".join(given) if given else "")


def _scheduler(text: str) -> Scheduler:
    match = _ADDRESS.fullmatch(text)
    if match is None:
        raise _bad(f"{text!r} is no scheduler's address")
    _port(match["port"], text)
    return Scheduler(address=text)


def _login(text: str) -> Login:
    match = _LOGIN.fullmatch(text)
    if match is None:
        raise _bad(f"{text!r} is no host")
    return Login(host=match["host"], user=match["user"] or "", port=_port(match["port"], text) if match["port"] else 0)


def _login_text(login: Login) -> str:
    user = f"{login.user}@" if login.user else ""
    return f"{user}{login.host}" + (f":{login.port}" if login.port else "")


def _port(digits: str, text: str) -> int:
    if not 1 <= int(digits) <= 65_535:
        raise _bad(f"{text!r} has no port between 1 and 65535")
    return int(digits)


def _kubernetes(text: str) -> Kubernetes:
    given: dict[str, str] = {}
    for item in text.split(",") if text else ():
        name, equals, value = item.partition("=")
        if name not in _options(Kubernetes()) or not equals or not value:
            raise _bad(f"{item!r} is no option of kubernetes")
        if name in given:
            raise _bad(f"{name} is given twice")
        given[name] = value
    place = Kubernetes(**given)
    for name in ("namespace", "claim"):
        if name in given and not _NAME.fullmatch(given[name]):
            raise _bad(f"{given[name]!r} can't be the name of a {name}")
    if bool(place.claim) != bool(place.mount):
        raise _bad("claim and mount belong together: which volume, and at which path it is on every node")
    if place.mount and not place.mount.startswith("/"):
        raise _bad(f"mount={place.mount} is no absolute path")
    return place


def _options(place: Kubernetes) -> dict[str, str]:
    return {"image": place.image, "namespace": place.namespace, "claim": place.claim, "mount": place.mount}


def _bad(what: str) -> InputError:
    return InputError("bad-engine", f"--engine: {what}", todo=FORMS)
