"""What can be wrong between a machine and its team's hub: network, certificate, token, role, clock, release."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from forebay import __version__
from forebay.clock import SystemClock
from forebay.doctor.finding import Severity
from forebay.hub.access.store import AccessStore
from forebay.hub.local import LocalHub
from forebay.testing.servers.process import free_ports
from forebay.wire.access import NewToken, Role
from tests.e2e.program import Program
from tests.e2e.serving import ended, running, told
from tests.integration.doctor.conftest import Machine, only

pytestmark = pytest.mark.integration

DAY = 86400.0
WARNING = Severity.WARNING
NEVER_MADE = "fbt_" + "x" * 43


class Team:
    """A hub that is really served, and what stands in its database."""

    def __init__(self, folder: Path, url: str, admin: str) -> None:
        self.url = url
        self.admin = admin
        hub = LocalHub.open(folder / "home", f"sqlite:///{folder}/home/hub.db", SystemClock())
        self.engine = hub
        self.access = AccessStore(hub.engine, SystemClock())
        self.access.add_user("ada", Role.SCIENTIST)

    def token(self, role: Role = Role.SCIENTIST, **more: Any) -> tuple[str, str]:
        """The secret and the id of one of Ada's."""
        made = self.access.make_token(NewToken(user="ada", role=role, **more))
        return made.secret, made.token.token_id


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    folder = tmp_path_factory.mktemp("team")
    with running(Program(folder), "--port", "0") as process:
        served = told(process)
        made = Team(folder, served["url"], served["token"])
        yield made
        made.engine.close()
        assert ended(process, signal.SIGTERM) == 0


@pytest.fixture
def member(machine: Machine, team: Team, tmp_path: Path) -> Machine:
    """On another machine, with no volume yet."""
    machine.env |= {
        "FOREBAY_HUB": team.url,
        "FOREBAY_VOLUME": str(tmp_path / "none"),
        "FOREBAY_HOME": str(tmp_path / "m"),
    }
    return machine


def asked_with(member: Machine, token: str, **more: Any) -> Any:
    examined = member.examine({"FOREBAY_TOKEN": token}, **more)
    if token:
        assert token not in str(examined)
    return examined


def test_a_member_who_lacks_nothing(member: Machine, team: Team) -> None:
    secret, _ = team.token()
    only(asked_with(member, secret), "no-volume", Severity.NOTE)


def kinds(examined: Any) -> list[str]:
    return [item.kind for item in examined.findings if item.kind != "no-volume"]


def test_a_token_that_is_missing_or_none(member: Machine) -> None:
    assert kinds(asked_with(member, "")) == ["token-missing"]
    examined = asked_with(member, "fbt_cut-short")
    assert kinds(examined) == ["token-malformed"]
    assert "13 characters" in examined.findings[0].message


def test_a_token_that_never_was_has_expired_or_was_revoked(member: Machine, team: Team) -> None:
    secret, token_id = team.token()
    team.access.revoke_token(token_id)
    short, _ = team.token(expires_at=SystemClock().now() + 0.3)
    refused = [asked_with(member, token) for token in (NEVER_MADE, secret)]
    while (found_now := kinds(examined := asked_with(member, short))) != ["token-refused"]:
        assert found_now[0] == "token-ends", "until it has"
    for found in (*refused, examined):
        assert kinds(found) == ["token-refused"]
        assert "forebay token ls" in found.findings[0].mend
        assert not found.healthy


def test_a_token_that_ends_soon(member: Machine, team: Team) -> None:
    secret, _ = team.token(expires_at=SystemClock().now() + 3 * DAY)
    examined = asked_with(member, secret)
    assert kinds(examined) == ["token-ends"]
    assert "3.0 days" in examined.findings[0].message
    later, _ = team.token(expires_at=SystemClock().now() + 30 * DAY)
    assert kinds(asked_with(member, later)) == []


def test_a_token_without_the_role_that_is_needed(member: Machine, team: Team) -> None:
    viewers, _ = team.token(Role.VIEWER)
    examined = asked_with(member, viewers)
    assert kinds(examined) == ["token-too-weak"]
    assert "ada is a viewer's" in examined.findings[0].message
    assert "--role scientist" in examined.findings[0].mend
    agents, _ = team.token(site="dgx")
    assert kinds(asked_with(member, agents)) == ["token-of-agent"]


@pytest.mark.parametrize(
    ("off_s", "severity", "word"), [(-30.0, WARNING, "ahead of"), (500.0, Severity.FAULT, "behind")]
)
def test_a_clock_that_is_not_the_hubs(member: Machine, team: Team, off_s: float, severity: Severity, word: str) -> None:
    class Wrong(SystemClock):
        def now(self) -> float:
            return super().now() + off_s

    secret, _ = team.token()
    examined = asked_with(member, secret, clock=Wrong())
    (found,) = [item for item in examined.findings if item.kind != "no-volume"]
    assert (found.kind, found.severity) == ("clock-skew", severity)
    assert word in found.message


def test_a_hub_that_is_away(member: Machine) -> None:
    (port,) = free_ports(1)
    examined = member.examine({"FOREBAY_HUB": f"http://127.0.0.1:{port}", "FOREBAY_TOKEN": NEVER_MADE})
    assert kinds(examined) == ["hub-away"]
    assert "forebay hub serve" in examined.findings[0].mend


@contextmanager
def answering(status: int, body: Mapping[str, Any] | str, *, ready: int = 200) -> Iterator[str]:
    """Something that answers as told."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(ready if self.path == "/readyz" else status)
            text = body if isinstance(body, str) else json.dumps(body)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        def date_time_string(self, timestamp: float | None = None) -> str:
            return formatdate(timestamp, usegmt=True)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_what_is_no_hub(member: Machine) -> None:
    with answering(200, "<html>hello</html>") as url:
        assert kinds(member.examine({"FOREBAY_HUB": url, "FOREBAY_TOKEN": NEVER_MADE})) == ["not-a-hub"]


def test_a_hub_whose_database_is_away(member: Machine) -> None:
    error = {"error": {"kind": "database-away", "message": "It is away.", "todo": "Wait."}}
    with answering(503, error, ready=503) as url:
        found = kinds(member.examine({"FOREBAY_HUB": url, "FOREBAY_TOKEN": NEVER_MADE}))
    assert found == ["hub-not-ready", "database-away"]


def test_a_hub_of_another_release(member: Machine) -> None:
    body = {"owner": "o", "version": "7.3.1"}
    with answering(200, body) as url:
        examined = member.examine({"FOREBAY_HUB": url, "FOREBAY_TOKEN": NEVER_MADE})
    assert "release-skew" in kinds(examined)
    assert f"7.3.1, this is {__version__}" in str(examined)


def certificate(folder: Path, days: str) -> tuple[Path, Path]:
    made, key = folder / f"hub-{days}.pem", folder / f"hub-{days}.key"
    subject = ["-subj", "/CN=hub", "-addext", "subjectAltName=IP:127.0.0.1"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", days, *subject]
    subprocess.run([*command, "-keyout", key, "-out", made], check=True, capture_output=True)
    return made, key


def test_certificates_that_end_soon_or_do_not_hold(machine: Machine, tmp_path: Path) -> None:
    cert, key = certificate(tmp_path, "3")
    served = tmp_path / "served"
    served.mkdir()
    with running(Program(served), "--port", "0", "--tls-cert", str(cert), "--tls-key", str(key)) as process:
        told_once = told(process)
        env = {
            "FOREBAY_HUB": told_once["url"],
            "FOREBAY_TOKEN": told_once["token"],
            "FOREBAY_VOLUME": str(tmp_path / "none"),
            "FOREBAY_HOME": str(tmp_path / "m"),
        }
        examined = machine.examine({**env, "SSL_CERT_FILE": str(cert)})
        assert kinds(examined) == ["certificate-ends"]
        assert examined.healthy
        untrusted = machine.examine(env)
        assert kinds(untrusted) == ["bad-certificate"]
        assert "SSL_CERT_FILE" in untrusted.findings[0].mend
        assert "self-signed" in untrusted.findings[0].message
        assert ended(process, signal.SIGTERM) == 0


def test_a_hub_that_is_asked_in_the_clear(member: Machine) -> None:
    """By a name that is no loopback; nothing answers there, which is told, too."""
    examined = member.examine({"FOREBAY_HUB": "http://hub.invalid:9", "FOREBAY_TOKEN": NEVER_MADE})
    assert kinds(examined) == ["no-tls", "hub-away"]
    assert "--tls-cert" in examined.findings[0].mend


def test_the_program_tells_it_and_ends_with_1(team: Team, tmp_path: Path) -> None:
    program = Program(tmp_path, FOREBAY_HUB=team.url, FOREBAY_TOKEN=NEVER_MADE)
    done = program("doctor", code=1)
    assert "FAULT   hub: the hub does not take the token" in done.out
    assert "forebay token ls" in done.out
    assert "1 fault, 0 warnings." in done.out
    assert NEVER_MADE not in done.out
    checks = program("doctor", "--json", code=1).json["checks"]
    assert [item["kind"] for check in checks for item in check["findings"]] == ["token-refused", "no-volume"]
    assert program("doctor", "-q", code=1).ids == ["token-refused", "no-volume"]
    well = Program(tmp_path / "alone")
    well.folder.mkdir()
    assert "All is well." in well("doctor").out
    assert not well.home.exists()
