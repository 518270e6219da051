"""Text that is looked for in any case. A database may know no letters but a to z: SQLite, PostgreSQL in locale C."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import ColumnElement


def has(column: ColumnElement[str], word: str) -> ColumnElement[bool]:
    """Whether the word is a part of it: as it is written, in small letters, in capitals, or beginning with one."""
    forms = (word,) if word.isascii() else (word, word.lower(), word.upper(), word.title())
    return sa.or_(*(column.icontains(form, autoescape=True) for form in dict.fromkeys(forms)))


def forms_of(letter: str) -> tuple[str, ...]:
    """A letter, small and as a capital."""
    return tuple(dict.fromkeys((letter, letter.lower(), letter.upper(), letter.title(), letter.casefold())))
