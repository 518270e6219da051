"""Help and reference: complete, with examples, and light."""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer.main

from forebay.cli.main import app

ROOT = Path(__file__).parents[3]
REFERENCE = runpy.run_path(str(ROOT / "scripts" / "cli_reference.py"))
SETTINGS = runpy.run_path(str(ROOT / "scripts" / "settings_reference.py"))
COMMANDS: dict[str, Any] = dict(REFERENCE["leaves"](typer.main.get_command(app), "forebay"))
HEAVY = ("sqlalchemy", "pydantic", "pyarrow", "numpy", "obstore", "structlog", "rich", "alembic", "asyncio")


def test_the_reference_is_what_the_program_says() -> None:
    page = (ROOT / "docs" / "cli.md").read_text()
    assert page == REFERENCE["render"](), "bring it up to date: python scripts/cli_reference.py"


def test_the_page_of_settings_is_what_they_are() -> None:
    page = (ROOT / "docs" / "settings.md").read_text()
    assert page == SETTINGS["render"](), "bring it up to date: python scripts/settings_reference.py"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_an_example_and_the_common_options(name: str) -> None:
    command = COMMANDS[name]
    summary, _, example = command.help.partition("\n\n\b\nExample:\n")
    assert name in example
    assert summary.split("\n")[0].endswith(".")
    options = {option for parameter in command.params for option in parameter.opts}
    assert options >= {"--json", "--quiet", "-q", "--home", "--volume"}
    assert all(parameter.help for parameter in command.params if parameter.name not in ("tag",))


@pytest.mark.parametrize(
    "group", ["", "dataset", "cache", "rule", "hub", "ctr", "user", "team", "token", "audit", "config"]
)
def test_no_summary_is_cut(group: str) -> None:
    command: Any = typer.main.get_command(app)
    context = typer.Context(command, info_name="forebay", terminal_width=80)
    if group:
        command = command.commands[group]
        context = typer.Context(command, info_name=group, parent=context, terminal_width=80)
    assert "..." not in command.get_help(context).partition("Commands:")[2]


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [
        (["--help"], {}),
        (["cache", "warm", "--help"], {}),
        (["--version"], {}),
        ([], {"_FOREBAY_COMPLETE": "complete_bash", "COMP_WORDS": "forebay cache ", "COMP_CWORD": "2"}),
    ],
    ids=["help", "command help", "version", "completion"],
)
def test_help_and_completion_import_nothing_heavy(arguments: list[str], environment: dict[str, str]) -> None:
    script = (
        "import sys\nfrom forebay.cli.main import main\n"
        "try: main(sys.argv[1:])\nexcept SystemExit: pass\n"
        f"sys.stderr.write(' '.join(name for name in {HEAVY} if name in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stderr == ""
    assert done.stdout
