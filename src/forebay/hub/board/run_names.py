"""Runs by a part of what they are called: their title, or their command where they have none.

That stands in their text alone, so it is looked for among the newest, of which the database finds those that may fit.
"""

from __future__ import annotations

import json
import re

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection

from forebay.catalog import schema as t
from forebay.hub.board.any_case import forms_of
from forebay.wire.runs import NewRun

_PLAIN = re.compile(r"[!-~]+")
_BLANKS = " \t\r\n"


def title_of(new: NewRun) -> str:
    """What it is called on every page."""
    return new.title or " ".join(new.command)


def may_be_called(connection: Connection, text: str, among: int) -> ColumnElement[bool]:
    """Of the newest `among` runs those with all words of the text somewhere: `is_called` says which it is."""
    newest = connection.execute(sa.select(sa.func.max(t.run.c.run_seq))).scalar() or 0
    # In JSON other letters than the plain ones are numbers, which differ between a small one and its capital.
    parts: list[tuple[str, ...]] = [(word,) for word in _PLAIN.findall(text)] or [
        forms_of(letter) for letter in dict.fromkeys(text) if letter not in _BLANKS
    ]
    return sa.and_(t.run.c.run_seq > newest - among, *(sa.or_(*map(_has, forms)) for forms in parts))


def _has(text: str) -> ColumnElement[bool]:
    return t.run.c.new.icontains(json.dumps(text)[1:-1], autoescape=True)


def is_called(new: NewRun, text: str) -> bool:
    """Whether the text is a part of its name, in any case."""
    return text.casefold() in title_of(new).casefold()
