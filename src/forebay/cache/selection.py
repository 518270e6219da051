"""What a declared subset of a version selects, pure: patterns over its paths, to include and to exclude.

One selection has one canonical text, from which its name and its place on a volume follow; it never reads a file.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from forebay.catalog.manifest import Manifest
from forebay.digest import digest_bytes
from forebay.errors import InputError
from forebay.lake.glob import pattern_regex

Patterns: TypeAlias = str | Iterable[str] | None
"""One pattern, several, or none."""

_NAME_LENGTH = 40
_PLAIN = re.compile(r"[A-Za-z0-9_.*?/=\[\]+-]+")
_NEAREST_OF = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Make one with `of` or `parse`. Without any `include`, every file is meant that `exclude` does not name.

    `*` and `?` match within a component of a path, `**` across them; a pattern that matches a folder means all in it.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    @classmethod
    def of(cls, *, include: Patterns = None, exclude: Patterns = None) -> Selection:
        """A selection in its one form; InputError `bad-pattern`."""
        return cls(include=_patterns(include, "include"), exclude=_patterns(exclude, "exclude"))

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
        chosen = {"include": self.include, "exclude": self.exclude}
        said = {name: value for name, value in chosen.items() if value}
        return json.dumps(said, sort_keys=True, separators=(",", ":")) if said else ""

    @property
    def name(self) -> str:
        """The subset's name: the patterns themselves where they are few and plain, or else `~` and a digest of them."""
        if not self.text:
            return ""
        plain = all(_PLAIN.fullmatch(pattern) for pattern in (*self.include, *self.exclude))
        name = str(self)
        return name if plain and len(name) <= _NAME_LENGTH else f"~{digest_bytes(self.text.encode()).hex()[:12]}"

    def __str__(self) -> str:
        """As a person would say it: `day_0*,day_1*,!*.tmp`."""
        return ",".join((*self.include, *(f"!{pattern}" for pattern in self.exclude)))


EVERYTHING = Selection()


def select(manifest: Manifest, selection: Selection, ref: str) -> Manifest:
    """The manifest of what is selected, with what is known of its digests; InputError `nothing-selected`.

    A pattern to include that matches nothing is an error, too: whoever wrote it expects those files.
    """
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


def _matches(paths: pa.ChunkedArray, pattern: str) -> pa.ChunkedArray:
    regex = pattern_regex(pattern.removesuffix("/"))
    return pc.match_substring_regex(paths, f"{regex.removesuffix('$')}(?:/.*)?$")


def _patterns(given: Patterns, option: str) -> tuple[str, ...]:
    patterns = sorted({given} if isinstance(given, str) else set(given or ()))
    for pattern in patterns:
        if not pattern.strip("/") or not pattern.isprintable():
            raise InputError("bad-pattern", f"{pattern!r} is no pattern of paths to {option}.", todo="Try: 'day_0*'")
        pattern_regex(pattern)
    return tuple(patterns)


def _nothing(ref: str, why: str, pattern: str, paths: pa.ChunkedArray) -> InputError:
    near = _nearest(pattern, paths)
    todo = f"Did you mean {' or '.join(near)}? " if near else ""
    return InputError("nothing-selected", f"{ref}: {why}.", todo=f"{todo}Its files: forebay dataset files {ref}")


def _nearest(pattern: str, paths: pa.ChunkedArray) -> list[str]:
    """A few paths, or folders, that the pattern was probably meant for: of a million, a sample is looked at."""
    step = -(-len(paths) // _NEAREST_OF) if len(paths) else 1
    sample: list[str] = paths.take(pa.array(range(0, len(paths), step), pa.int64())).to_pylist()
    known = {path.rsplit("/", cut)[0] for path in sample for cut in range(min(4, path.count("/") + 1))}
    found = difflib.get_close_matches(pattern, sorted(known), n=3, cutoff=0.5)
    return found or sorted(known)[:3]
