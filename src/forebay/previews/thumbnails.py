"""Pictures in small. A picture is measured before it is decoded: one that would unpack to gigabytes is not."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import TYPE_CHECKING

from forebay.errors import UnavailableError
from forebay.previews.bounds import Bounds
from forebay.wire.previews import Thumbnail

if TYPE_CHECKING:
    from PIL import Image

_FORMATS = ("PNG", "JPEG")


def require_pillow() -> None:
    """UnavailableError `images-extra` where the part that decodes pictures is not installed."""
    try:
        import PIL.Image  # noqa: F401
    except ImportError as error:
        raise UnavailableError(
            "images-extra",
            "Pictures are shown in small by Pillow, which the agent's machine has not.",
            todo="There: pip install 'forebay[images]', and start the agent again.",
        ) from error


def thumbnail(file: Path, path: str, bounds: Bounds) -> Thumbnail:
    """The thumbnail of a file that its version has at `path`; with the reason where none can be made of it."""
    from PIL import Image, ImageOps

    size_bytes = file.stat().st_size
    width = height = 0

    def without(reason: str) -> Thumbnail:
        return Thumbnail(path=path, size_bytes=size_bytes, width=width, height=height, reason=reason)

    if size_bytes > bounds.picture_bytes:
        return without(f"the file is larger than {bounds.picture_bytes >> 20} MiB")
    try:
        with Image.open(file, formats=_FORMATS) as picture:
            width, height = picture.size
            if width * height > bounds.picture_pixels:
                return without(f"more than {bounds.picture_pixels // 1_000_000} megapixels")
            side = bounds.thumbnail_pixels
            # A JPEG is decoded at about the size that is wanted.
            picture.draft("RGB", (2 * side, 2 * side))
            upright = ImageOps.exif_transpose(picture)
            upright.thumbnail((side, side))
            data, media_type = _encoded(upright, bounds.thumbnail_bytes)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        return without(f"it can't be decoded: {error}"[:200].replace(str(file), path))
    return Thumbnail(
        path=path,
        size_bytes=size_bytes,
        width=width,
        height=height,
        media_type=media_type,
        data=base64.b64encode(data).decode(),
    )


def _encoded(picture: Image.Image, most_bytes: int) -> tuple[bytes, str]:
    """As PNG where it is small so, or has holes; else as JPEG, in the best quality that fits."""
    has_holes = picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info
    flat = picture.convert("RGBA" if has_holes else "L" if picture.mode in ("1", "L", "I;16") else "RGB")
    data = _saved(flat, "PNG", optimize=True)
    if len(data) <= most_bytes:
        return data, "image/png"
    from PIL import Image

    if has_holes:
        ground = Image.new("RGB", flat.size, (255, 255, 255))
        ground.paste(flat, mask=flat.getchannel("A"))
        flat = ground
    for quality in (80, 60, 40, 20):
        data = _saved(flat, "JPEG", quality=quality)
        if len(data) <= most_bytes:
            break
    return data, "image/jpeg"


def _saved(picture: Image.Image, kind: str, **how: int | bool) -> bytes:
    out = io.BytesIO()
    # A new picture, so that nothing of the file's notes (places, names) goes along.
    bare = picture.copy()
    bare.info = {}
    bare.save(out, kind, **how)
    return out.getvalue()
