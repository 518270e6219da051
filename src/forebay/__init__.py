"""Forebay keeps the dataset versions that a team trains on beside the compute that trains on them.

    import forebay

    with forebay.open("criteo@v1") as criteo:
        pandas.read_parquet(criteo.path)

Importing this package is cheap; what is heavy is imported when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

__version__ = "0.1.0"
__all__ = ["ForebayError", "OpenedVersion", "Savings", "__version__", "open", "savings"]

if TYPE_CHECKING:
    from forebay.client.ledger import savings
    from forebay.client.opened import OpenedVersion, open  # noqa: A004
    from forebay.errors import ForebayError
    from forebay.wire.cache import Savings

_LAZY = {
    "open": "forebay.client.opened",
    "OpenedVersion": "forebay.client.opened",
    "savings": "forebay.client.ledger",
    "Savings": "forebay.wire.cache",
    "ForebayError": "forebay.errors",
}


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        raise AttributeError(f"module 'forebay' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(_LAZY[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
