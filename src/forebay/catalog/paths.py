"""Which object keys may become files of a tree, alone and together.

Pure. A key that passes can be joined to a directory without leaving it, and a list that passes can be laid out on any
file system, also one that ignores case or normalises Unicode, without one file replacing another.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc

from forebay.errors import InputError

MAX_COMPONENT_BYTES = 255
MAX_PATH_BYTES = 1024
RESERVED = ".forebay"

# Flags every path that breaks a rule about its characters or components, and some that do not (`check_path` decides).
_SUSPECT = r"(^|/)\.{0,2}(/|$)|^(?i:\.forebay)(/|$)|[\x00-\x1f\x7f-\x{9f}\\]"
_TODO = "Leave it out with a narrower pattern, or rename it in the lake."


def check_path(path: str) -> str:
    """The path itself when it can be a file inside a tree.

    InputError `path-not-utf8`, `path-empty`, `path-absolute`, `path-dots`, `path-control`, `path-backslash`,
    `path-too-long` or `path-reserved`, naming the path.
    """
    try:
        encoded = path.encode()
    except UnicodeEncodeError:
        raise _bad("path-not-utf8", path, "it is not valid UTF-8") from None
    if not path:
        raise _bad("path-empty", path, "it is empty")
    if path.startswith("/"):
        raise _bad("path-absolute", path, "it begins with '/'")
    if any(unicodedata.category(character) == "Cc" for character in path):
        raise _bad("path-control", path, "it has a NUL or another control character")
    if "\\" in path:
        raise _bad("path-backslash", path, "it has a backslash, which some systems take for '/'")
    if len(encoded) > MAX_PATH_BYTES:
        raise _bad("path-too-long", path, f"it has {len(encoded)} bytes, more than {MAX_PATH_BYTES}")
    _check_components(path)
    return path


def check_paths(paths: pa.Array | pa.ChunkedArray) -> None:
    """Check every path of an Arrow string array, and all of them together; a million take about a second.

    InputError as from `check_path`, or `path-duplicate`, `path-collision` (two that differ only in case or Unicode
    form), `path-is-directory` (`a` beside `a/b`), naming both.
    """
    if isinstance(paths, pa.Array):
        paths = pa.chunked_array([paths])
    suspects = pc.or_(
        pc.match_substring_regex(paths, _SUSPECT), pc.greater(pc.binary_length(paths), MAX_COMPONENT_BYTES)
    )
    for path in pc.filter(paths, suspects).to_pylist():
        check_path(path)
    folded = pa.chunked_array([_folded(chunk) for chunk in paths.chunks], pa.string())
    if pc.count_distinct(folded).as_py() != len(paths):
        raise _collision(paths, folded)
    parents = _parents(folded)
    if pc.any(pc.is_in(folded, parents)).as_py():
        raise _file_and_directory(paths, folded, parents)


def _check_components(path: str) -> None:
    components = path.split("/")
    for component in components:
        if component in ("", ".", ".."):
            raise _bad("path-dots", path, f"it has the component {component!r}")
        size = len(component.encode())
        if size > MAX_COMPONENT_BYTES:
            raise _bad("path-too-long", path, f"a component has {size} bytes, more than {MAX_COMPONENT_BYTES}")
    if components[0].lower() == RESERVED:
        raise _bad("path-reserved", path, f"{RESERVED!r} is where forebay keeps its own records")


def fold(path: str) -> str:
    """The form in which two paths are equal when they differ only in case or Unicode form (Unicode D145)."""
    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", path).casefold())


def _folded(chunk: pa.Array) -> pa.Array:
    ascii_only = pc.string_is_ascii(chunk)
    lower = pc.ascii_lower(chunk)
    if pc.all(ascii_only).as_py():
        return lower
    other = pc.invert(ascii_only)
    folded = [fold(path) for path in pc.filter(chunk, other).to_pylist()]
    return pc.replace_with_mask(lower, other, pa.array(folded, pa.string()))


def _parents(folded: pa.ChunkedArray) -> pa.Array:
    """Every directory that some path lies in, from the innermost outwards."""
    found: list[pa.Array] = []
    level = _parent(folded)
    while len(level):
        found.append(level)
        level = _parent(level)
    return pc.unique(pa.chunked_array(found, pa.string()))


def _parent(paths: pa.Array | pa.ChunkedArray) -> pa.Array:
    inside = pc.filter(paths, pc.match_substring(paths, "/"))
    return pc.unique(pc.list_element(pc.split_pattern(inside, "/", max_splits=1, reverse=True), 0))


def _bad(kind: str, path: str, why: str) -> InputError:
    return InputError(kind, f"The object key {path!r} cannot be a file path: {why}.", todo=_TODO)


def _collision(paths: pa.ChunkedArray, folded: pa.ChunkedArray) -> InputError:
    first, second = _first_repeated(paths.to_pylist(), folded.to_pylist())
    if first == second:
        return InputError("path-duplicate", f"The path {first!r} is listed twice.", todo=_TODO)
    return InputError(
        "path-collision",
        f"The object keys {first!r} and {second!r} differ only in case or Unicode form: "
        "on some file systems they are one file.",
        todo=_TODO,
    )


def _first_repeated(paths: Iterable[str], folded: Iterable[str]) -> tuple[str, str]:
    seen: dict[str, str] = {}
    for path, key in zip(paths, folded, strict=True):
        if key in seen:
            return seen[key], path
        seen[key] = path
    raise AssertionError("no path is repeated")


def _file_and_directory(paths: pa.ChunkedArray, folded: pa.ChunkedArray, parents: pa.Array) -> InputError:
    at = pc.index(pc.is_in(folded, parents), True).as_py()
    file, prefix = paths[at].as_py(), folded[at].as_py() + "/"
    inside = paths[pc.index(pc.starts_with(folded, prefix), True).as_py()].as_py()
    return InputError(
        "path-is-directory",
        f"The object key {file!r} would have to be a file and, for {inside!r}, a directory at once.",
        todo=_TODO,
    )
