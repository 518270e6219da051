"""Which object keys may become files of a tree, alone and together.

Pure. A key that passes can be joined to a directory without leaving it, and a list that passes can be laid out on any
file system, also one that ignores case or normalises Unicode, without one file replacing another.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from itertools import chain

import pyarrow as pa
import pyarrow.compute as pc

from forebay.errors import InputError

MAX_COMPONENT_BYTES = 255
MAX_PATH_BYTES = 1024
RESERVED = ".forebay"

# Flags every path that breaks a rule about its characters or components, and some that do not (`check_path` decides).
_SUSPECT = r"(^|/)\.{0,2}(/|$)|^(?i:\.forebay)(/|$)|[\x00-\x1f\x7f-\x{9f}\\]"
_PIECE_ROWS = 1 << 15
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
    pieces = list(_pieces(paths))
    for piece in pieces:
        _check_each(piece)
    folded = [_folded(piece) for piece in pieces]
    if not _increasing(pa.chunked_array(folded, pa.string())):
        _check_distinct(pieces, folded)
    parents = _parents(folded)
    for piece, keys in zip(pieces, folded, strict=True):
        inside = pc.is_in(keys, parents)
        if pc.any(inside).as_py():
            at = pc.index(inside, True).as_py()
            raise _file_and_directory(piece[at].as_py(), keys[at].as_py() + "/", pieces, folded)


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


def _pieces(paths: pa.Array | pa.ChunkedArray) -> Iterator[pa.Array]:
    """The paths in arrays short enough that what is computed from one takes little memory."""
    for chunk in [paths] if isinstance(paths, pa.Array) else paths.chunks:
        for start in range(0, len(chunk), _PIECE_ROWS):
            yield chunk.slice(start, _PIECE_ROWS)


def _check_each(piece: pa.Array) -> None:
    long = pc.greater(pc.binary_length(piece), MAX_COMPONENT_BYTES)
    for path in pc.filter(piece, pc.or_(pc.match_substring_regex(piece, _SUSPECT), long)).to_pylist():
        check_path(path)


def _folded(piece: pa.Array) -> pa.Array:
    ascii_only = pc.string_is_ascii(piece)
    lower = pc.ascii_lower(piece)
    if pc.all(ascii_only).as_py():
        return piece if lower.equals(piece) else lower
    other = pc.invert(ascii_only)
    folded = [fold(path) for path in pc.filter(piece, other).to_pylist()]
    return pc.replace_with_mask(lower, other, pa.array(folded, pa.string()))


def _increasing(values: pa.ChunkedArray) -> bool:
    return len(values) < 2 or bool(pc.all(pc.less(values.slice(0, len(values) - 1), values.slice(1))).as_py())


def _parents(folded: list[pa.Array]) -> pa.Array:
    """Every directory that some path lies in, from the innermost outwards."""
    found: list[pa.Array] = []
    level = _distinct([_parent(keys) for keys in folded])
    while len(level):
        found.append(level)
        level = pc.unique(_parent(level))
    return _distinct(found)


def _distinct(arrays: list[pa.Array]) -> pa.Array:
    return pc.unique(pa.chunked_array(arrays, pa.string()))


def _parent(paths: pa.Array) -> pa.Array:
    inside = pc.filter(paths, pc.match_substring(paths, "/"))
    return pc.unique(pc.list_element(pc.split_pattern(inside, "/", max_splits=1, reverse=True), 0))


def _check_distinct(pieces: list[pa.Array], folded: list[pa.Array]) -> None:
    if pc.count_distinct(pa.chunked_array(folded)).as_py() == sum(map(len, folded)):
        return
    seen: dict[str, str] = {}
    for path, key in zip(_strings(pieces), _strings(folded), strict=True):
        if key in seen:
            raise _collision(seen[key], path)
        seen[key] = path


def _strings(arrays: list[pa.Array]) -> Iterator[str]:
    return chain.from_iterable(array.to_pylist() for array in arrays)


def _bad(kind: str, path: str, why: str) -> InputError:
    return InputError(kind, f"The object key {path!r} cannot be a file path: {why}.", todo=_TODO)


def _collision(first: str, second: str) -> InputError:
    if first == second:
        return InputError("path-duplicate", f"The path {first!r} is listed twice.", todo=_TODO)
    return InputError(
        "path-collision",
        f"The object keys {first!a} and {second!a} differ only in case or Unicode form: "
        "on some file systems they are one file.",
        todo=_TODO,
    )


def _file_and_directory(file: str, prefix: str, pieces: list[pa.Array], folded: list[pa.Array]) -> InputError:
    inside = next(p for p, key in zip(_strings(pieces), _strings(folded), strict=True) if key.startswith(prefix))
    return InputError(
        "path-is-directory",
        f"The object key {file!r} would have to be a file and, for {inside!r}, a directory at once.",
        todo=_TODO,
    )
