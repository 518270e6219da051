"""What a declared subset of a version selects, pure: files by patterns, and of Parquet files columns and row groups.

One selection has one canonical text, from which its name and its place on a volume follow; it never reads a file.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeAlias

from forebay.digest import digest_bytes
from forebay.errors import InputError
from forebay.lake.glob import pattern_regex
from forebay.lake.parquet.where import OPERATORS, Term, Value

if TYPE_CHECKING:
    import pyarrow as pa

    from forebay.catalog.manifest import Manifest

Patterns: TypeAlias = str | Iterable[str] | None
"""One pattern (or the name of one column), several, or none."""

Where: TypeAlias = str | Iterable[str | Sequence[Any]] | None
"""As pyarrow's and Dask's `filters`, joined by "and": `[("day", ">=", 3), ("site", "in", ["a", "b"])]`; or as text:
`"day>=3"`, `["day>=3", "site==a"]`."""

_NAME_LENGTH = 40
_PLAIN = re.compile(r"[A-Za-z0-9_.*?/=\[\]+-]+")
_PLAIN_COLUMN = re.compile(r"[A-Za-z0-9_.-]+")
_PLAIN_VALUE = re.compile(r"[A-Za-z0-9_.:+-]+")
_TERM = re.compile(r"\s*([^<>=!]+?)\s*(==|=|!=|<=|>=|<|>)\s*(?!=)(.+?)\s*", re.DOTALL)
_NEAREST_OF = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Make one with `of` or `parse`. Without any `include`, every file is meant that `exclude` does not name.

    `*` and `?` match within a component of a path, `**` across them; a pattern that matches a folder means all in it.
    Of Parquet files only `columns` are kept (all without any), and the row groups that `where` may match.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    where: tuple[Term, ...] = ()

    @classmethod
    def of(
        cls,
        *,
        include: Patterns = None,
        exclude: Patterns = None,
        columns: Patterns = None,
        where: Where = None,
    ) -> Selection:
        """A selection in its one form. Only None means all: a list of nothing to include, or of no columns, is wrong.

        InputError `bad-pattern`, `bad-columns`, `bad-where`.
        """
        return cls(
            include=_included(include),
            exclude=_patterns(exclude, "exclude"),
            columns=_columns(columns),
            where=_terms(where),
        )

    @property
    def cuts(self) -> bool:
        """Whether it selects within Parquet files."""
        return bool(self.columns or self.where)

    @classmethod
    def parse(cls, text: str) -> Selection:
        """What `text` gave; InputError `bad-selection` for what a newer forebay, or nobody, wrote."""
        try:
            given = json.loads(text) if text else {}
            return cls.of(**given)
        except (ValueError, TypeError) as error:
            what = f"Cannot read the selection {text!r}."
            raise InputError("bad-selection", what, todo="Upgrade forebay.") from error

    @property
    def text(self) -> str:
        """The canonical form, for records; "" when everything is selected."""
        chosen = {"include": self.include, "exclude": self.exclude, "columns": self.columns, "where": self.where}
        said = {name: value for name, value in chosen.items() if value}
        return json.dumps(said, sort_keys=True, separators=(",", ":")) if said else ""

    @property
    def name(self) -> str:
        """The subset's name: the selection itself where it is short and plain, or else `~` and a digest of it."""
        if not self.text:
            return ""
        plain = all(_PLAIN.fullmatch(pattern) for pattern in (*self.include, *self.exclude))
        plain = plain and all(map(_PLAIN_COLUMN.fullmatch, (*self.columns, *(column for column, _, _ in self.where))))
        plain = plain and all(_is_plain(value) for _, _, value in self.where)
        name = str(self)
        return name if plain and len(name) <= _NAME_LENGTH else f"~{digest_bytes(self.text.encode()).hex()[:12]}"

    def __str__(self) -> str:
        """As a person would say it: `day_0*,day_1*,!*.tmp:clicks,price;hour>=3`."""
        files = ",".join((*self.include, *(f"!{pattern}" for pattern in self.exclude)))
        columns = f":{','.join(self.columns)}" if self.columns else ""
        return files + columns + "".join(f";{_said(term)}" for term in self.where)


EVERYTHING = Selection()


def select(manifest: Manifest, selection: Selection, ref: str) -> Manifest:
    """The manifest of what is selected, with what is known of its digests; InputError `nothing-selected`.

    A pattern to include that matches nothing is an error, too: whoever wrote it expects those files.
    """
    import pyarrow as pa  # an open of all that is ready reads no manifest, and need not wait for its import
    import pyarrow.compute as pc

    paths = manifest.table["path"]
    chosen = pa.chunked_array([pa.repeat(pa.scalar(not selection.include), len(manifest))])
    for pattern in selection.include:
        matched = _matches(paths, pattern)
        if not pc.any(matched).as_py():
            raise _nothing(ref, f"{pattern!r} matches none of its {len(manifest):,} files", pattern, paths)
        chosen = pc.or_(chosen, matched)
    for pattern in selection.exclude:
        chosen = pc.and_(chosen, pc.invert(_matches(paths, pattern)))
    if not pc.any(chosen).as_py():
        raise _nothing(ref, f"{selection} leaves none of its {len(manifest):,} files", "", paths)
    return manifest.of_rows(manifest.table.filter(chosen))


def parse_term(text: str) -> tuple[str, str, Value]:
    """`day>=3` as a term: a number where the value is one, or else text; InputError `bad-where`."""
    found = _TERM.fullmatch(text)
    if found is None:
        raise InputError("bad-where", f"{text!r} is no condition on a column.", todo="Try: 'day>=3'")
    try:
        value = json.loads(found[3])
    except ValueError:
        value = found[3]
    return found[1], found[2], value if isinstance(value, bool | int | float | str) else found[3]


def _terms(given: Where) -> tuple[Term, ...]:
    terms = [given] if isinstance(given, str) else given or ()
    return tuple(sorted({_term(parse_term(term) if isinstance(term, str) else term) for term in terms}, key=repr))


def _term(term: Sequence[Any]) -> Term:
    """A term in its one form; dates, times and decimals as text."""
    if len(term) != 3 or not isinstance(term[0], str) or term[1] not in OPERATORS:
        what = f"{term!r} is no condition: (column, operator, value) with one of {', '.join(OPERATORS)}."
        raise InputError("bad-where", what, todo='Try: where=[("day", ">=", 3)]')
    column, operator, value = term
    if operator in ("in", "not in"):
        if isinstance(value, str) or not isinstance(value, Iterable):
            raise InputError("bad-where", f"{value!r} is no list to look {column!r} up in.", todo='Try: ["a", "b"]')
        return column, operator, tuple(sorted({_value(item) for item in value}, key=repr))
    return column, "==" if operator == "=" else operator, _value(value)


def _value(value: Any) -> Value:
    value = value.item() if hasattr(value, "item") else value
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, bool | int | float | str) and value == value:
        return value
    raise InputError(
        "bad-where", f"{value!r} is no value to select rows by.", todo="Give a number, text, date or time."
    )


def _is_plain(value: Value | tuple[Value, ...]) -> bool:
    """Whether a value is told from any other by how it looks in a name: a number, or a word that is none."""
    if isinstance(value, str):
        return _PLAIN_VALUE.fullmatch(value) is not None and parse_term(f"x=={value}")[2] == value
    return type(value) in (int, float)


def _said(term: Term) -> str:
    column, operator, value = term
    return f"{column} {operator} {value}" if operator.endswith("in") else f"{column}{operator}{value}"


def _matches(paths: pa.ChunkedArray, pattern: str) -> pa.ChunkedArray:
    import pyarrow.compute as pc

    regex = pattern_regex(pattern.removesuffix("/"))
    return pc.match_substring_regex(paths, f"{regex.removesuffix('$')}(?:/.*)?$")


def _included(given: Patterns) -> tuple[str, ...]:
    patterns = _patterns(given, "include")
    if given is not None and not patterns:
        raise InputError(
            "bad-pattern",
            "There is no pattern in what to include: that selects no file.",
            todo="Give a pattern, as 'day_0*'; for all files, leave include out.",
        )
    return patterns


def _columns(given: Patterns) -> tuple[str, ...]:
    columns = _once(given)
    empty = isinstance(given, str) and not given
    if given is not None and (empty or not columns):
        raise InputError(
            "bad-columns",
            "There is no name in the columns to keep.",
            todo="Name one, as 'label'; for all columns, leave them out.",
        )
    return columns


def _once(given: Patterns) -> tuple[str, ...]:
    return tuple(sorted({given} if isinstance(given, str) else set(() if given is None else given)))


def _patterns(given: Patterns, option: str) -> tuple[str, ...]:
    patterns = _once(given)
    for pattern in patterns:
        if not pattern.strip("/") or not pattern.isprintable():
            raise InputError("bad-pattern", f"{pattern!r} is no pattern of paths to {option}.", todo="Try: 'day_0*'")
        pattern_regex(pattern)
    return patterns


def _nothing(ref: str, why: str, pattern: str, paths: pa.ChunkedArray) -> InputError:
    near = _nearest(pattern, paths)
    todo = f"Did you mean {' or '.join(near)}? " if near else ""
    return InputError("nothing-selected", f"{ref}: {why}.", todo=f"{todo}Its files: forebay dataset files {ref}")


def _nearest(pattern: str, paths: pa.ChunkedArray) -> list[str]:
    """A few paths, or folders, that the pattern was probably meant for: of a million, a sample is looked at."""
    import pyarrow as pa

    step = -(-len(paths) // _NEAREST_OF) if len(paths) else 1
    sample: list[str] = paths.take(pa.array(range(0, len(paths), step), pa.int64())).to_pylist()
    known = {path.rsplit("/", cut)[0] for path in sample for cut in range(min(4, path.count("/") + 1))}
    found = difflib.get_close_matches(pattern, sorted(known), n=3, cutoff=0.5)
    return found or sorted(known)[:3]
