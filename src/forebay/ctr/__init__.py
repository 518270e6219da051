"""The reference workload: click logs -> features -> model -> evaluation, on plain paths.

Owns the click-log format, its generator, the encoder and the Dask training. It knows nothing of catalogues, caches or
hubs: callers hand it directories. Importing it is light, and fails with what to install where the extra is missing.
"""

from importlib.util import find_spec

from forebay.errors import InputError

_TRAIN_EXTRA = ("numpy", "numba", "pandas", "dask", "distributed", "sklearn", "xgboost")


def require_train_extra() -> None:
    """InputError `missing-extra` where a package of the `train` extra is not installed; imports none of them."""
    missing = [name for name in _TRAIN_EXTRA if find_spec(name) is None]
    if missing:
        raise InputError(
            "missing-extra",
            f"click-log commands need packages that are not installed: {', '.join(missing)}",
            todo="pip install 'forebay[train]'",
        )


require_train_extra()
