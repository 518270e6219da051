"""Labels of sites, and the expressions that ask for them: `gpu>=4, cloud!=aws`. Pure.

Conditions are joined by commas (or `and`), and all must hold. A site that lacks a label holds only for `!=` and `!`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum

from forebay.catalog.names import did_you_mean
from forebay.errors import InputError

_NAME = r"[a-z][a-z0-9._-]*"
_VALUE = r"[A-Za-z0-9][A-Za-z0-9._/-]*"
_CONDITION = re.compile(rf"(?P<key>{_NAME})\s*(?:(?P<sign>>=|<=|!=|==|=|>|<)\s*(?P<values>[^<>=!]+))?")
_ABSENT = re.compile(rf"!\s*(?P<key>{_NAME})")
_SPLIT = re.compile(r"\s*,\s*|\s+and\s+")
_EXAMPLE = "For example: gpu>=4, gpu-type=a100|h100, cloud!=aws"


class Sign(StrEnum):
    """How a label is compared; `is-set` and `is-not-set` have no value."""

    EQUAL = "="
    UNEQUAL = "!="
    AT_LEAST = ">="
    AT_MOST = "<="
    MORE = ">"
    LESS = "<"
    SET = "is-set"
    NOT_SET = "is-not-set"


_NUMERIC = frozenset((Sign.AT_LEAST, Sign.AT_MOST, Sign.MORE, Sign.LESS))


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One label compared with values; any of several will do (`!=`: none of them may be it)."""

    key: str
    sign: Sign
    values: tuple[str, ...] = ()

    def __str__(self) -> str:
        match self.sign:
            case Sign.SET:
                return self.key
            case Sign.NOT_SET:
                return f"!{self.key}"
            case _:
                return f"{self.key}{self.sign}{'|'.join(self.values)}"

    def holds(self, labels: Mapping[str, str]) -> bool:
        """Whether a site with these labels meets it."""
        value = labels.get(self.key)
        if value is None or self.sign in (Sign.SET, Sign.NOT_SET):
            return self.sign in ((Sign.UNEQUAL, Sign.NOT_SET) if value is None else (Sign.SET,))
        if self.sign in _NUMERIC:
            return _compares(_number(value), self.sign, _number(self.values[0]))
        return any(_same(value, wanted) for wanted in self.values) is (self.sign is Sign.EQUAL)

    def shortfall(self, labels: Mapping[str, str]) -> str:
        """What is there instead, in words."""
        value = labels.get(self.key)
        has = f"has no label {self.key}" if value is None else f"has {self.key}={value}"
        return f"{has}, asked for {self}"


Expression = tuple[Condition, ...]
"""All of them must hold; none: every site will do."""


def parse_expression(text: str, known: Collection[str] = ()) -> Expression:
    """The conditions in `text`; InputError `bad-labels` names the part that can't be read.

    With `known` (the labels that any site has), a label that none has is an error too, since it would wait for ever.
    """
    parts = [part for part in _SPLIT.split(text.strip()) if part]
    return tuple(_condition(part, known) for part in parts)


def parse_labels(text: str) -> dict[str, str]:
    """A site's own labels: `gpu=2,gpu-type=a100`. A label without a value is `true`."""
    labels: dict[str, str] = {}
    for part in (part.strip() for part in text.split(",")):
        if not part:
            continue
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if not re.fullmatch(_NAME, key) or (equals and not re.fullmatch(_VALUE, value)):
            raise InputError(
                "bad-labels", f"{part!r} is no label.", todo="For example: gpu=2,gpu-type=a100,cloud=azure"
            )
        if key in labels:
            raise InputError("bad-labels", f"The label {key} is there twice.", todo="Leave one of them.")
        labels[key] = value if equals else "true"
    return labels


def unmet(expression: Expression, labels: Mapping[str, str]) -> tuple[Condition, ...]:
    """Those conditions that a site with these labels does not meet."""
    return tuple(condition for condition in expression if not condition.holds(labels))


def _condition(part: str, known: Collection[str]) -> Condition:
    if found := _ABSENT.fullmatch(part):
        return Condition(key=_known(found["key"], known), sign=Sign.NOT_SET)
    found = _CONDITION.fullmatch(part)
    if not found:
        raise InputError("bad-labels", f"{part!r} is no condition on a label.", todo=_EXAMPLE)
    key = _known(found["key"], known)
    if not found["sign"]:
        return Condition(key=key, sign=Sign.SET)
    sign = Sign(found["sign"].replace("==", "="))
    return Condition(key=key, sign=sign, values=_values(part, sign, found["values"]))


def _values(part: str, sign: Sign, text: str) -> tuple[str, ...]:
    values = tuple(value.strip() for value in text.split("|"))
    if not all(re.fullmatch(_VALUE, value) for value in values):
        raise InputError("bad-labels", f"The value in {part!r} can't be read.", todo=_EXAMPLE)
    if sign in _NUMERIC and (len(values) > 1 or _number(values[0]) is None):
        raise InputError("bad-labels", f"{part!r}: {sign} compares with one number.", todo=_EXAMPLE)
    return values


def _known(key: str, known: Collection[str]) -> str:
    if known and key not in known:
        listed = f"Labels of your sites: {', '.join(sorted(known))}."
        raise InputError(
            "bad-labels", f"No site has the label {key!r}.", todo=did_you_mean(key, known, otherwise=listed)
        )
    return key


def _number(text: str) -> float | None:
    return float(text) if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text) else None


def _same(value: str, wanted: str) -> bool:
    """Numbers by their size, else by their text."""
    number = _number(value)
    return value == wanted or (number is not None and number == _number(wanted))


def _compares(value: float | None, sign: Sign, bound: float | None) -> bool:
    """What is not a number compares with none."""
    if value is None or bound is None:
        return False
    match sign:
        case Sign.AT_LEAST:
            return value >= bound
        case Sign.AT_MOST:
            return value <= bound
        case Sign.MORE:
            return value > bound
        case _:
            return value < bound
