"""What a command imports before it does anything: held by names, since seconds depend on the machine.

Each line here was once a tenth of a second or more in every `forebay cache warm`.
"""

from __future__ import annotations

import ast
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterable
from pathlib import Path
from unittest import mock

import pytest
from fastapi.routing import APIRoute
from starlette.routing import Route

import forebay as package
from forebay.hub.api.app import create_app
from tests.e2e.program import Program
from tests.e2e.serving import told

# For whom: validators that Typer, settings and messages would build; log lines that nobody writes; what pyarrow asks
# about (see cli/lean.py); migrations of a database that is up to date; the other database; tables and bars unseen.
NEVER = (
    "pydantic",
    "pydantic_settings",
    "structlog",
    "numpy",
    "pandas",
    "alembic",
    "sqlalchemy.dialects.postgresql",
    "rich",
    "tqdm",
    "tomllib",
)

# For `forebay up` and its first answer: of these, a hub is made.
OF_A_HUB = {"pydantic", "structlog", "tomllib"}
NEVER_UP = {*NEVER, "httpx2", "authlib", "joserfc", "pydantic.v1", "mako"} - OF_A_HUB

# For a program that opens what is ready: tables, lakes and whatever fills or evicts.
NEVER_OPENING = (
    *NEVER,
    "pyarrow",
    "obstore",
    "httpx2",
    "forebay.catalog.manifest",
    "forebay.cache.evict",
    "forebay.cache.fill",
    "forebay.cache.recover",
    "forebay.cache.verify",
)

_SCRIPT = (
    "import sys\n"
    "from forebay.cli.main import program\n"
    "code = program()\n"
    "sys.stdout.flush()\n"
    "sys.stderr.write(' '.join(name for name, module in sys.modules.items() if module is not None))\n"
    "sys.exit(code)\n"
)


def _imported(forebay: Program, *arguments: str) -> set[str]:
    command = [sys.executable, "-c", _SCRIPT, *arguments]
    done = subprocess.run(command, env=dict(forebay.env), capture_output=True, text=True, check=True, timeout=120)
    return set(done.stderr.split())


def test_a_fill_imports_only_what_it_needs(forebay: Program, days: Path) -> None:
    forebay("dataset", "register", "criteo", days.as_uri())
    imported = _imported(forebay, "cache", "warm", "criteo@v1", "--quiet")
    assert {"sqlalchemy", "pyarrow.parquet", "obstore", "blake3"} <= imported, "the fill did happen"
    assert imported & set(NEVER) == set()


def test_a_first_start_imports_only_what_a_hub_is_made_of(forebay: Program) -> None:
    """On an empty home, from nothing to an answer to its end."""
    process = subprocess.Popen(
        ["env", "--default-signal=INT", sys.executable, "-c", _SCRIPT, "up", "--port", "0", "--json"],
        env=dict(forebay.env),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        with urllib.request.urlopen(f"{told(process)['url']}/healthz", timeout=60) as answer:
            assert answer.status == 200
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()
    imported = set(err.splitlines()[-1].split())
    assert {"fastapi", "forebay.client.agent.agent"} <= imported, "it was up"
    assert imported & NEVER_UP == set()


def test_no_route_is_built_twice() -> None:
    """FastAPI builds the routes of a router that it includes once more, at the first request."""
    app = create_app(mock.Mock(), answers=mock.Mock(), check=bool)
    described, *routes = app.routes
    assert type(described) is Route
    assert len(routes) > 100
    assert all(isinstance(route, APIRoute) for route in routes)


def test_opening_what_is_ready_imports_nothing_that_reads_tables_or_lakes(forebay: Program, days: Path) -> None:
    """As a program of a user's does it, where nothing is hidden from pyarrow."""
    (path,) = _opened(forebay, days, "data.path", NEVER_OPENING)
    assert Path(path).is_dir()


def test_a_manifest_that_was_opened_imports_nothing_that_groups_tables(forebay: Program, days: Path) -> None:
    (files,) = _opened(forebay, days, "len(data.files)", ("pandas", "pyarrow.acero", "pyarrow.dataset"))
    assert int(files) > 0


def _opened(forebay: Program, days: Path, asked: str, never: Iterable[str]) -> list[str]:
    """What a program gets that opens a ready version, and those of the modules that it has imported then."""
    forebay("dataset", "register", "criteo", days.as_uri())
    forebay("cache", "warm", "criteo@v1", "--quiet")
    script = (
        "import sys, forebay\n"
        "with forebay.open('criteo@v1') as data:\n"
        f"    print({asked}, *(name for name in sys.modules if name in sys.argv))\n"
    )
    command = [sys.executable, "-c", script, *never]
    done = subprocess.run(command, env=dict(forebay.env), capture_output=True, text=True, check=True, timeout=120)
    return done.stdout.split()


def test_what_pyarrow_was_spared_others_can_import(forebay: Program, days: Path) -> None:
    """The program hides two modules from pyarrow for a moment; they are not lost to the process."""
    forebay("dataset", "register", "criteo", days.as_uri())
    script = _SCRIPT.replace("sys.stdout.flush()", "import numpy, pandas; print(pandas.Series([1]).sum())")
    command = [sys.executable, "-c", script, "cache", "ls", "--quiet"]
    done = subprocess.run(command, env=dict(forebay.env), capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.split()[-1] == "1"


@pytest.mark.parametrize(
    "module", [path for path in Path(package.__path__[0]).rglob("*.py") if "ctr" not in path.parts], ids=str
)
def test_what_the_program_runs_without_numpy_never_asks_for_it(module: Path) -> None:
    """Where the program keeps numpy from pyarrow, these calls of Arrow's would fail."""
    tree = ast.parse(module.read_text())
    called = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert called.isdisjoint({"to_numpy", "to_pandas", "from_pandas", "__array__"})
