"""Runs by a part of what they are called: their title, or their command where they have none.

That stands in their text alone, so it is looked for among the newest, of which the database finds those that may fit.
"""

from __future__ import annotations

import json
import re

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection

from forebay.catalog import schema as t
from forebay.wire.runs import NewRun

_PLAIN = re.compile(r"[!-~]+")


def title_of(new: NewRun) -> str:
    """What it is called on every page."""
    return new.title or " ".join(new.command)


def may_be_called(connection: Connection, text: str, among: int) -> ColumnElement[bool]:
    """Of the newest `among` runs those with all words of the text somewhere: `is_called` says which it is."""
    newest = connection.execute(sa.select(sa.func.max(t.run.c.run_seq))).scalar() or 0
    # As they stand in JSON, where the case of other letters than these is a matter of their digits.
    words = [json.dumps(word)[1:-1] for word in _PLAIN.findall(text) or text.split()]
    return sa.and_(t.run.c.run_seq > newest - among, *(t.run.c.new.icontains(word, autoescape=True) for word in words))


def is_called(new: NewRun, text: str) -> bool:
    """Whether the text is a part of its name, in any case."""
    return text.casefold() in title_of(new).casefold()
