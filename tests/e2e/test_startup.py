"""What a command imports before it does anything: held by names, since seconds depend on the machine.

Each line here was once a tenth of a second or more in every `forebay cache warm`.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import forebay as package
from tests.e2e.program import Program

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
