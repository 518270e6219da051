"""Looking into files: what they are, what they pretend to be, and what is too much of them."""

from __future__ import annotations

import gzip
import io
import struct
import zlib
from base64 import b64decode
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from forebay.errors import ForebayError, InputError, NotFoundError
from forebay.previews.bounds import Bounds
from forebay.previews.kinds import can_be
from forebay.previews.look import look
from forebay.wire.previews import ImagesPreview, PreviewKind, TablePreview, Thumbnail


def table(file: Path, bounds: Bounds | None = None) -> TablePreview:
    found = look(PreviewKind.TABLE, {file.name: file}, bounds)
    assert isinstance(found, TablePreview)
    return found


def picture(file: Path, bounds: Bounds | None = None) -> Thumbnail:
    found = look(PreviewKind.IMAGES, {file.name: file}, bounds)
    assert isinstance(found, ImagesPreview)
    return found.thumbnails[0]


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("day_0.parquet", PreviewKind.TABLE),
        ("a/b.PQ", PreviewKind.TABLE),
        ("x.csv.gz", PreviewKind.TABLE),
        ("x.tsv.zst", PreviewKind.TABLE),
        ("x.Jpeg", PreviewKind.IMAGES),
        ("x.parquet.gz", None),
        ("x.json", None),
        ("csv", None),
        ("x.csv/readme", None),
    ],
)
def test_the_name_says_what_a_file_can_be_shown_as(path: str, kind: PreviewKind | None) -> None:
    shown = {PreviewKind.TABLE, PreviewKind.ROWS} if kind is PreviewKind.TABLE else {kind}
    assert {one for one in PreviewKind if can_be(one, path)} == shown - {None}


# Parquet.


def test_a_parquet_file_is_seen_from_its_beginning_to_its_end(tmp_path: Path) -> None:
    file = tmp_path / "x.parquet"
    pq.write_table(pa.table({"n": range(10_000), "s": [str(n % 3) for n in range(10_000)]}), file, row_group_size=1000)
    found = table(file, Bounds(rows=400, row_groups=4, sample_rows=3))
    assert (found.rows, found.seen_rows, found.size_bytes) == (10_000, 400, file.stat().st_size)
    assert found.sample == (("0", "0"), ("1", "1"), ("2", "2"))
    assert (found.columns[0].minimum, found.columns[0].maximum) == ("0", "9099")
    assert [column.type for column in found.columns] == ["int64", "string"]


def test_of_many_columns_the_first_are_told_and_the_rest_counted(tmp_path: Path) -> None:
    file = tmp_path / "x.parquet"
    pq.write_table(pa.table({f"c{n}": [n] for n in range(30)}), file)
    found = table(file, Bounds(columns=4))
    assert [column.name for column in found.columns] == ["c0", "c1", "c2", "c3"]
    assert found.more_columns == 26


def test_a_parquet_file_without_rows_has_its_schema(tmp_path: Path) -> None:
    file = tmp_path / "x.parquet"
    pq.write_table(pa.table({"n": pa.array([], pa.int32())}), file)
    found = table(file)
    assert (found.rows, found.seen_rows, found.columns[0].type) == (0, 0, "int32")


def test_big_values_are_read_a_few_at_a_time(tmp_path: Path) -> None:
    file = tmp_path / "x.parquet"
    pq.write_table(pa.table({"blob": [bytes([n]) * 1_000_000 for n in range(64)]}), file, use_dictionary=False)
    found = table(file, Bounds(held_bytes=10 << 20))
    assert found.rows == 64
    assert 8 <= found.seen_rows < 32


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1" + b"\0" * 100 + b"PAR1", b"no parquet at all"])
def test_what_only_calls_itself_parquet_is_refused_by_its_path(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "x.parquet"
    file.write_bytes(content)
    with pytest.raises(InputError) as caught:
        table(file)
    assert caught.value.kind == "unreadable-file"
    assert str(tmp_path) not in str(caught.value)


# Text.


def test_a_csv_file_with_names_in_its_first_line(tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    file.write_text("name,age\nann,31\nbob,\n")
    found = table(file)
    assert [(column.name, column.type, column.nulls) for column in found.columns] == [
        ("name", "string", 0),
        ("age", "int64", 1),
    ]
    assert (found.rows, found.seen_rows) == (2, 2)
    assert found.sample == (("ann", "31"), ("bob", None))


def test_a_click_log_without_names_keeps_its_first_row(tmp_path: Path) -> None:
    file = tmp_path / "day_0.tsv.gz"
    file.write_bytes(gzip.compress(b"0\t1\t68fd1e64\n1\t\t287e684f\n"))
    found = table(file)
    assert [column.name for column in found.columns] == ["column 1", "column 2", "column 3"]
    assert found.rows == 2
    assert found.columns[1].nulls == 1


def test_another_delimiter_is_found(tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    file.write_text("a;b\n1,5;2\n")
    assert [column.name for column in table(file).columns] == ["a", "b"]


def test_of_a_long_file_the_first_lines_are_seen_and_its_rows_are_not_known(tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    file.write_text("n\n" + "".join(f"{n}\n" for n in range(10_000)))
    found = table(file, Bounds(read_bytes=1000))
    assert found.rows is None
    assert 100 < found.seen_rows < 500
    assert found.columns[0].distinct is None
    # The last line was cut in the middle: it is left out.
    assert found.columns[0].maximum == str(found.seen_rows - 1)


def test_rows_that_do_not_fit_are_counted(tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    file.write_text("a,b\n1,2\n1,2,3\n4,5\n")
    found = table(file)
    assert (found.bad_rows, found.seen_rows, found.rows) == (1, 2, 3)


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe\x00a,b\n\x00\n", b"a,b", b'"a,b\n1', b"\0\0\0"])
def test_odd_text_is_read_or_refused_and_nothing_breaks(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "x.csv"
    file.write_bytes(content)
    kind = ""
    try:
        seen_rows = table(file).seen_rows
    except ForebayError as error:
        seen_rows, kind = 0, error.kind
    assert seen_rows <= 2
    assert kind in ("", "unreadable-file")


def test_a_line_of_megabytes_is_bounded(tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    file.write_text("a," * 200_000 + "b\n")
    found = table(file, Bounds(read_bytes=100_000))
    assert len(found.columns) <= 100
    assert found.more_columns > 40_000


def test_a_damaged_gzip_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "x.csv.gz"
    file.write_bytes(gzip.compress(b"a,b\n1,2\n" * 10_000)[:40])
    with pytest.raises(InputError):
        table(file)


def test_long_values_are_cut_and_the_sample_as_a_whole(tmp_path: Path) -> None:
    file = tmp_path / "x.parquet"
    pq.write_table(pa.table({f"c{n}": ["é" * 1000] * 20 for n in range(10)}), file)
    found = table(file, Bounds(cell_chars=10, sample_chars=300))
    assert found.sample[0][0] == "é" * 9 + "…"
    assert len(found.sample) == 2


# Pictures.


def test_a_picture_is_made_small_and_keeps_its_own_size(tmp_path: Path) -> None:
    file = tmp_path / "x.png"
    Image.new("RGB", (800, 400), (200, 30, 30)).save(file)
    found = picture(file)
    assert (found.width, found.height, found.media_type, found.reason) == (800, 400, "image/png", "")
    small = Image.open(io.BytesIO(b64decode(found.data)))
    assert small.size == (192, 96)
    assert small.convert("RGB").getpixel((5, 5)) == (200, 30, 30)


def test_a_noisy_picture_becomes_a_jpeg_that_fits(tmp_path: Path) -> None:
    file = tmp_path / "x.png"
    Image.effect_noise((600, 600), 100).save(file)
    found = picture(file, Bounds(thumbnail_bytes=9000))
    assert found.media_type == "image/jpeg"
    assert len(b64decode(found.data)) <= 9000


def test_a_photo_is_upright_and_tells_no_place(tmp_path: Path) -> None:
    file = tmp_path / "x.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010E] = "where I live"
    Image.new("RGB", (400, 200)).save(file, exif=exif)
    data = b64decode(picture(file).data)
    assert Image.open(io.BytesIO(data)).size == (96, 192)
    assert b"where I live" not in data


def _bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes that says it has many pixels."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(("width", "height"), [(9_000, 9_000), (60_000, 60_000)])
def test_a_pixel_bomb_is_not_decoded(tmp_path: Path, width: int, height: int) -> None:
    file = tmp_path / "x.png"
    file.write_bytes(_bomb(width, height))
    found = picture(file)
    assert found.data == ""
    assert found.reason


def test_pictures_that_can_not_be_shown_say_why_beside_those_that_can(tmp_path: Path) -> None:
    good, bad, gif = (tmp_path / name for name in ("a.png", "b.png", "c.png"))
    Image.new("L", (4, 4)).save(good)
    bad.write_bytes(good.read_bytes()[:40])
    Image.new("L", (4, 4)).save(gif, "GIF")
    found = look(PreviewKind.IMAGES, {file.name: file for file in (good, bad, gif)})
    assert isinstance(found, ImagesPreview)
    assert [(item.path, bool(item.data), bool(item.reason)) for item in found.thumbnails] == [
        ("a.png", True, False),
        ("b.png", False, True),
        ("c.png", False, True),
    ]
    assert str(tmp_path) not in found.thumbnails[2].reason


def test_a_file_that_went_is_another_matter_than_a_bad_one(tmp_path: Path) -> None:
    for kind, name in ((PreviewKind.TABLE, "x.parquet"), (PreviewKind.TABLE, "x.csv"), (PreviewKind.IMAGES, "x.png")):
        with pytest.raises(NotFoundError) as caught:
            look(kind, {name: tmp_path / name})
        assert caught.value.kind == "file-away"
