"""Where a setting comes from, and what its text means."""

from __future__ import annotations

from pathlib import Path

import pytest

from forebay.errors import InputError
from forebay.settings import Price, load, parse_price


def test_the_nearest_source_wins_and_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    user = tmp_path / "config" / "forebay" / "config.toml"
    user.parent.mkdir(parents=True)
    user.write_text('stale_after = "1d"\ngrace = "1d"\nlake = "s3://user/"\nhome = "/user"\n')
    project = tmp_path / "project" / "forebay.toml"
    project.parent.mkdir()
    project.write_text('grace = "2d"\nlake = "s3://project/"\nhome = "/project"\n')
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("FOREBAY_LAKE", "s3://environment/")
    monkeypatch.setenv("FOREBAY_HOME", "/environment")

    below = project.parent / "deep" / "below"
    below.mkdir(parents=True)
    loaded = load({"home": "/flag"}, folder=below)

    names = ("home", "lake", "grace", "stale_after", "volume_limit")
    assert {name: (str(getattr(loaded.settings, name)), loaded.origins[name]) for name in names} == {
        "home": ("/flag", "--home"),
        "lake": ("s3://environment/", "FOREBAY_LAKE"),
        "grace": ("2d", str(project)),
        "stale_after": ("1d", str(user)),
        "volume_limit": ("80%", "default"),
    }


def test_a_price_has_its_currency_or_is_not_known() -> None:
    assert parse_price("0.09 USD") == Price(amount=0.09, currency="USD")
    assert parse_price(" ") is None


@pytest.mark.parametrize("text", ["0.09", "USD", "-1 USD", "1 dollar", "0,09 EUR"])
def test_what_is_no_price_is_refused_in_our_words(text: str) -> None:
    with pytest.raises(InputError) as refused:
        load({"read_price": text})
    told = f"read_price (from --read-price): {text!r} is not a price for a GB: write 0.09 USD"
    assert (refused.value.kind, refused.value.message) == ("bad-setting", told)
