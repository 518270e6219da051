"""`forebay run`, `runs`, `sites` and `why` against a served hub, with an agent of one site."""

from __future__ import annotations

import json
import signal
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from forebay.testing.cached import World
from tests.e2e.agent import ScriptedAgent, site_at
from tests.e2e.program import Program
from tests.e2e.serving import running, told
from tests.e2e.sites import wait_for

pytestmark = pytest.mark.e2e

COUNT = "wc -c < {criteo}/day_0"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[Program, dict[str, str]]]:
    """The machine of the hub, and how to reach it."""
    world = World(tmp_path / "server")
    world.hub.close()
    program = Program(world.root)
    with running(program, "--port", "0") as process:
        served = told(process)
        yield program, {"FOREBAY_HUB": served["url"], "FOREBAY_TOKEN": served["token"]}


@pytest.fixture
def member(server: tuple[Program, dict[str, str]], days: Path, tmp_path: Path) -> Program:
    """Somebody with a laptop; `criteo@v1` is registered."""
    folder = tmp_path / "member"
    folder.mkdir()
    program = Program(folder, **server[1])
    program("dataset", "register", "criteo", days.as_uri())
    return program


@pytest.fixture
def dgx(server: tuple[Program, dict[str, str]], member: Program, tmp_path: Path) -> Iterator[ScriptedAgent]:
    """A site with two GPUs."""
    made = server[0]("token", "make", "--user", "admin", "--site", "dgx", "--json").json
    folder = tmp_path / "dgx"
    folder.mkdir()
    environment = Program(folder, FOREBAY_HUB=server[1]["FOREBAY_HUB"], FOREBAY_TOKEN=made["secret"]).env
    with site_at(environment, site="dgx", gpus=2, cpus=8, memory_bytes=2**34, labels="gpu-type=a100") as agent:
        yield agent


def judged(member: Program, run_id: str) -> dict[str, str]:
    """What `why` tells of a run once the scheduler has looked at it."""

    def look() -> dict[str, str] | None:
        (found,) = member("why", run_id, "--json").json
        return found if found["reason"] != "it was just submitted" else None

    return wait_for(look)


def run(member: Program, *arguments: str, code: int = 0) -> str:
    return member("run", "--no-code", *arguments, code=code).out


@pytest.mark.usefixtures("dgx")
def test_a_run_goes_where_its_data_come_prints_and_ends_as_its_command_does(member: Program) -> None:
    done = member("run", "--no-code", "--data", "criteo", "--gpus", "1", "--", "sh", "-c", f"{COUNT}; exit 7", code=7)
    assert done.out.strip() == "1000", done.err
    assert "filling at dgx" in done.err
    assert "failed at dgx" in done.err
    (found,) = member("runs", "ls", "--json").json["runs"]
    assert (found["state"], found["submitted_by"], found["site"]) == ("failed", "admin", "dgx")
    assert found["new"]["data"] == [{"name": "criteo", "ref": "criteo@v1"}]
    shown = member("runs", "show", found["run_id"][:8]).out
    for words in ("criteo=criteo@v1", "1 GPU", "dgx", "failed (7)"):
        assert words in shown
    assert member("runs", "logs", found["run_id"]).out == done.out
    pieces = [json.loads(line) for line in member("runs", "logs", "-f", found["run_id"], "--json").out.splitlines()]
    assert "".join(piece["text"] for piece in pieces) == done.out
    assert {piece["attempt"] for piece in pieces} == {1}
    assert member("runs", "ls", "--state", "failed", "--dataset", "criteo", "-q").ids == [found["run_id"]]
    assert member("runs", "ls", "--active", "-q").ids == []
    assert member("sites", "show", "dgx", "--json").json["ready"] == 1, "it was brought there"


@pytest.mark.usefixtures("dgx")
def test_the_folder_goes_along_once_as_its_code(member: Program, server: tuple[Program, dict[str, str]]) -> None:
    (member.folder / "train.py").write_text("print('trained')\n")
    (member.folder / "requirements.txt").write_text("# none\nnumpy\n")
    ended = member.process("run", "--env", "requirements.txt", "--json", "--", "true").json
    again = member.process("run", "--json", "--", "true").json
    assert again["new"]["code"]["bundle"] == ended["new"]["code"]["bundle"]
    assert ended["new"]["requirements"].endswith("numpy\n")
    shown = member("runs", "show", ended["run_id"]).out
    assert f"bundle {ended['new']['code']['bundle'][:12]}" in shown
    assert "1 requirement" in shown
    kept = [path for path in server[0].home.rglob("*.tar.gz") if path.is_file()]
    assert [path.name for path in kept] == [f"{ended['new']['code']['bundle']}.tar.gz"]
    with tarfile.open(kept[0]) as code:
        assert {"train.py", "requirements.txt"} <= set(code.getnames())


@pytest.mark.usefixtures("dgx")
def test_json_and_quiet_tell_the_result_when_it_has_ended(member: Program) -> None:
    ended = member(
        "run", "--no-code", "--json", "--var", "RATE=0.1", "--", "sh", "-c", "echo $RATE; exit 3", code=3
    ).json
    assert (ended["state"], ended["attempts"][0]["exit_code"]) == ("failed", 3)
    assert member("runs", "logs", ended["run_id"]).out == "0.1\n"
    (run_id,) = member("run", "--no-code", "-q", "--title", "quick", "--", "true").ids
    assert "quick" in member("runs", "ls").out
    assert member("runs", "show", run_id, "-q").ids == [run_id]


@pytest.mark.usefixtures("dgx")
def test_what_is_detached_can_be_followed_cancelled_and_tried_again(member: Program) -> None:
    slow = ("--", "sh", "-c", "echo begun; exec sleep 600")
    (run_id,) = member("run", "--no-code", "--detach", "-q", *slow).ids
    follower = member.start("runs", "logs", "-f", run_id)
    assert follower.stdout is not None
    assert follower.stdout.readline() == "begun\n"
    assert "dgx" in member("sites", "tasks").out
    assert member("why", run_id[:10], "--json").json[0]["state"] == "running"
    (cancelled,) = member("runs", "cancel", run_id, "-m", "enough", "--json").json
    assert cancelled["cancelled_by"] == "admin"
    out, err = follower.communicate(timeout=60)
    assert (out, err, follower.returncode) == ("", "", 0)
    assert member("runs", "show", run_id, "--json").json["state"] == "cancelled"
    assert member("runs", "cancel", run_id, "-q").ids == [run_id], "it stays so"
    member("runs", "retry", run_id, "--detach")
    assert member("runs", "cancel", run_id, "--json").json[0]["run_id"] == run_id
    again = member("runs", "retry", "00000000", "--json", code=3).error
    assert again["kind"] == "run-not-found"


@pytest.mark.usefixtures("dgx")
def test_ctrl_c_ends_the_following_not_the_run(member: Program) -> None:
    child = member.start("run", "--no-code", "--", "sh", "-c", "echo begun; exec sleep 600")
    assert child.stdout is not None
    assert child.stdout.readline() == "begun\n"
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=60)
    assert child.returncode == 2
    (run_id,) = member("runs", "ls", "--active", "-q").ids
    assert f"forebay runs logs -f {run_id}" in err
    member("runs", "cancel", run_id)


@pytest.mark.usefixtures("dgx")
def test_explain_shows_the_table_and_runs_nothing(member: Program) -> None:
    wanted = ("run", "--no-code", "--data", "criteo@v1", "--gpus", "1", "--explain")
    table = member(*wanted, "--", "true").out
    assert "dgx *" in table
    assert "It would go to dgx." in table
    found = member(*wanted, "--json", "--", "true").json
    assert (found["choice"], found["rows"][0]["missing_bytes"]) == ("dgx", 6000)
    none = member("run", "--no-code", "--gpus", "64", "--explain", "--", "true", code=6).out
    assert "No site will do now" in none
    assert "dgx:" in none, "what would unblock it"
    assert member("runs", "ls", "--json").json["runs"] == []


@pytest.mark.usefixtures("dgx")
def test_sites_are_shown_drained_and_priced(member: Program) -> None:
    assert "gpu-type=a100" in member("sites", "ls").out
    assert member("sites", "ls", "-q").ids == ["dgx"]
    assert "2 GPUs" in member("sites", "show", "dgx").out
    assert member("sites", "drain", "dgx", "-m", "new disks", "--json").json["state"] == "draining"
    assert "new disks" in member("sites", "ls").out
    (run_id,) = member("run", "--no-code", "-d", "-q", "--", "true").ids
    waits = judged(member, run_id)
    assert waits["state"] == "queued"
    assert "new disks" in waits["reason"]
    assert "what unblocks it" in member("why", run_id).out
    assert "--yes" in member("sites", "down", "dgx", code=2).err
    assert member("sites", "up", "dgx").out.startswith("dgx is up")
    member("runs", "logs", "-f", run_id)
    assert member("runs", "show", run_id, "--json").json["state"] == "succeeded"
    assert member("sites", "price", "dgx", "--gpu-hour", "2.5", "--json").json["gpu_hour_price"] == 2.5
    assert member("sites", "price", "dgx", "--cpu-hour", "0.5").out == "dgx: 2.5 a GPU hour, 0.5 a CPU hour\n"
    assert member("sites", "rm", "dgx", "--yes", "--json", code=5).error["kind"] == "site-in-use"
    assert "dgx" in member("sites", "show", "dgxx", "--json", code=3).error["todo"]


@pytest.mark.usefixtures("dgx")
def test_a_downtime_is_planned_shown_everywhere_and_cancelled(member: Program) -> None:
    planned = member(
        "sites", "downtime", "dgx", "--from", "10min", "--until", "8h", "--why", "new disks", "--json"
    ).json
    assert (planned["site"], planned["reason"]) == ("dgx", "new disks")
    for listed in (("sites", "ls"), ("sites", "show", "dgx"), ("sites", "downtime", "ls")):
        assert "new disks" in member(*listed).out
    assert member("sites", "show", "dgx", "--json").json["downtimes"] == [planned]
    (run_id,) = member("run", "--no-code", "-d", "-q", "--", "true").ids
    assert "it will be down for new disks from" in judged(member, run_id)["reason"]
    assert "--time-limit" in member("why", run_id).out
    table = member("run", "--no-code", "--explain", "--json", "--", "true", code=6).json
    assert "it will be down for new disks from" in table["rows"][0]["why_not"][0]
    member("run", "--no-code", "--time-limit", "1min", "--", "true")
    now = member("sites", "downtime", "plan", "dgx", "--until", "2h", "-q").ids[0]
    assert member("sites", "show", "dgx", "--json").json["site"]["state"] == "draining"
    for downtime_id in (now[:10], planned["downtime_id"]):
        assert "will not be down" in member("sites", "downtime", "cancel", "dgx", downtime_id).out
    assert member("sites", "downtime", "ls", "-q").ids == []
    member("runs", "logs", "-f", run_id)
    assert member("sites", "downtime", "dgx", "--until", "soon", "--json", code=2).error["kind"] == "bad-moment"
    assert member("sites", "downtime", "dgx", "--from", "2h", "--until", "1h", "--json", code=2).error["kind"] == (
        "bad-downtime"
    )


@pytest.mark.usefixtures("dgx")
def test_why_tells_of_a_version_at_its_sites(member: Program) -> None:
    (absent,) = member("why", "criteo@v1", "--json").json
    assert (absent["site"], absent["state"]) == ("dgx", "absent")
    run(member, "--data", "criteo", "--", "true")
    (ready,) = member("why", "criteo", "--site", "dgx", "--json").json
    assert (ready["what"], ready["state"]) == ("replica", "ready")
    assert "criteo@v1 at dgx" in member("why", "criteo@v1").out
    assert "criteo" in member("why", "criteoo", "--json", code=3).error["todo"]


@pytest.mark.usefixtures("dgx")
def test_what_is_asked_wrongly_says_so(member: Program) -> None:
    assert "no command" in member("run", "--data", "criteo", code=2).err
    twice = ("--data", "criteo@v1", "--data", "criteo@v1")
    assert "twice" in run_error(member, *twice)
    assert "RATE" in run_error(member, "--var", "RATE")
    assert "--time-limit" in run_error(member, "--time-limit", "soon")
    assert "Did you mean gpu-type" in run_error(member, "--where", "gpu-typ=a100")
    assert "Did you mean criteo" in run_error(member, "--data", "criteu", code=3)
    assert "Did you mean running" in member("runs", "ls", "--state", "runing", "--json", code=2).error["todo"]
    assert "nowhere.txt" in run_error(member, "--env", "nowhere.txt", code=3)


def run_error(member: Program, *arguments: str, code: int = 2) -> str:
    error = member("run", "--no-code", *arguments, "--json", "--", "true", code=code).error
    return f"{error['message']} {error['todo']}"


def test_without_a_site_it_says_what_to_do(forebay: Program, days: Path) -> None:
    forebay("dataset", "register", "criteo", days.as_uri())
    refused = forebay("run", "--data", "criteo", "--no-code", "--json", "--", "true", code=6).error
    assert refused["kind"] == "no-site"
    assert "forebay up" in refused["todo"]
    assert "forebay exec criteo" in refused["todo"]
    assert forebay("sites", "ls", "--json").json == []
    assert "forebay up" in forebay("sites", "ls").out
    assert forebay("runs", "ls", "--json").json == {"runs": [], "next_before": ""}
    assert "forebay run" in forebay("runs", "ls").out
    assert forebay("why", "criteo@v1", "--json", code=3).error["kind"] == "no-site"
    assert forebay("sites", "tasks").out == "Nothing is to be done.\n"
