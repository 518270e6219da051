"""`forebay cache metrics` as its user runs it; Prometheus' own checker reads what it and a hub tell."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import httpx2
import pytest

from tests.e2e.program import Program
from tests.e2e.serving import LIMIT_S, ended, running, told

pytestmark = pytest.mark.e2e


def check(promtool: Path, text: str) -> None:
    done = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout


def test_printed_and_as_json(forebay: Program, days: Path, promtool: Path) -> None:
    assert 'forebay_volume_up{volume=""} 0.0' in forebay("cache", "metrics").out
    assert not (forebay.home / "volume").exists()
    forebay("dataset", "register", "criteo", days.as_uri())
    forebay("cache", "warm", "criteo")
    text = forebay("cache", "metrics").out
    assert "forebay_volume_up" in text
    assert "criteo" not in text
    check(promtool, text)
    values = {item["name"]: item["value"] for item in forebay("cache", "metrics", "--json").json}
    assert values["forebay_volume_up"] == 1
    assert values["forebay_volume_used_bytes"] > 6000


def test_a_textfile_is_replaced_whole_and_readable(forebay: Program, days: Path, tmp_path: Path) -> None:
    forebay("dataset", "register", "criteo", days.as_uri())
    forebay("cache", "warm", "criteo")
    file = tmp_path / "collected" / "forebay.prom"
    refused = forebay("cache", "metrics", "--textfile", file, "--json", code=4).error
    assert refused["kind"] == "textfile"
    file.parent.mkdir()
    forebay("cache", "metrics", "--textfile", file)
    first = file.stat()
    assert first.st_mode & 0o777 == 0o444
    forebay("cache", "metrics", "--textfile", file)
    assert file.stat().st_ino != first.st_ino
    assert [path.name for path in file.parent.iterdir()] == ["forebay.prom"]
    assert b"forebay_volume_canary_good" in file.read_bytes()


def test_over_http_until_it_is_told_to_stop(forebay: Program) -> None:
    with forebay.start("cache", "metrics", "--listen", "127.0.0.1:0", "--json") as process:
        try:
            url = told(process)["url"]
            answer = httpx2.get(url)
            assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
            assert "forebay_volume_up" in answer.text
            assert httpx2.get(url.replace("/metrics", "/other")).status_code == 404
            ended(process, signal.SIGTERM)
        finally:
            process.kill()


def test_others_need_the_metrics_token(forebay: Program, tmp_path: Path) -> None:
    refused = forebay("cache", "metrics", "--listen", "0.0.0.0:0", "--json", code=2).error
    assert refused["kind"] == "metrics-open"
    bad = forebay("cache", "metrics", "--listen", "nowhere", "--json", code=2).error
    assert "is not an address" in bad["message"]
    guarded = Program(tmp_path, FOREBAY_METRICS_TOKEN="scrape-me")
    with guarded.start("cache", "metrics", "--listen", "0.0.0.0:0", "--json") as process:
        try:
            url = told(process)["url"].replace("0.0.0.0", "127.0.0.1")
            assert httpx2.get(url).status_code == 401
            assert httpx2.get(url, headers={"Authorization": "Bearer wrong"}).status_code == 401
            assert httpx2.get(url, headers={"Authorization": "Bearer scrape-me"}).status_code == 200
        finally:
            process.kill()
    shown = guarded("config", "show", "--json")
    assert "scrape-me" not in shown.out


def test_what_a_served_hub_tells_is_well_formed(forebay: Program, days: Path, promtool: Path) -> None:
    forebay("dataset", "register", "criteo", days.as_uri())
    forebay("cache", "warm", "criteo")
    server = Program(forebay.folder, FOREBAY_METRICS_TOKEN="scrape-me")
    with running(server, "--port", "0") as process:
        url = told(process)["url"]
        answer = httpx2.get(f"{url}/metrics", headers={"Authorization": "Bearer scrape-me"}, timeout=LIMIT_S)
        assert answer.status_code == 200
        assert 'outcome="filled"' in answer.text
        assert "criteo" not in answer.text
        check(promtool, answer.text)
        assert ended(process, signal.SIGTERM) == 0
