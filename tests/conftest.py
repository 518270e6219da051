"""Fixtures for all tests: real servers, one of each a test process; hypothesis profiles; the report of missing parts.

A server's program that is not installed skips the tests that need it, with a loud summary at the end of the run;
in CI (CI=true) it fails them.
"""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer  # type: ignore[import-untyped]
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

from forebay.testing.awkward import AwkwardOrigin
from forebay.testing.servers import (
    Azurite,
    Chromium,
    OpenIdProvider,
    PartMissingError,
    Postgres,
    RcloneS3,
    SeaweedFS,
    Slurm,
    Sshd,
)
from forebay.testing.servers.process import find_program

if TYPE_CHECKING:
    from forebay.testing.lent import LentDatabases
    from forebay.testing.served import ServedHubs

IN_CI = os.environ.get("CI", "").lower() in {"1", "true"}
MISSING_PART = "MISSING PART: "
Server = TypeVar("Server")

# No deadline: two cores shared with real servers say nothing about an example's time.
settings.register_profile("ci", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("nightly", parent=settings.get_profile("ci"), derandomize=False, max_examples=2_000)
settings.load_profile("ci")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--nightly", action="store_true", help="state machines and properties with far more examples, from a new seed"
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("nightly"):
        settings.load_profile("nightly")


TOGETHER = frozenset({"tests/e2e/web/test_journeys.py", "tests/integration/ctr/test_workload.py"})
"""Modules whose tests stand on something that takes a minute to make: one process has all of each."""


class Schedule(LoadScopeScheduling):  # type: ignore[misc]
    """Tests go to whichever process is free, largest groups first.

    xdist's own groups do nothing with pytest 9.2 (pytest-dev/pytest-xdist#1386).
    """

    def _split_scope(self, nodeid: str) -> str:
        module = nodeid.split("::", 1)[0]
        return module if module in TOGETHER else nodeid


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Schedule:
    """What distributes the tests, where there are several processes."""
    return Schedule(config, log)


def pytest_report_header() -> str:
    """Here, since only the first conftest of a run is asked."""
    from tests.faults.stage import SEED, STAGE

    return f"faults: seed {SEED} (FOREBAY_FAULTS_SEED), on {STAGE} (FOREBAY_FAULTS_ROOT)"


@contextlib.contextmanager
def _bring(starting: AbstractContextManager[Server]) -> Iterator[Server]:
    with contextlib.ExitStack() as stack:
        try:
            server = stack.enter_context(starting)
        except PartMissingError as missing:
            reason = f"{MISSING_PART}{missing.message}. {missing.todo}"
            if IN_CI:
                pytest.fail(reason)
            pytest.skip(reason)
        yield server


@pytest.fixture(scope="session")
def s3_server() -> Iterator[SeaweedFS]:
    """SeaweedFS. Make a bucket of your own: `s3_server.make_bucket(name)`."""
    with _bring(SeaweedFS.start()) as server:
        yield server


@pytest.fixture(scope="session")
def rclone_s3_server() -> Iterator[RcloneS3]:
    """`rclone serve s3`, which answers 200 to ranges."""
    with _bring(RcloneS3.start()) as server:
        yield server


@pytest.fixture(scope="session")
def azurite_server() -> Iterator[Azurite]:
    """Azurite. Make a container of your own: `azurite_server.make_container(name)`."""
    with _bring(Azurite.start()) as server:
        yield server


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    """PostgreSQL. Take a database of your own: `postgres_server.new_database()` gives its address."""
    with _bring(Postgres.start()) as server:
        yield server


@pytest.fixture(scope="session")
def lent_databases(postgres_server: Postgres) -> LentDatabases:
    """Databases with all of forebay's tables and no rows: `with lent_databases.lend() as url`."""
    from forebay.testing.lent import LentDatabases

    return LentDatabases(postgres_server)


@pytest.fixture(scope="session")
def slurm_server() -> Iterator[Slurm]:
    """A Slurm of two nodes with two GPUs each that are none. `slurm_server.environment` makes its tools find it."""
    with _bring(Slurm.start()) as server:
        yield server


@pytest.fixture(scope="session")
def sshd_server() -> Iterator[Sshd]:
    """OpenSSH's server. A client whose home is `sshd_server.home` gets in at `forebay-test`."""
    with _bring(Sshd.start()) as server:
        yield server


@pytest.fixture(scope="session")
def openid_provider() -> Iterator[OpenIdProvider]:
    """An OpenID provider. Add whom you need: `openid_provider.add(subject, **claims)`."""
    with _bring(OpenIdProvider.start()) as server:
        yield server


@pytest.fixture(scope="session")
def served_hubs() -> Iterator[ServedHubs]:
    """An HTTP server that serves any number of hubs."""
    # A second of imports that most test processes never need.
    from forebay.testing.served import ServedHubs

    with ServedHubs() as served:
        yield served


@pytest.fixture(scope="module")
def chromium() -> Iterator[Chromium]:
    """A browser, one a module of tests: while Playwright's own event loop is there, no test can start another."""
    with _bring(Chromium.start()) as browser:
        yield browser


@pytest.fixture(scope="session")
def axe() -> Iterator[str]:
    """The text of axe-core, which looks for what hinders people on a page."""
    with _bring(_axe()) as text:
        yield text


@contextlib.contextmanager
def _axe() -> Iterator[str]:
    from forebay.testing.web.looking import axe as text_of_axe

    yield text_of_axe()


@pytest.fixture(scope="session")
def promtool() -> Iterator[Path]:
    """Prometheus' own checker of rules and metrics."""
    with _bring(_found("promtool", "promtool (of Debian's prometheus)")) as program:
        yield program


@contextlib.contextmanager
def _found(name: str, part: str) -> Iterator[Path]:
    yield find_program(name, part)


@pytest.fixture
def awkward_origin() -> Iterator[AwkwardOrigin]:
    """An empty origin that misbehaves as told."""
    with AwkwardOrigin() as origin:
        yield origin


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name each missing part and how many tests it took away; a quiet skip would look like a pass."""
    lost = Counter(
        str(report.longrepr[2]).partition(MISSING_PART)[2]
        for report in terminalreporter.stats.get("skipped", [])
        if isinstance(report.longrepr, tuple) and MISSING_PART in report.longrepr[2]
    )
    if lost:
        terminalreporter.section("NOT EVERYTHING WAS TESTED: parts are missing", sep="!", red=True, bold=True)
    for reason, count in lost.items():
        terminalreporter.line(f"skipped {count}: {reason}", red=True)
