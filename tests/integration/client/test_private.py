"""PRIVATE, as far as it reaches before there are users: access groups share no byte, and secrets show nowhere."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from forebay.catalog.store import CatalogStore
from forebay.client.opened import open_version
from forebay.client.register import register
from forebay.client.session import Session
from forebay.errors import ForebayError, InputError
from forebay.hub.local import LocalHub

SECRET = "correct-horse-battery-staple"


def _session(folder: Path, **settings: object) -> Session:
    return Session.start({"home": folder / "home", "volume": folder / "volume", **settings})


def _register_in_group(session: Session, name: str, group: str, url: str) -> None:
    hub = session.hub
    assert isinstance(hub, LocalHub)
    ours = hub.catalog
    assert isinstance(ours, CatalogStore)
    hub.catalog = CatalogStore(ours._engine, session.settings.home, session.clock, group=group)
    register(session, name, [url])
    hub.catalog = ours


def test_PRIVATE_groups_do_not_share_blobs(tmp_path: Path) -> None:
    (tmp_path / "lake").mkdir()
    (tmp_path / "lake" / "same.bin").write_bytes(b"the same bytes" * 1000)
    url = (tmp_path / "lake").as_uri() + "/*"
    session = _session(tmp_path)
    _register_in_group(session, "radiology", "radiology", url)
    _register_in_group(session, "research", "research", url)

    with open_version(session, "radiology@v1") as one, open_version(session, "research@v1") as other:
        # That the bytes were on the volume already must not show: neither in what is moved nor in the links.
        assert one.moved_bytes == other.moved_bytes == 14_000
        assert (one.path / "same.bin").stat().st_ino != (other.path / "same.bin").stat().st_ino
        assert {path.name for path in (tmp_path / "volume" / "roots").iterdir()} == {"radiology", "research"}


def test_PRIVATE_a_url_with_credentials_is_refused_and_kept_nowhere(tmp_path: Path) -> None:
    session = _session(tmp_path)

    with pytest.raises(InputError) as caught:
        register(session, "criteo", [f"s3://key:{SECRET}@lake/criteo/*"])

    assert caught.value.kind == "credentials-in-url"
    assert SECRET not in str(caught.value)
    assert not _mentions(tmp_path, SECRET)


def test_PRIVATE_a_profile_s_secret_is_in_no_record_and_no_error(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    options = {"endpoint": "http://127.0.0.1:9", "access_key_id": "id", "secret_access_key": SECRET, "region": "x"}
    session = _session(tmp_path, profiles={"team": options}, database=f"sqlite:///{tmp_path}/home/hub.db")

    with pytest.raises(ForebayError) as caught:
        register(session, "criteo", ["s3://lake/criteo/*"], profile="team")

    assert SECRET not in str(caught.value) + repr(caught.value) + repr(session.settings)
    assert SECRET not in "".join(capfd.readouterr())
    assert not _mentions(tmp_path, SECRET)


def test_PRIVATE_the_database_has_no_column_for_a_secret(tmp_path: Path) -> None:
    session = _session(tmp_path)
    session.hub.catalog.datasets()
    with sqlite3.connect(tmp_path / "home" / "hub.db") as connection:
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        columns = {row[1] for table in tables for row in connection.execute(f"PRAGMA table_info({table})")}
    assert columns
    assert not {name for name in columns if any(word in name for word in ("secret", "password", "credential"))}


def _mentions(folder: Path, text: str) -> bool:
    return any(text.encode() in path.read_bytes() for path in folder.rglob("*") if path.is_file())
