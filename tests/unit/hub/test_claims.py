"""What a provider says of somebody, and which user that is here."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forebay.errors import ForebayError, InputError, NotAllowedError
from forebay.hub.access.claims import Mapped, entrant_of, parse_roles, parse_teams
from forebay.hub.api.cookies import check_next, check_same_site, cookie_name, session_in
from forebay.wire.access import Role

MAPPED = Mapped(
    user_claim="preferred_username",
    groups_claim="groups",
    roles={"a": Role.SCIENTIST, "b": Role.ADMIN, "c": Role.VIEWER},
    teams={"a": "ads", "x": "ads", "y": "maps"},
)
WHO: dict[str, Any] = {"iss": "https://login", "sub": "u", "preferred_username": "Ada@Example.org"}


@given(st.sets(st.sampled_from("abcxyz")))
def test_the_highest_role_of_all_groups_counts_and_their_teams_add_up(groups: set[str]) -> None:
    claims = {**WHO, "groups": sorted(groups)}
    roles = [MAPPED.roles[group] for group in groups & set(MAPPED.roles)]
    if not roles:
        with pytest.raises(NotAllowedError, match="in no group"):
            entrant_of(claims, MAPPED)
        return
    found = entrant_of(claims, MAPPED)
    assert found.user == "ada@example.org"
    assert all(found.role.covers(role) for role in roles)
    assert found.role in roles
    assert found.teams == {MAPPED.teams[group] for group in groups & set(MAPPED.teams)}
    assert found.teams_by_group == {"ads", "maps"}


anything = st.none() | st.text() | st.integers() | st.lists(st.text())


@given(st.dictionaries(st.sampled_from(["groups", "preferred_username", "email"]), anything))
def test_whatever_is_told_gives_somebody_or_a_refusal(claims: dict[str, Any]) -> None:
    with suppress(NotAllowedError):
        entrant_of({"iss": "i", "sub": "s", **claims}, MAPPED)


def test_an_address_counts_only_where_the_provider_has_verified_it() -> None:
    by_mail = Mapped(user_claim="email", groups_claim="groups", roles={"*": Role.VIEWER}, teams={})
    claims = {**WHO, "email": "ada@example.org"}
    for unsure in ({}, {"email_verified": False}, {"email_verified": "true"}):
        with pytest.raises(NotAllowedError):
            entrant_of({**claims, **unsure}, by_mail)
    assert entrant_of({**claims, "email_verified": True}, by_mail).role is Role.VIEWER


def test_groups_are_read_from_settings() -> None:
    assert parse_roles(" /org/data = engineer,*=viewer, a b=admin,") == {
        "/org/data": Role.ENGINEER,
        "*": Role.VIEWER,
        "a b": Role.ADMIN,
    }
    assert parse_teams("cn=ads=ads") == {"cn=ads": "ads"}
    assert parse_roles("") == {}
    for parse, wrong in ((parse_roles, "data=boss"), (parse_roles, "data"), (parse_roles, "=viewer")):
        with pytest.raises(InputError, match="oidc_roles"):
            parse(wrong)
    with pytest.raises(InputError):
        parse_teams("data=Not A Team")


@given(st.text())
def test_where_one_goes_next_is_a_path_of_this_hub(path: str) -> None:
    """Read as browsers read it: backslashes are slashes, and control characters are nothing."""
    try:
        assert check_next(path) == path
    except ForebayError:
        return
    assert path.startswith("/")
    assert not path.startswith("//")
    assert path.isprintable()
    assert "\\" not in path


@given(st.sampled_from(["POST", "PUT", "DELETE", "PATCH"]), st.text(), st.text())
def test_no_write_of_another_site_passes(method: str, site: str, came_from: str) -> None:
    origin = "https://hub.example.org"
    headers = {name: value for name, value in (("sec-fetch-site", site), ("origin", came_from)) if value}
    own = site in ("", "same-origin") and came_from in ("", origin) and bool(headers)
    try:
        check_same_site(method, headers, origin)
        assert own
    except NotAllowedError:
        assert not own


def test_with_tls_a_session_s_name_keeps_others_from_setting_it() -> None:
    assert cookie_name("forebay_session", is_secure=True) == "__Host-forebay_session"
    both = {"cookie": "forebay_session=other; __Host-forebay_session=mine"}
    assert session_in(both, is_secure=True) == "mine"
    assert session_in({"cookie": "forebay_session=other"}, is_secure=True) == "", "another host may have set it"
    assert session_in(both, is_secure=False) == "other"
    assert session_in({}, is_secure=False) == ""
