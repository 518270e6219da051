"""Users, teams, tokens, policies and the audit, as an admin meets them on the machine of the hub."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

from tests.e2e.program import Program

SECRET = re.compile(r"fbt_[0-9A-Za-z_-]{43}")


def test_a_team_gets_in(forebay: Program, days: Path) -> None:
    assert "forebay user add" in forebay("user", "ls").out
    assert forebay("user", "add", "ada", "scientist").out == "ada is a scientist now\n"
    forebay("user", "add", "ben", "viewer", "-q")
    assert forebay("user", "role", "ben", "engineer", "--json").json["role"] == "engineer"
    assert forebay("user", "ls", "-q").ids == ["ada", "ben"]
    assert forebay("team", "add", "ads", "ada", "ben", "-q").ids == ["ada", "ben"]
    assert forebay("team", "rm", "ads", "ben").out == "ads: ada\n"
    assert forebay("team", "ls", "--json").json == [{"name": "ads", "members": ["ada"]}]
    forebay("dataset", "register", "criteo", days.as_uri())
    shown = forebay("dataset", "policy", "set", "criteo", "--read", "ads", "--sites", "dgx", "--json").json
    assert (shown["read"], shown["write"], shown["sites"]) == (["ads"], [], ["dgx"])
    assert forebay("dataset", "policy", "show", "criteo", "--json").json == shown
    kept = forebay("dataset", "policy", "set", "criteo", "--sites", "*", "--json").json
    assert (kept["read"], kept["sites"]) == (["ads"], [])
    assert "who may read it" in forebay("dataset", "policy", "show", "criteo").out
    assert "team-in-use" in forebay("team", "rm", "ads", "--yes", "--json", code=5).err


def test_a_secret_is_shown_once(forebay: Program) -> None:
    forebay("user", "add", "ada", "scientist")
    told = forebay("token", "make", "--user", "ada", "--note", "for the notebook").out
    assert len(SECRET.findall(told)) == 1
    secret = forebay("token", "make", "--user", "ada", "-q").out.strip()
    assert SECRET.fullmatch(secret)
    made = forebay("token", "make", "--user", "ada", "--expires", "never", "--json").json
    assert SECRET.fullmatch(made["secret"])
    assert made["token"]["expires_at"] == 0
    listed = forebay("token", "ls").out + forebay("token", "ls", "--user", "ada", "--json").out
    assert not SECRET.search(listed)
    assert "for the notebook" in listed
    ids = forebay("token", "ls", "-q").ids
    assert len(ids) == 3
    assert "--yes" in forebay("token", "revoke", ids[0], code=2).err
    assert forebay("token", "revoke", ids[0], "--yes", "--json").json[0]["revoked_at"] > 0
    assert "not the id" in forebay("token", "revoke", secret, "--yes", code=2).err
    stored = b"".join(path.read_bytes() for path in forebay.home.rglob("*") if path.is_file())
    assert secret.encode() not in stored
    assert made["secret"].encode() not in stored


def test_an_agent_s_token_is_for_its_site(forebay: Program) -> None:
    forebay("user", "add", "root", "admin")
    made = forebay("token", "make", "--user", "root", "--site", "dgx", "--json").json["token"]
    assert (made["site"], made["role"]) == ("dgx", "viewer")
    assert "the agent of dgx" in forebay("token", "ls").out
    assert "is the only admin" in forebay("user", "rm", "root", "--yes", code=5).err
    forebay("user", "add", "boss", "admin")
    asked = forebay("user", "rm", "root", code=2).err
    assert "1 token (the agents of dgx among them) will end" in asked
    assert forebay("user", "rm", "root", "--yes", "--json").json == {"user": "root", "tokens": 1}


def test_the_audit_is_listed_and_exported(forebay: Program, days: Path) -> None:
    assert forebay("audit", "ls").out == "Nothing of that is in the audit.\n"
    forebay("user", "add", "ada", "scientist")
    forebay("dataset", "register", "criteo", days.as_uri())
    forebay("team", "add", "ads")
    forebay("dataset", "policy", "set", "criteo", "--read", "ads")
    forebay("dataset", "policy", "show", "criteoo", code=3)
    (refused,) = forebay("audit", "ls", "--refused", "--json").json["records"]
    assert (refused["dataset"], refused["outcome"], refused["call"]) == ("criteoo", "refused", "access.policy")
    page = forebay("audit", "ls", "--limit", "2", "--json").json
    rest = forebay("audit", "ls", "--before", page["next_before"], "--json").json
    calls = [line["call"] for line in reversed(page["records"] + rest["records"])]
    assert calls == ["access.add_user", "access.join_team", "access.set_policy", "access.policy"]
    assert "read ads, write *" in forebay("audit", "ls", "--dataset", "criteo").out
    lines = [json.loads(line) for line in forebay("audit", "export").out.splitlines()]
    assert [line["number"] for line in lines] == [4, 3, 2, 1]
    table = list(csv.DictReader(io.StringIO(forebay("audit", "export", "--format", "csv", "--since", "1d").out)))
    assert [row["call"] for row in table] == [line["call"] for line in lines]
    assert forebay("audit", "export", "--format", "xml", code=2).err
    assert forebay("audit", "ls", "--since", "yesterday", code=2).err


def test_wrong_names_are_answered_with_the_right_ones(forebay: Program, days: Path) -> None:
    forebay("user", "add", "ada", "scientist")
    forebay("team", "add", "ads", "ada")
    forebay("dataset", "register", "criteo", days.as_uri())
    for arguments, code, meant in (
        (("user", "add", "ben", "scientst"), 2, "scientist"),
        (("user", "role", "adda", "viewer"), 3, "ada"),
        (("team", "add", "ads", "adaa"), 3, "ada"),
        (("team", "rm", "adss", "ada"), 3, "ads"),
        (("token", "make", "--user", "adda"), 3, "ada"),
        (("token", "make", "--user", "ada", "--dataset", "criteoo"), 3, "criteo"),
        (("dataset", "policy", "set", "criteo", "--read", "adds"), 3, "ads"),
        (("dataset", "policy", "show", "criteoo"), 3, "criteo"),
    ):
        assert f"Did you mean {meant}?" in forebay(*arguments, code=code).err
    assert "nothing to set" in forebay("dataset", "policy", "set", "criteo", code=2).err
    assert "nothing to add" in forebay("dataset", "policy", "set", "criteo", "--run", "*", "--run", "ads", code=2).err


def test_nothing_of_it_is_needed_on_one_s_own_machine(forebay: Program, days: Path) -> None:
    """The embedded hub is open to its owner: no user, no token; a policy that shuts everybody out shuts nobody here."""
    forebay("dataset", "register", "criteo", days.as_uri())
    forebay("team", "add", "ads")
    forebay("dataset", "policy", "set", "criteo", "--read", "ads", "--sites", "dgx")
    forebay("cache", "warm", "criteo@v1")
    assert forebay("dataset", "ls", "-q").ids == ["criteo"]
    me = forebay("whoami", "--json").json
    assert (me["role"], me["token_id"], me["expires_at"]) == ("admin", "", 0)
    assert "the one on this machine" in forebay("whoami").out
    refused = forebay("dataset", "policy", "set", "criteo", "--read", "*", code=5).err
    assert "Evict its versions there first" in refused
    forebay("cache", "evict", "criteo@v1", "--yes")
    forebay("dataset", "policy", "set", "criteo", "--read", "*")
