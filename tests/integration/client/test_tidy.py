"""Whoever fills also sweeps: what nobody used for the stale age goes by itself, what is used or pinned stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from forebay.client.opened import open_version
from forebay.client.register import register
from forebay.client.session import Session
from forebay.wire.cache import ReplicaState


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return Session.start({"home": tmp_path / "home", "volume": tmp_path / "volume", "stale_after": "0s", "grace": "0s"})


def _register(session: Session, lake: Path, name: str) -> None:
    folder = lake / name
    folder.mkdir(parents=True)
    (folder / "data.bin").write_bytes(name.encode() * 1000)
    register(session, name, [folder.as_uri() + "/*"])


def _here(session: Session) -> set[str]:
    return {replica.dataset for replica in session.cache.replicas() if replica.state is ReplicaState.READY}


def test_a_fill_lets_go_of_what_is_stale(session: Session, tmp_path: Path) -> None:
    for name in ("old", "kept", "used", "new"):
        _register(session, tmp_path / "lake", name)
    open_version(session, "kept@v1").close()
    session.hub.replicas.pin(session.cache.volume_id, session.hub.catalog.resolve("kept"), "me", "for the demo", 0.0)
    with open_version(session, "used@v1"):
        open_version(session, "old@v1").close()

        with open_version(session, "new@v1"):
            assert _here(session) == {"kept", "used", "new"}
            assert not session.cache.path(session.hub.catalog.resolve("old")).exists()


def test_opening_what_is_here_sweeps_nothing(session: Session, tmp_path: Path) -> None:
    _register(session, tmp_path / "lake", "old")
    _register(session, tmp_path / "lake", "new")
    with open_version(session, "new@v1"):
        open_version(session, "old@v1").close()

        with open_version(session, "new@v1") as again:
            assert again.from_cache
            assert _here(session) == {"old", "new"}
