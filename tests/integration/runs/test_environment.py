"""Environments: made once however many ask, never used half-made, by uv and by pip; why one could not be made."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from forebay.errors import InputError, UnavailableError
from forebay.runs.executors.environment import Environments, find_uv
from tests.contract.executors.site import wait_for

pytestmark = pytest.mark.integration

BUILD = """
import sys
from pathlib import Path
from forebay.runs.executors.environment import Environments
print(Environments(Path(sys.argv[1]), uv=sys.argv[2]).ready(sys.argv[3]))
"""


@pytest.fixture
def wheel(tmp_path: Path) -> str:
    """A package as a line of requirements; nothing is fetched for it."""
    path = tmp_path / "demo_of_ours-1.0-py3-none-any.whl"
    facts = "demo_of_ours-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("demo_of_ours.py", "WORD = 'here'\n")
        file.writestr(f"{facts}/METADATA", "Metadata-Version: 2.1\nName: demo-of-ours\nVersion: 1.0\n")
        file.writestr(f"{facts}/WHEEL", "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr(f"{facts}/RECORD", "")
    return f"demo-of-ours @ {path.as_uri()}\n"


@pytest.fixture
def uv() -> str:
    found = find_uv()
    assert found is not None, "make setup brings it"
    return found


@pytest.mark.parametrize("installer", ["uv", "pip"])
def test_it_has_what_was_asked_for(tmp_path: Path, wheel: str, uv: str, installer: str) -> None:
    environments = Environments(tmp_path / "environments", uv=uv if installer == "uv" else None)
    folder = environments.ready(wheel)
    show = [str(folder / "bin" / "python"), "-c", "import demo_of_ours, sys; print(demo_of_ours.WORD, sys.prefix)"]
    assert subprocess.check_output(show, text=True).split() == ["here", str(folder)]
    assert environments.ready(wheel) == folder
    assert Environments(tmp_path / "environments", uv=uv).ready(wheel) == folder, "whoever asks"


def test_of_several_at_once_one_makes_it(tmp_path: Path, wheel: str, uv: str) -> None:
    root = tmp_path / "environments"
    command = [sys.executable, "-c", BUILD, str(root), uv, wheel]
    with ThreadPoolExecutor(4) as pool:
        others = pool.map(lambda _: subprocess.check_output(command, text=True).strip(), range(2))
        ours = pool.map(lambda _: str(Environments(root, uv=uv).ready(wheel)), range(2))
        assert len({*others, *ours}) == 1
    assert len([path for path in root.iterdir() if path.is_dir()]) == 1


def test_one_whose_maker_was_killed_is_made_anew(tmp_path: Path, wheel: str) -> None:
    root = tmp_path / "environments"
    stuck = tmp_path / "stuck"
    # An installer that makes half of an environment and then does nothing for ever.
    script = 'mkdir -p "$6/bin"; touch "$6/bin/python"; echo $$ > "$0.pid"; exec sleep 1000'
    stuck.write_text(f"#!/bin/sh\n{script}\n")
    stuck.chmod(0o755)
    maker = subprocess.Popen([sys.executable, "-c", BUILD, str(root), str(stuck), wheel], stdout=subprocess.DEVNULL)
    pid = Path(f"{stuck}.pid")
    wait_for(lambda: pid.exists() and pid.read_text())
    maker.kill()
    maker.wait()
    os.kill(int(pid.read_text()), signal.SIGKILL)
    uv = find_uv()
    folder = Environments(root, uv=uv).ready(wheel)
    assert (folder / "bin" / "python").resolve().exists()
    assert [path for path in root.iterdir() if path.is_dir()] == [folder]


def test_the_last_words_of_the_installer_are_told(tmp_path: Path, uv: str) -> None:
    environments = Environments(tmp_path / "environments", uv=uv)
    missing = (tmp_path / "nowhere-1.0-py3-none-any.whl").as_uri()
    with pytest.raises(InputError) as caught:
        environments.ready(f"nowhere @ {missing}")
    assert caught.value.kind == "environment-failed"
    assert "nowhere" in caught.value.todo
    assert not [path for path in (tmp_path / "environments").iterdir() if path.is_dir()]


def test_who_waits_for_another_stops_when_told_to(tmp_path: Path) -> None:
    root, stuck, began, over = tmp_path / "environments", tmp_path / "stuck", tmp_path / "began", threading.Event()
    stuck.write_text(f"#!/bin/sh\ntouch {began}\nexec sleep 1000\n")
    stuck.chmod(0o755)
    with ThreadPoolExecutor(1) as pool:
        maker = pool.submit(Environments(root, uv=str(stuck)).ready, "", over.is_set)
        wait_for(began.exists)
        with pytest.raises(UnavailableError, match="another's"):
            Environments(root, uv=str(stuck)).ready("", lambda: True)
        over.set()
        assert isinstance(maker.exception(), UnavailableError)


def test_it_stops_when_it_is_told_to(tmp_path: Path) -> None:
    stuck = tmp_path / "stuck"
    stuck.write_text("#!/bin/sh\nexec sleep 1000\n")
    stuck.chmod(0o755)
    with pytest.raises(UnavailableError) as caught:
        Environments(tmp_path / "environments", uv=str(stuck)).ready("", lambda: True)
    assert caught.value.kind == "environment-stopped"
