"""Old versions go and come back, as somebody at a terminal meets it."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.program import Program


def test_old_versions_go_and_come_back(forebay: Program, days: Path) -> None:
    for number in range(3):
        (days / f"more-{number}").write_bytes(bytes([number]) * 100)
        forebay("dataset", "register", "criteo", days.as_uri())
    assert forebay("dataset", "retention", "criteo").out.startswith("criteo: all versions are kept\n")
    planned = forebay("dataset", "retention", "criteo", "--keep-last", "1", "--dry-run", "--json").json
    assert [(fate["ref"], fate["keep"]) for fate in planned["fates"]] == [
        ("criteo@v3", "last"),
        ("criteo@v2", "nothing"),
        ("criteo@v1", "nothing"),
    ]
    assert "--yes" in forebay("dataset", "retention", "criteo", "--keep-last", "1", code=2).err
    assert forebay("dataset", "retention", "criteo", "--keep-last", "1", "--yes", "-q").ids == [
        "criteo@v2",
        "criteo@v1",
    ]
    assert forebay("dataset", "show", "criteo", "-q").ids == ["criteo@v3"]
    assert len(forebay("dataset", "show", "criteo", "--all", "-q").ids) == 3
    refused = forebay("cache", "warm", "criteo@v1", code=5).err
    assert "forebay dataset restore criteo@v1" in refused
    forebay("dataset", "restore", "criteo@v1")
    assert forebay("cache", "warm", "criteo@v1", "-q").out
    assert "is retired" in forebay("dataset", "retire", "criteo@v1", "-m", "wrong labels").out
    assert "wrong labels" in forebay("dataset", "show", "criteo@v1").out
    assert forebay("cache", "warm", "criteo@v1").out.startswith("criteo@v1: ready already, nothing moved")
    told = forebay("cache", "why", "criteo@v1").out
    assert "its version is retired: it goes in 7 days" in told
    assert "forebay dataset restore criteo@v1" in told
    assert forebay("path", "criteo@v1").out
    assert "forebay dataset restore criteo@v1" in forebay("exec", "criteo@v1", "--", "ls", code=5).err
    assert forebay("dataset", "retention", "criteo", "--off").out.startswith("criteo: all versions are kept\n")
