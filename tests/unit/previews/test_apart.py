"""The process that looks: what it says arrives, and what it takes too much of ends it, not who asked."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from forebay.errors import CapacityError, ForebayError, InputError
from forebay.previews import apart
from forebay.previews.apart import Limits, look_apart
from forebay.previews.look import look
from forebay.wire.previews import PreviewKind


def test_it_tells_what_is_told_here(tmp_path: Path) -> None:
    rows, photo = tmp_path / "x.parquet", tmp_path / "x.png"
    pq.write_table(pa.table({"naïve": [1.5, None], "w": ["<b>", "ü"]}), rows)
    Image.new("RGB", (300, 300)).save(photo)
    for kind, file in ((PreviewKind.TABLE, rows), (PreviewKind.IMAGES, photo), (PreviewKind.ROWS, rows)):
        assert look_apart(kind, {file.name: file}) == look(kind, {file.name: file})


def test_its_errors_arrive_as_they_are(tmp_path: Path) -> None:
    file = tmp_path / "x.parquet"
    file.write_bytes(b"nothing")
    with pytest.raises(InputError) as caught:
        look_apart(PreviewKind.TABLE, {"x.parquet": file})
    assert caught.value.kind == "unreadable-file"
    assert caught.value.todo


def test_a_file_that_unpacks_to_more_than_the_memory_ends_the_look_alone(tmp_path: Path) -> None:
    file = tmp_path / "x.parquet"
    # One value of 1 GiB of zeros, in a file of some kilobytes.
    pq.write_table(pa.table({"zeros": [bytes(1 << 30)]}), file, compression="zstd", use_dictionary=False)
    assert file.stat().st_size < 1 << 20
    with pytest.raises(ForebayError) as caught:
        look_apart(PreviewKind.TABLE, {"x.parquet": file}, Limits(memory_bytes=1 << 30))
    assert caught.value.kind in ("preview-too-costly", "unreadable-file", "preview-crashed")


def test_one_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    with pytest.raises(CapacityError) as caught:
        look_apart(PreviewKind.TABLE, {"x.csv": Path("/dev/zero")}, Limits(seconds=0))
    assert caught.value.kind == "preview-too-costly"


def test_what_is_larger_than_anybody_keeps_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "x.csv"
    file.write_text("a,b\n1,2\n")
    monkeypatch.setattr(apart, "MOST_BYTES", 100)
    with pytest.raises(CapacityError) as caught:
        look_apart(PreviewKind.TABLE, {"x.csv": file})
    assert caught.value.kind == "preview-too-large"
