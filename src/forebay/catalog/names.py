"""The rules for dataset and tag names, and the grammar of references such as `criteo@v3`.

Pure. A tag can never be mistaken for a version number, for the start of a manifest digest, or for `latest`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from forebay.errors import InputError

MAX_NAME = 100
MIN_PREFIX = 6
MOST_TEXT = 2000
"""Letters of a description."""

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*", re.ASCII)
_NUMBER = re.compile(r"v0*([0-9]{1,9})", re.ASCII)
_HEX = re.compile(r"[0-9a-f]+", re.ASCII)
_SUBSET = re.compile(r"([^\[\]]*)\[(.+)\]", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class LatestRef:
    """`name` or `name@latest`: the highest version number."""

    dataset: str
    subset: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberRef:
    """`name@v3`."""

    dataset: str
    number: int
    subset: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TagRef:
    """`name@prod`."""

    dataset: str
    tag: str
    subset: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestRef:
    """`name@3fa9c1...`: the start of a manifest digest, at least six characters."""

    dataset: str
    prefix: str
    subset: str = ""


Ref = LatestRef | NumberRef | TagRef | DigestRef


def parse_ref(text: str) -> Ref:
    """`name`, `name@latest`, `name@v3`, `name@tag` or `name@<digest prefix>`; InputError `bad-ref`, `bad-name`.

    Each may end in a subset's name: `name@v3[day_0*]`.
    """
    if of_subset := _SUBSET.fullmatch(text):
        return replace(parse_ref(of_subset[1]), subset=of_subset[2])
    dataset, at, selector = text.partition("@")
    check_dataset_name(dataset)
    if not at or selector == "latest":
        return LatestRef(dataset=dataset)
    if number := _NUMBER.fullmatch(selector):
        return _number_ref(text, dataset, int(number[1]))
    if _is_digest_prefix(selector):
        return DigestRef(dataset=dataset, prefix=selector)
    if not _is_name(selector):
        raise InputError(
            "bad-ref",
            f"{text!r} does not name a version.",
            todo=f"Write {dataset}@v3, {dataset}@TAG, {dataset}@ and {MIN_PREFIX} or more hex digits of its digest, "
            f"or just {dataset} for the latest.",
        )
    return TagRef(dataset=dataset, tag=selector)


def check_team_name(name: str) -> str:
    """The name itself when it may name a team; InputError `bad-team` otherwise."""
    if not _is_name(name):
        raise InputError("bad-team", f"{name!r} cannot be the name of a team.", todo=_RULE)
    return name


def check_site_name(name: str) -> str:
    """The name itself when it may name a site; InputError `bad-site` otherwise."""
    if not _is_name(name):
        raise InputError("bad-site", f"{name!r} cannot be the name of a site.", todo=_RULE)
    return name


def check_description(text: str) -> str:
    """What a dataset is said to be, without blanks around; InputError `bad-description`."""
    found = text.strip()
    if len(found) > MOST_TEXT:
        raise InputError(
            "bad-description",
            f"A description has at most {MOST_TEXT:,} letters, and this one {len(found):,}.",
            todo="Say where the rest is to be read.",
        )
    return found


def check_dataset_name(name: str) -> str:
    """The name itself when it may name a dataset; InputError `bad-name` otherwise."""
    if not _is_name(name):
        raise InputError("bad-name", f"{name!r} cannot be the name of a dataset.", todo=_RULE)
    return name


def check_tag_name(name: str) -> str:
    """The name itself when it may name a tag; InputError `bad-name` otherwise."""
    if not _is_name(name):
        raise InputError("bad-name", f"{name!r} cannot be the name of a tag.", todo=_RULE)
    if name == "latest" or re.fullmatch(r"v[0-9]+", name) or _is_digest_prefix(name):
        raise InputError(
            "bad-name",
            f"{name!r} cannot be a tag: it already means a version number, a digest or the latest version.",
            todo="Choose another word, for example 'prod'.",
        )
    return name


def nearest(name: str, known: Iterable[str]) -> tuple[str, ...]:
    """Up to three known names that `name` was probably meant to be, the best first."""
    return tuple(difflib.get_close_matches(name, sorted(set(known)), n=3, cutoff=0.6))


def did_you_mean(name: str, known: Iterable[str], *, otherwise: str = "") -> str:
    """What to do next for an unknown name: the nearest ones, or else the given advice."""
    found = nearest(name, known)
    return f"Did you mean {' or '.join(found)}?" if found else otherwise


_RULE = (
    f"Use lower-case letters, digits, '.', '_' and '-'; begin with a letter or digit; at most {MAX_NAME} characters."
)


def _is_name(text: str) -> bool:
    return len(text) <= MAX_NAME and _NAME.fullmatch(text) is not None


def _is_digest_prefix(text: str) -> bool:
    return len(text) >= MIN_PREFIX and _HEX.fullmatch(text) is not None


def _number_ref(text: str, dataset: str, number: int) -> NumberRef:
    if number == 0:
        raise InputError("bad-ref", f"{text!r}: versions are counted from v1.", todo=f"Write {dataset}@v1.")
    return NumberRef(dataset=dataset, number=number)
