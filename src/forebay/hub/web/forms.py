"""Forms as values, and confirmation before what destroys. Pure: parsing gives values or an error beside the field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from markupsafe import Markup

from forebay.errors import ForebayError, InputError

Kind = Literal["text", "textarea", "select", "checkbox", "checkboxes", "number", "password", "search", "date", "hidden"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field. `options` are (value, label) of a select or of checkboxes, whose `value` is blank-separated."""

    name: str
    label: str
    kind: Kind = "text"
    value: str = ""
    hint: str = ""
    error: str = ""
    options: tuple[tuple[str, str], ...] = ()
    required: bool = False
    placeholder: str = ""
    autocomplete: str = "off"

    @property
    def chosen(self) -> tuple[str, ...]:
        return tuple(self.value.split())

    @property
    def is_set(self) -> bool:
        """Whether somebody asked for something: a select's first option is what it says when nobody did."""
        nothing = self.options[0][0] if self.kind == "select" and self.options else ""
        return self.kind != "hidden" and self.value not in ("", nothing)


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """`error` is about the whole; `danger`: its button destroys something. `cancel` is where one goes instead."""

    action: str
    button: str
    fields: tuple[Field, ...] = ()
    method: Literal["post", "get"] = "post"
    error: str = ""
    todo: str = ""
    danger: bool = False
    quiet: bool = False
    cancel: str = ""

    @property
    def set_fields(self) -> int:
        """How many of its fields say something."""
        return sum(item.is_set for item in self.fields)


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirm:
    """What a page shows before something is destroyed, as the context of the template `confirm.html`.

    `facts` are lines that say what goes and why; the page's tables list it.
    """

    heading: str
    says: str
    form: Form
    facts: tuple[str | Markup, ...] = ()


def filled(form: Form, given: Mapping[str, str]) -> Form:
    """The form with what somebody wrote, so that nothing is lost by an error."""
    return replace(form, fields=tuple(replace(item, value=_given(item, given)) for item in form.fields))


def failed(form: Form, error: ForebayError, field: str = "") -> Form:
    """The form with what is wrong, beside a field or above all."""
    if field and any(item.name == field for item in form.fields):
        told = f"{error.message} {error.todo}".strip()
        fields = tuple(replace(item, error=told) if item.name == field else item for item in form.fields)
        return replace(form, fields=fields)
    return replace(form, error=error.message, todo=error.todo)


def required(given: Mapping[str, str], name: str, label: str) -> str:
    """A field's text without blanks around; InputError `missing-field`."""
    text = given.get(name, "").strip()
    if not text:
        raise InputError("missing-field", f"{label} is missing.")
    return text


def number(given: Mapping[str, str], name: str, label: str, default: int = 0) -> int:
    """A field's whole number, not below 0; InputError `bad-number`."""
    text = given.get(name, "").strip()
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise InputError("bad-number", f"{label}: {text[:40]!r} is no whole number.")
    return int(text)


def _given(item: Field, given: Mapping[str, str]) -> str:
    if item.kind == "password":
        return ""
    return given.get(item.name, "" if item.kind in ("checkbox", "checkboxes") else item.value)
