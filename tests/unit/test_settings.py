"""Settings: every source, their order, and errors that name the setting and where it came from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from forebay.errors import InputError
from forebay.settings import MEANINGS, Frequency, Price, Settings, load, parse_frequency, parse_price


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings but those of the test."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for name in MEANINGS:
        monkeypatch.delenv(f"FOREBAY_{name.upper()}", raising=False)


def test_the_token_of_a_log_in_goes_to_its_hub_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config" / "forebay").mkdir(parents=True)
    (tmp_path / "config" / "forebay" / "config.toml").write_text('hub = "https://old"\n')
    file = tmp_path / "config" / "forebay" / "login.toml"
    file.write_text('hub = "https://mine"\ntoken = "fbt_mine"\n')
    kept = load(folder=tmp_path)
    assert (kept.settings.hub, kept.settings.token) == ("https://mine", "fbt_mine")
    assert kept.origins["token"] == kept.origins["hub"] == str(file)
    (tmp_path / "forebay.toml").write_text('hub = "https://theirs"\n')
    project = load(folder=tmp_path)
    assert (project.settings.hub, project.settings.token, project.origins["token"]) == ("https://theirs", "", "default")
    assert load({"hub": ""}, folder=tmp_path).settings.token == ""
    monkeypatch.setenv("FOREBAY_TOKEN", "fbt_theirs")
    assert load(folder=tmp_path).settings.token == "fbt_theirs"


def _refused(tmp_path: Path, **flags: Any) -> str:
    with pytest.raises(InputError) as caught:
        load(flags, folder=tmp_path)
    assert caught.value.kind == "bad-setting"
    return caught.value.message


def test_a_flag_goes_before_a_variable_before_the_project_before_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config" / "forebay").mkdir(parents=True)
    user_file = tmp_path / "config" / "forebay" / "config.toml"
    user_file.write_text('streams = 1\nlake = "user"\nprofile = "user"\nuser = "user"\n')
    project = tmp_path / "forebay.toml"
    project.write_text('lake = "project"\nprofile = "project"\nuser = "project"\n')
    monkeypatch.setenv("FOREBAY_PROFILE", "variable")
    monkeypatch.setenv("forebay_user", "variable")
    loaded = load({"user": "flag", "home": None}, folder=tmp_path)
    found = loaded.settings
    assert (found.streams, found.lake, found.profile, found.user) == (1, "project", "variable", "flag")
    names = ("grace", "streams", "lake", "profile", "user")
    origins = [loaded.origins[name] for name in names]
    assert origins == ["default", str(user_file), str(project), "FOREBAY_PROFILE", "--user"]


def test_texts_become_what_a_setting_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"VOLUME": "/v", "STREAMS": " 8 ", "HIGH_MARK": "0.8", "STALE_AFTER": "never"}.items():
        monkeypatch.setenv(f"FOREBAY_{name}", value)
    found = load(folder=tmp_path).settings
    assert (found.volume, found.streams, found.high_mark, found.stale_after) == (Path("/v"), 8, 0.8, "never")


@pytest.mark.parametrize("token", [42, "hush hush", "hush\n", "hüsh"])
def test_a_token_is_repeated_nowhere(tmp_path: Path, token: Any) -> None:
    told = _refused(tmp_path, token=token)
    assert "token (from --token)" in told
    assert str(token) not in told
    assert "hush" not in repr(load({"token": "hush"}, folder=tmp_path))


@pytest.mark.parametrize("hub", ["hub.example.org", "ftp://hub", "https://me:hush@hub", "https://hub?token=hush"])
def test_what_is_no_hub_s_address_is_not_repeated_either(tmp_path: Path, hub: str) -> None:
    assert "hush" not in _refused(tmp_path, hub=hub)


@pytest.mark.parametrize("hub", ["", "http://127.0.0.1:8765", "https://hub.example.org/forebay/", "http://[::1]:8765"])
def test_addresses_of_hubs(tmp_path: Path, hub: str) -> None:
    assert load({"hub": hub}, folder=tmp_path).settings.hub == hub.rstrip("/")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("streams", 0),
        ("streams", 257),
        ("streams", "many"),
        ("streams", True),
        ("streams", 1.5),
        ("high_mark", 0),
        ("high_mark", 1.1),
        ("high_mark", "nan"),
        ("low_mark", []),
        ("low_mark", True),
        ("grace", "10 parsecs"),
        ("grace", 10),
        ("volume_limit", "0%"),
        ("lake", 5),
        ("home", 5),
        ("hub_token_rate", "often"),
        ("hub_address_rate", "0/1s"),
        ("hub_failed_sign_ins", "1/0s"),
        ("hub_session", "never"),
        ("site_hold", "never"),
        ("site_hold", "9s"),
        ("site_hold", "2h"),
        ("oidc_adopt", "perhaps"),
        ("profiles", "{"),
        ("profiles", {"lake": "text"}),
        ("profiles", {"lake": {"key": 5}}),
    ],
)
def test_what_cannot_be_is_refused_by_name_and_source(tmp_path: Path, name: str, value: object) -> None:
    assert _refused(tmp_path, **{name: value}).startswith(f"{name} (from --{name.replace('_', '-')}): ")


def test_a_hold_is_in_seconds(tmp_path: Path) -> None:
    assert load(folder=tmp_path).settings.site_hold_s == 60.0
    assert load({"site_hold": "2min"}, folder=tmp_path).settings.site_hold_s == 120.0


def test_a_low_mark_above_the_high_one_is_refused_wherever_they_come_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FOREBAY_HIGH_MARK", "0.7")
    told = _refused(tmp_path)
    assert told.startswith("low_mark 0.8 (from default) is above high_mark 0.7 (from FOREBAY_HIGH_MARK)")
    (tmp_path / "forebay.toml").write_text("low_mark = 0.7\n")
    marks = load(folder=tmp_path).settings
    assert (marks.low_mark, marks.high_mark) == (0.7, 0.7)


def test_an_unknown_setting_is_told_with_the_nearest_known_one(tmp_path: Path) -> None:
    (tmp_path / "forebay.toml").write_text("strems = 3\n")
    with pytest.raises(InputError, match=r"'strems' \(in .*forebay.toml\)") as caught:
        load(folder=tmp_path)
    assert caught.value.todo == "Did you mean streams?"


@pytest.mark.parametrize("text", ["streams = ", "\udcff"], ids=["no TOML", "no UTF-8"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "forebay.toml").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(InputError) as caught:
        load(folder=tmp_path)
    assert caught.value.kind == "bad-settings-file"


def test_profiles_come_from_variables_whole_or_option_by_option(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FOREBAY_PROFILES", json.dumps({"near": {"endpoint": "a", "region": "b"}}))
    monkeypatch.setenv("FOREBAY_PROFILES__NEAR__ENDPOINT", "c")
    monkeypatch.setenv("FOREBAY_PROFILES__FAR__SECRET_ACCESS_KEY", "d")
    found = load(folder=tmp_path).settings
    assert found.profile_options("near") == {"endpoint": "c", "region": "b"}
    assert found.profile_options("far") == {"secret_access_key": "d"}
    monkeypatch.setenv("FOREBAY_PROFILES", "{")
    assert "FOREBAY_PROFILES" in _refused(tmp_path)


def test_other_variables_of_forebay_are_not_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOREBAY_CRITEO", "/volume/roots/default/trees/criteo/v1")
    monkeypatch.setenv("FOREBAY_DEBUG", "1")
    assert set(load(folder=tmp_path).origins) == set(MEANINGS)


def test_secrets_are_not_in_the_repr_nor_in_an_error(tmp_path: Path) -> None:
    flags = {
        "database": "postgresql://u:hidden@h/d",
        "oidc_client_secret": "hidden",
        "profiles": {"lake": {"secret_access_key": "hidden"}},
    }
    assert "hidden" not in repr(load(flags, folder=tmp_path))
    assert "hidden" not in _refused(tmp_path, profiles='{"lake": "hidden"')
    assert "hidden" not in _refused(tmp_path, profiles={"lake": {"key": ["hidden"]}})


def test_every_default_is_one_that_could_be_given(tmp_path: Path) -> None:
    settings = load(folder=tmp_path).settings
    given = {name: getattr(settings, name) for name in MEANINGS if getattr(settings, name) is not None}
    assert load(given, folder=tmp_path).settings == settings == Settings(**given)


def test_a_price_has_its_currency_or_is_not_known() -> None:
    assert parse_price("0.09 USD") == Price(amount=0.09, currency="USD")
    assert parse_price(" ") is None


@pytest.mark.parametrize("text", ["0.09", "USD", "-1 USD", "1 dollar", "0,09 EUR"])
def test_what_is_no_price_is_refused_in_our_words(text: str) -> None:
    with pytest.raises(InputError) as refused:
        load({"read_price": text})
    told = f"read_price (from --read-price): {text!r} is not a price for a GB: write 0.09 USD"
    assert (refused.value.kind, refused.value.message) == ("bad-setting", told)


def test_frequencies_are_so_many_in_so_long() -> None:
    assert parse_frequency(" 20 / 1min ") == Frequency(count=20, seconds=60)
    assert parse_frequency("2000/10s") == Frequency(count=2000, seconds=10)
    assert parse_frequency("None") is None
