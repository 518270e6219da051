"""Where pages of data are, so that each address is made in one place. Pure."""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import quote, urlencode

REGISTER = "/datasets/-/register"
COMMIT = "/datasets/-/commit"
"""No dataset's name begins with `-`."""

WARM = "/cache/-/warm"
"""Takes a dataset and a number."""


@lru_cache(maxsize=20_000)
def segment(text: str) -> str:
    """One part of a path, whatever is in it: a page names the same ones hundreds of times."""
    return quote(text, safe="")


def address(path: str, /, **query: object) -> str:
    """The path with what is not empty of the query."""
    told = urlencode({key: value for key, value in query.items() if value not in ("", 0, None)})
    return f"{path}?{told}" if told else path


def of_dataset(name: str, *below: str) -> str:
    """`/datasets/criteo/tags`."""
    return "/".join(("/datasets", segment(name), *below))


def of_version(name: str, number: int, *below: str) -> str:
    """`/datasets/criteo/v3/files`."""
    return of_dataset(name, f"v{number}", *below)


def of_ref(ref: str) -> str:
    """The page of `criteo@v3`, also where a subset of it is named."""
    name, _, rest = ref.partition("@v")
    number = rest.partition("[")[0]
    return of_version(name, int(number)) if number.isdecimal() else of_dataset(name)


def of_place(site: str, name: str, number: int) -> str:
    """What a site has of a version: `/cache/dgx/criteo/v3`."""
    return "/".join(("/cache", segment(site), segment(name), f"v{number}"))


def of_cache(site: str) -> str:
    """The cache of a site: `/cache/dgx`."""
    return f"/cache/{segment(site)}"


def of_site(site: str) -> str:
    """`/sites/dgx`."""
    return f"/sites/{segment(site)}"


def of_run(run_id: str) -> str:
    """`/runs/0123abcd`."""
    return f"/runs/{segment(run_id)}"
