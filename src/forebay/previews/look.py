"""Looks into the files of one version, by what they are. A file that is not what its name says is the file's fault."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa

from forebay.errors import ForebayError, InputError, NotFoundError
from forebay.previews.bounds import Bounds
from forebay.previews.kinds import Format, format_of
from forebay.previews.parquet_file import see_parquet
from forebay.previews.row_counts import count_rows
from forebay.previews.seen import summed_up
from forebay.previews.text_file import see_text
from forebay.previews.thumbnails import require_pillow, thumbnail
from forebay.wire.previews import Content, ImagesPreview, PreviewKind, RowsPreview, TablePreview


def look(kind: PreviewKind, files: Mapping[str, Path], bounds: Bounds | None = None) -> Content:
    """The preview of some files, by their paths in the version; a table is one file.

    InputError `no-preview`, `unreadable-file`; NotFoundError `file-away`; UnavailableError `images-extra`.
    """
    bounds = bounds or Bounds()
    try:
        match kind:
            case PreviewKind.TABLE:
                ((path, file),) = files.items()
                return _table(path, file, bounds)
            case PreviewKind.IMAGES:
                require_pillow()
                chosen = list(files.items())[: bounds.pictures]
                return ImagesPreview(thumbnails=tuple(thumbnail(file, path, bounds) for path, file in chosen))
            case PreviewKind.ROWS:
                return RowsPreview(files=count_rows(files, bounds))
            case _:
                raise InputError("no-preview", "This release knows no such preview.", todo="Update it.")
    except FileNotFoundError as error:
        raise away(error) from error


def away(error: OSError) -> ForebayError:
    """It was evicted meanwhile."""
    return NotFoundError("file-away", "The file went while it was looked into.", todo="It is tried again.")


def _table(path: str, file: Path, bounds: Bounds) -> TablePreview:
    kind, compression = format_of(path)
    try:
        seen = see_parquet(file, bounds) if kind is Format.PARQUET else see_text(file, kind, compression, bounds)
        return summed_up(seen, bounds)
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError, ValueError) as error:
        said = str(error).replace(str(file), path).partition("\n")[0]
        raise InputError(
            "unreadable-file",
            f"{path} can't be read as {kind}: {said[:300]}",
            todo="Look at the file itself; its name may promise another format.",
        ) from error
