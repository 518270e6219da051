"""What an agent tells the hub of a look: the content by its kind, or the error."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import pytest

from forebay.errors import InputError
from forebay.sites.agent.effects import StartLook
from forebay.sites.agent.looking import Look, Looker
from forebay.wire.previews import (
    Content,
    FileRows,
    ImagesPreview,
    PreviewDone,
    PreviewKind,
    PreviewOrder,
    RowsPreview,
    TablePreview,
)

ORDER = PreviewOrder(preview_id="p" * 32, token=3, ref="clicks@v1", kind=PreviewKind.ROWS, paths=("a.csv",))


def told(look: Look) -> PreviewDone:
    found: list[PreviewDone] = []
    previews = SimpleNamespace(done=lambda site, token, done: found.append(done))
    at: Any = SimpleNamespace(hub=SimpleNamespace(previews=previews))
    ended = threading.Event()
    Looker(at, "dgx", look).start(StartLook(order=ORDER, agent_token=1), lambda _: ended.set())
    assert ended.wait(10.0)
    (done,) = found
    assert (done.preview_id, done.token) == (ORDER.preview_id, ORDER.token)
    return done


@pytest.mark.parametrize(
    ("field", "content"),
    [
        ("table", TablePreview(size_bytes=1, columns=(), sample=(), seen_rows=0)),
        ("images", ImagesPreview(thumbnails=())),
        ("rows", RowsPreview(files=(FileRows(path="a.csv", rows=7),))),
    ],
)
def test_each_kind_has_its_place(field: str, content: Content) -> None:
    done = told(lambda _: content)
    assert {name: getattr(done, name) for name in ("table", "images", "rows")} == {
        "table": None,
        "images": None,
        "rows": None,
        field: content,
    }
    assert not done.kind


def test_an_error_is_told_as_the_end() -> None:
    def fails(_: PreviewOrder) -> Content:
        raise InputError("unreadable-file", "a.csv is torn.")

    done = told(fails)
    assert (done.kind, done.detail, done.retryable) == ("unreadable-file", "a.csv is torn.", False)
