"""RAPIDS where it is installed: what needs it asks here, and says which extra is missing. Imports none of it itself."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from forebay.errors import InputError


def required(module: str, *, what: str) -> Any:
    """A module of RAPIDS for `what`; InputError `missing-extra` where it is not installed."""
    check_installed([module.partition(".")[0]], what=what)
    return import_module(module)


def check_installed(packages: list[str], *, what: str) -> None:
    """InputError `missing-extra` where not all of them are there."""
    missing = [name for name in packages if find_spec(name) is None]
    if missing:
        raise InputError(
            "missing-extra",
            f"{what} needs packages that are not installed: {', '.join(missing)}",
            todo="In a new environment: pip install 'forebay[gpu12]' for CUDA 12, 'forebay[gpu13]' for CUDA 13.",
        )
