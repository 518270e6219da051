"""What a user says of a run, checked and put together, and sent with the code that it needs."""

from __future__ import annotations

import re
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from forebay.catalog.names import check_dataset_name, parse_ref
from forebay.errors import InputError, UnavailableError
from forebay.wire.hub import Hub
from forebay.wire.runs import Code, DataUse, NewRun, Output, Run, Variable

_NAMED = re.compile(r"([A-Za-z_][A-Za-z0-9_.-]*)=(.+)", re.DOTALL)
_NO_LETTER = re.compile(r"[^a-z0-9_]")


def data_uses(texts: Sequence[str]) -> tuple[DataUse, ...]:
    """The versions of `criteo@prod` and `train=criteo@v3`: a name is the dataset's, in letters, digits and `_`, unless
    one is given.

    InputError `bad-ref`, `bad-name`, `usage` where two have one name.
    """
    uses = tuple(_data_use(text) for text in texts)
    _once((item.name for item in uses), "--data", "a=criteo@v1 --data b=criteo@v2")
    return uses


def outputs_of(texts: Sequence[str]) -> tuple[Output, ...]:
    """The outputs of `features=criteo-features` and `criteo-features`; InputError `bad-name`, `usage`."""
    found = tuple(_output(text) for text in texts)
    _once((item.name for item in found), "--out", "a=features --out b=report")
    return found


def variables_of(texts: Sequence[str]) -> tuple[Variable, ...]:
    """The variables of `RATE=0.1`; InputError `usage`."""
    found = []
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            raise InputError("usage", f"--var {text!r} sets no variable", todo="Write --var RATE=0.1")
        found.append(Variable(name=name, value=value))
    _once((item.name for item in found), "--var", "A=1 --var B=2")
    return tuple(found)


def require_a_site(hub: Hub, new: NewRun) -> None:
    """UnavailableError `no-site` where nothing could ever run it."""
    if not hub.sites.all():
        refs = " ".join(item.ref for item in new.data)
        here = f" Or run it here and now: forebay exec {refs} -- ..." if refs else ""
        raise UnavailableError(
            "no-site", "This hub has no site that could run it.", todo=f"Start one: forebay up, or forebay agent.{here}"
        )


def submit(hub: Hub, new: NewRun, folder: Path | None) -> Run:
    """Send the folder's code where there is one, then the run. UnavailableError `no-site`; what the hub refuses."""
    require_a_site(hub, new)
    if folder is None:
        return hub.runs.submit(new)
    from forebay.runs.executors.bundle import pack

    with tempfile.TemporaryDirectory(prefix="forebay-code-") as scratch:
        file = Path(scratch) / "code.tar.gz"
        packed = pack(folder, file)
        digest = hub.runs.store_code(file)
    code = Code(bundle=digest, git_commit=packed.commit, git_dirty=packed.is_dirty)
    return hub.runs.submit(replace(new, code=code))


def _data_use(text: str) -> DataUse:
    named = _NAMED.fullmatch(text)
    name, ref = (named[1], named[2]) if named else ("", text)
    dataset = parse_ref(ref).dataset
    return DataUse(name=name or _name_of(dataset), ref=ref)


def _output(text: str) -> Output:
    named = _NAMED.fullmatch(text)
    name, dataset = (named[1], named[2]) if named else ("", text)
    return Output(name=name or _name_of(dataset), dataset=check_dataset_name(dataset))


def _name_of(dataset: str) -> str:
    """`click_logs` for `click-logs`: what a command and its environment can name."""
    return _NO_LETTER.sub("_", dataset)


def _once(names: Iterable[str], option: str, example: str) -> None:
    times = Counter(names)
    twice = [name for name, count in times.items() if count > 1]
    if twice:
        raise InputError("usage", f"{option} has the name {twice[0]!r} twice", todo=f"Write {option} {example}")
