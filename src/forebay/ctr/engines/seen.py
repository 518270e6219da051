"""Whether all workers of a cluster see what this process sees: the data at their path, and one work folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from distributed import Client

from forebay.errors import InputError


def check_readable(client: Client, folder: Path) -> None:
    """InputError `path-not-seen` where a worker does not see at its path what `folder` holds here."""
    ours = sizes_of(str(folder))
    answers = _answers(client, sizes_of, str(folder))
    strangers = sorted(address for address, answer in answers.items() if answer != ours)
    if strangers:
        raise _not_seen(f"{folder} is not there, or is another folder", strangers)


def check_shared(client: Client, folder: Path) -> None:
    """InputError `path-not-seen` where what a worker writes into `folder` is not seen here, or the other way round."""
    probe = folder / f".forebay-probe-{os.urandom(8).hex()}"
    written = [probe]
    try:
        probe.write_text(probe.name)
        answers = _answers(client, answer_probe, str(probe))
        strangers = []
        for address, answer in sorted(answers.items()):
            written.append(probe.with_name(f"{probe.name}-{answer}"))
            if not answer or not written[-1].exists():
                strangers.append(address)
        if strangers:
            raise _not_seen(f"{folder} is another folder, or can't be written,", strangers)
    finally:
        for path in written:
            path.unlink(missing_ok=True)


def sizes_of(folder: str) -> list[tuple[str, int]]:
    """Runs on a worker: the first files below `folder`, and their sizes."""
    found = sorted(path for path in Path(folder).rglob("*") if path.is_file())[:100]
    return [(str(path.relative_to(folder)), path.stat().st_size) for path in found]


def answer_probe(probe: str) -> str:
    """Runs on a worker: writes a file beside the probe whose name nobody else takes; its last part, "" if it can't."""
    path = Path(probe)
    mine = os.urandom(8).hex()
    try:
        if path.read_text() != path.name:
            return ""
        path.with_name(f"{path.name}-{mine}").touch()
    except OSError:
        return ""
    return mine


def _answers(client: Client, question: Callable[[str], Any], argument: str) -> Mapping[str, Any]:
    """None of a worker on which it failed."""
    answers = client.run(question, argument, on_error="return")
    return {address: None if isinstance(answer, BaseException) else answer for address, answer in answers.items()}


def _not_seen(what: str, strangers: list[str]) -> InputError:
    more = f" and {len(strangers) - 1} more" if len(strangers) > 1 else ""
    return InputError(
        "path-not-seen",
        f"{what} on the worker {strangers[0]}{more}",
        todo="Mount the volume at the same path on all workers; name a folder on it with --work.",
    )
