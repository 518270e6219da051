"""Runs forebay as its users do: in this process where a process is not the point (it is much faster), or as one."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from forebay.cli.main import main

FOREBAY = Path(sys.executable).parent / "forebay"


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def error(self) -> dict[str, str]:
        """The error that `--json` prints."""
        found: dict[str, str] = json.loads(self.err)
        return found

    @property
    def ids(self) -> list[str]:
        return self.out.split()


class Program:
    """forebay with a home of its own. Called, it runs one command here and expects the exit code `code`."""

    def __init__(self, folder: Path, **env: str) -> None:
        self.folder = folder
        self.home = folder / "home"
        own = {"FOREBAY_HOME": str(self.home), "XDG_CONFIG_HOME": str(folder / "config"), "COLUMNS": "100"}
        kept = {name: value for name, value in os.environ.items() if not name.startswith("FOREBAY_")}
        self.env: Mapping[str, str] = {**kept, **own, **env}

    def __call__(self, *arguments: str | Path, code: int = 0) -> Done:
        out, err = io.StringIO(), io.StringIO()
        with mock.patch.dict(os.environ, self.env, clear=True), redirect_stdout(out), redirect_stderr(err):
            found = main([str(argument) for argument in arguments])
        assert found == code, f"exit code {found}: {out.getvalue()}{err.getvalue()}"
        return Done(code=found, out=out.getvalue(), err=err.getvalue())

    def start(self, *arguments: str | Path, **options: Any) -> subprocess.Popen[str]:
        """The same as a process of its own; the caller waits for it."""
        # Whoever runs the tests in the background may have Ctrl-C ignored, which a child would inherit.
        command = ["env", "--default-signal=INT", str(FOREBAY), *map(str, arguments)]
        pipe = subprocess.PIPE
        streams = {"stdin": subprocess.DEVNULL, "stdout": pipe, "stderr": pipe, **options}
        return subprocess.Popen(command, env=dict(self.env), cwd=self.folder, text=True, **streams)

    def process(self, *arguments: str | Path, code: int = 0, limit_s: float = 60) -> Done:
        """A process from its start to its end."""
        child = self.start(*arguments)
        out, err = child.communicate(timeout=limit_s)
        assert child.returncode == code, f"exit code {child.returncode}: {out}{err}"
        return Done(code=child.returncode, out=out, err=err)
