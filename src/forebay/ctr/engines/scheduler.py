"""A scheduler that runs already: found, and its workers looked at, before anything is asked of them."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any, Final

from distributed import Client

from forebay.ctr.engines.watch import worker_addresses
from forebay.errors import InputError, UnavailableError

CONNECT_LIMIT_S: Final = 30.0
_EXACT: Final = ("forebay", "dask", "distributed")


@contextmanager
def scheduler_client(address: str) -> Iterator[Client]:
    """A client of it, which leaves it and its workers as they are. UnavailableError `no-scheduler`, `no-workers`;
    InputError `versions-differ`.
    """
    with connected(address) as client:
        workers = worker_addresses(client)
        if not workers:
            raise UnavailableError(
                "no-workers", f"{address} has no workers", todo=f"Start some: dask worker {address} --memory-limit 8GB"
            )
        check_versions(client)
        yield client


@contextmanager
def connected(address: str) -> Iterator[Client]:
    """A client; UnavailableError `no-scheduler`."""
    try:
        client = Client(address, timeout=CONNECT_LIMIT_S)  # type: ignore[no-untyped-call]
    except (OSError, TimeoutError) as error:
        raise UnavailableError(
            "no-scheduler", f"no Dask scheduler answers at {address}", todo="Start one: dask scheduler --port 8786"
        ) from error
    with client:
        yield client


def check_versions(client: Client) -> None:
    """InputError `versions-differ` says which worker has what. The scheduler reads tasks, too, and needs the same."""
    ours = our_versions()
    found = _versions_of(client)
    faults = [f"{address}: {fault}" for address in sorted(found) for fault in mismatches(ours, found[address])]
    if faults:
        raise InputError(
            "versions-differ",
            f"the cluster does not run what this command runs: {'; '.join(faults[:4])}",
            todo=f"Install the same on all of them: pip install 'forebay[train]=={ours['forebay']}' "
            f"dask=={ours['dask']} distributed=={ours['distributed']}",
        )


def our_versions() -> dict[str, str]:
    """Of what must fit."""
    return {**{name: version(name) for name in _EXACT}, "python": platform.python_version(), "xgboost": _xgboost()}


def mismatches(ours: Mapping[str, str], theirs: Mapping[str, str]) -> list[str]:
    """What keeps a worker from working with us, by package; "" is: not installed.

    Forebay, Dask and distributed must be the same; Python and XGBoost up to what may break what crosses the wire.
    """
    faults = []
    for name, mine in ours.items():
        other = theirs.get(name, "")
        if not other:
            faults.append(f"{name} is not installed")
        elif (mine if name in _EXACT else _minor(mine)) != (other if name in _EXACT else _minor(other)):
            faults.append(f"{name} {other}, not {mine}")
    return faults


def _minor(text: str) -> tuple[str, ...]:
    return tuple(text.split(".")[:2])


def _versions_of(client: Client) -> dict[str, dict[str, str]]:
    """By address. First what any worker can say, then what only one with forebay understands."""
    found: dict[str, dict[str, str]] = {}
    for name in _EXACT:
        for address, answer in _answers(client, version, name).items():
            found.setdefault(address, {})[name] = answer
    for address, answer in _answers(client, platform.python_version).items():
        found[address]["python"] = answer
    if all(facts["forebay"] for facts in found.values()):
        for address, answer in _answers(client, _xgboost).items():
            found[address]["xgboost"] = answer
    return found


def _answers(client: Client, question: Any, *arguments: str) -> dict[str, str]:
    """ "" of a worker that has no answer."""
    answers = {**client.run(question, *arguments, on_error="return"), "scheduler": _ask(client, question, *arguments)}
    return {address: answer if isinstance(answer, str) else "" for address, answer in answers.items()}


def _ask(client: Client, question: Any, *arguments: str) -> Any:
    """What the scheduler answers, "" where it can't."""
    try:
        return client.run_on_scheduler(question, *arguments)  # type: ignore[no-untyped-call]
    except (ImportError, RuntimeError):
        return ""


def _xgboost() -> str:
    import xgboost

    return str(xgboost.__version__)
