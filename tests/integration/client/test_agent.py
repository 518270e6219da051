"""An agent in this process, with a real hub, volume, lake and engine: what it is ordered is done, and told."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest

from forebay.cache.health import Act
from forebay.cache.policy import Rule
from forebay.client.agent.agent import site_agent
from forebay.client.keep import decide, explain
from forebay.client.register import register
from forebay.client.session import Session
from forebay.fsio import Disk
from forebay.hub.local import LocalHub
from forebay.runs.executors.bundle import pack
from forebay.runs.executors.process import ProcessExecutor
from forebay.runs.executors.protocol import Job, JobKey, is_final
from forebay.sites.agent.journal import Journal, Note
from forebay.wire.cache import ReplicaState
from forebay.wire.catalog import ParentVersion, Version
from forebay.wire.hub import Hub
from forebay.wire.previews import Preview, PreviewKind, PreviewState
from forebay.wire.rules import NewRule, PlaceState
from forebay.wire.runs import Code, DataUse, Ending, NewRun, Output, Retry, Run, RunState, Variable
from forebay.wire.sites import TaskKind, TaskState

Found = TypeVar("Found")
PATIENCE_S = 60.0


class Here:
    """A hub with one site, of which an agent looks after."""

    def __init__(self, session: Session, lake: Path) -> None:
        self.session = session
        self.hub = session.hub
        self.lake = lake

    def version(self, dataset: str, files: Mapping[str, str]) -> Version:
        folder = self.lake / dataset
        folder.mkdir(parents=True)
        for name, text in files.items():
            (folder / name).write_text(text)
        return register(self.session, dataset, [f"{folder.as_uri()}/"]).version

    def state_of(self, version: Version) -> ReplicaState:
        found = self.hub.replicas.get(self.session.cache.volume_id, version)
        return ReplicaState.ABSENT if found is None else found.state

    def ask(self, kind: TaskKind, ref: str) -> None:
        self.hub.sites.ask("here", kind, ref, "a test wants it")

    def stands(self, rule_id: str) -> PlaceState | None:
        places = self.hub.rules.get(rule_id).places
        return places[0].state if places else None

    def wait_idle(self) -> None:
        wait_for(lambda: not self.hub.sites.tasks("here"))

    def run(self, *command: str, **more: object) -> Run:
        new = replace(NewRun(command=command, submitted_by="ada"), **more)  # type: ignore[arg-type]
        return self.hub.runs.submit(new)

    def ended(self, run: Run) -> Run:
        return ended(self.hub, run)

    def log(self, run: Run) -> str:
        return self.hub.runs.log(run.run_id, 0, 0, 1 << 20).text


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Here]:
    with Session.start({"home": tmp_path / "home", "hub": "", "site": "here"}) as session:
        assert isinstance(session.hub, LocalHub)
        with session.hub.scheduler.running(), site_agent(session) as agent:
            life = threading.Thread(target=agent.run)
            life.start()
            try:
                wait_for(session.hub.sites.all)
                yield Here(session, tmp_path / "lake")
            finally:
                agent.stop()
                life.join()


def wait_for(look: Callable[[], Found | None]) -> Found:
    deadline = time.monotonic() + PATIENCE_S
    while not (found := look()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)
    return found


def ended(hub: Hub, run: Run) -> Run:
    try:
        return wait_for(lambda: found if (found := hub.runs.get(run.run_id)).state.is_final else None)
    except AssertionError as error:
        raise AssertionError(f"{hub.runs.get(run.run_id)}: {hub.sites.tasks()}") from error


def test_what_is_asked_for_is_filled_verified_and_evicted(here: Here) -> None:
    version = here.version("criteo", {"day_0": "1,2", "day_1": "3"})
    here.ask(TaskKind.FILL, version.ref)
    wait_for(lambda: here.state_of(version) is ReplicaState.READY)
    here.wait_idle()
    before = here.session.cache.replicas()[0].verified_at
    here.ask(TaskKind.SCRUB, "")
    here.wait_idle()
    assert here.session.cache.replicas()[0].verified_at >= before
    here.ask(TaskKind.EVICT, version.ref)
    wait_for(lambda: here.state_of(version) is ReplicaState.ABSENT)


def test_what_fails_says_why_and_delays_nothing(here: Here) -> None:
    lost, kept = here.version("lost", {"a": "1"}), here.version("kept", {"b": "2"})
    (here.lake / "lost" / "a").unlink()
    here.ask(TaskKind.FILL, lost.ref)
    here.ask(TaskKind.FILL, kept.ref)
    wait_for(lambda: here.state_of(kept) is ReplicaState.READY)
    (task,) = wait_for(lambda: [item for item in here.hub.sites.tasks("here") if item.last_error])
    assert task.ref == lost.ref
    assert task.state is TaskState.WAITING
    assert "a" in task.last_error


def test_a_rule_s_new_version_comes_first_and_then_the_old_one_may_go(here: Here) -> None:
    hub = here.hub
    old = here.version("criteo", {"day_0": "1"})
    hub.catalog.tag("criteo", "prod", old.number, "ana")
    rule_id = hub.rules.add(NewRule(ref="criteo@prod", owner="ana")).rule_id
    wait_for(lambda: here.stands(rule_id) is PlaceState.SATISFIED)
    folder = here.lake / "criteo"
    (folder / "day_1").write_text("2")
    new = register(here.session, "criteo", [f"{folder.as_uri()}/"]).version
    away = (folder / "day_1").rename(here.lake / "away")
    hub.catalog.tag("criteo", "prod", new.number, "ana")
    place = wait_for(lambda: found if (found := hub.rules.get(rule_id).places[0]).last_error else None)
    assert (place.ref, place.state, place.keeps) == (new.ref, PlaceState.WAITING, (old.ref,))
    assert "day_1" in place.last_error
    told = f"pinned by rule {rule_id}: criteo@prod at every site, by ana"
    assert explain(here.session, old).reason == told
    assert decide(here.session, [old])[0].rule is Rule.PINNED
    away.rename(folder / "day_1")
    for task in hub.sites.tasks("here"):
        hub.sites.withdraw(task.task_id, "it is mended")
    wait_for(lambda: here.state_of(new) is ReplicaState.READY)
    wait_for(lambda: here.stands(rule_id) is PlaceState.SATISFIED)
    assert decide(here.session, [old])[0].evict
    here.ask(TaskKind.EVICT, old.ref)
    wait_for(lambda: here.state_of(old) is ReplicaState.ABSENT)
    assert decide(here.session, [new])[0].rule is Rule.PINNED


def test_a_run_reads_its_data_makes_versions_and_its_log_is_told(here: Here) -> None:
    data = here.version("criteo", {"day_0": "clicks"})
    script = 'cat {criteo}/day_0 $FOREBAY_CRITEO/day_0; echo " $SEED $FOREBAY_RUN_ATTEMPT"; cp {criteo}/day_0 {model}/w'
    run = here.run(
        "sh",
        "-c",
        script,
        data=(DataUse(name="criteo", ref="criteo"),),
        outputs=(Output(name="model", dataset="criteo-model"),),
        variables=(Variable(name="SEED", value="7"),),
    )
    done = here.ended(run)
    assert done.state is RunState.SUCCEEDED, done
    assert here.log(run) == "clicksclicks 7 1\n", done.attempts
    assert done.made == ("criteo-model@v1",)
    made = here.hub.catalog.resolve("criteo-model@v1")
    assert made.created_by == "ada"
    assert made.parents == (ParentVersion(dataset="criteo", number=data.number),)
    assert made.made_by.parameters.startswith(f"run {run.run_id}; no requirements; ")
    assert made.made_by.parameters.endswith("; engine process")
    assert here.state_of(made) is ReplicaState.READY, "it is at hand for the next run"
    assert not here.hub.leases.live(here.session.cache.volume_id)
    wait_for(lambda: not any((here.session.settings.home / "agent" / "here" / "runs").iterdir()))


def test_a_failed_run_is_tried_again_as_declared(here: Here) -> None:
    run = here.run("sh", "-c", "echo $FOREBAY_RUN_ATTEMPT; exit 3", retry=Retry(attempts=2, backoff_s=0.1))
    done = here.ended(run)
    assert done.state is RunState.FAILED
    assert [(item.ending, item.exit_code) for item in done.attempts] == [(Ending.FAILED, 3)] * 2
    assert here.log(run) == "2\n"


def test_a_command_that_is_not_there_is_not_tried_again(here: Here) -> None:
    done = here.ended(here.run("no-such-command", retry=Retry(attempts=5, backoff_s=0.1)))
    assert done.state is RunState.FAILED
    assert len(done.attempts) == 1


def test_outputs_that_are_not_there_fail_the_run(here: Here) -> None:
    done = here.ended(here.run("true", outputs=(Output(name="model", dataset="empty-model"),)))
    assert done.state is RunState.FAILED
    assert "outputs can't be committed" in done.reason
    assert done.made == ()


def test_a_cancelled_run_ends_with_all_that_it_started(here: Here, tmp_path: Path) -> None:
    family = tmp_path / "family"
    script = f"setsid sh -c 'echo $$ >> {family}; exec sleep 600' & echo $$ >> {family}; wait"
    run = here.run("sh", "-c", script)
    wait_for(lambda: family.exists() and len(family.read_text().split()) == 2)
    here.hub.runs.cancel(run.run_id, by="ada")
    done = here.ended(run)
    assert done.state is RunState.CANCELLED
    for number in family.read_text().split():
        with pytest.raises(ProcessLookupError):
            os.kill(int(number), 0)


def test_a_run_has_its_code_and_an_environment_of_its_own(here: Here, tmp_path: Path) -> None:
    code, archive = tmp_path / "code", tmp_path / "code.tar.gz"
    code.mkdir()
    (code / "main.py").write_text("import sys; print('environments' in sys.prefix)\n")
    pack(code, archive)
    bundle = here.hub.runs.store_code(archive)
    run = here.run("python", "main.py", code=Code(bundle=bundle), requirements="# nothing but Python\n")
    done = here.ended(run)
    assert done.state is RunState.SUCCEEDED, done
    assert here.log(run) == "True\n"


def test_a_run_of_a_dataset_that_has_gone_fails_with_the_reason(here: Here) -> None:
    version = here.version("criteo", {"day_0": "1"})
    (here.lake / "criteo" / "day_0").write_text("changed")
    run = here.run("true", data=(DataUse(name="criteo", ref=version.ref),))
    waiting = wait_for(lambda: found if "day_0" in (found := here.hub.runs.get(run.run_id)).reason else None)
    assert waiting.state in (RunState.FILLING, RunState.FAILED)


def test_a_job_that_no_note_speaks_of_is_ended_by_the_next_agent(tmp_path: Path) -> None:
    """Its agent was killed after it had given the task up, and before the job was gone."""
    root = tmp_path / "home" / "agent" / "here" / "jobs"
    executor, key = ProcessExecutor(root), JobKey(run_id="r", attempt=1, token=1)
    executor.start(Job(key=key, command=("sleep", "600"), folder=tmp_path, log_folder=tmp_path / "log", grace_s=1.0))
    with Session.start({"home": tmp_path / "home", "hub": "", "site": "here"}) as session, site_agent(session):
        wait_for(lambda: is_final(executor.look(key)))
    with Session.start({"home": tmp_path / "home", "hub": "", "site": "here"}) as session, site_agent(session):
        assert executor.known() == ()


def test_a_run_whose_agent_died_before_its_engine_had_it_is_started_by_the_next_one(tmp_path: Path) -> None:
    """Its note is there, and nothing else."""
    with Session.start({"home": tmp_path / "home", "hub": "", "site": "here"}) as session:
        with site_agent(session) as agent:
            terms = session.hub.sites.attach(agent.hello)
        run = session.hub.runs.submit(NewRun(command=("echo", "begun"), submitted_by="ada"))
        (order,) = wait_for(lambda: session.hub.sites.orders("here", terms.agent_token, 0, 0.0).orders)
        Journal(session.settings.home / "agent" / "here", Disk()).note(Note(order=order))
        with site_agent(session) as agent:
            life = threading.Thread(target=agent.run)
            life.start()
            done = ended(session.hub, run)
            agent.pause()
            life.join()
    assert done.state is RunState.SUCCEEDED
    assert len(done.attempts) == 1


def test_a_run_whose_data_have_gone_with_the_volume_is_given_back_and_goes_on_when_they_are_there(here: Here) -> None:
    version, root = here.version("criteo", {"day_0": "1,2\n"}), here.session.cache.layout.root
    here.ask(TaskKind.FILL, version.ref)
    here.wait_idle()
    unmounted = root.rename(root.with_name("unmounted"))
    root.mkdir()
    run = here.run("cat", "{criteo}/day_0", data=(DataUse(name="criteo", ref=version.ref),))
    wait_for(lambda: here.hub.runs.get(run.run_id).attempts and here.hub.runs.get(run.run_id).attempts[0].ending)
    assert here.hub.runs.get(run.run_id).state is RunState.QUEUED
    root.rmdir()
    unmounted.rename(root)
    here.session.cache.require(Act.FILL, ask=True)
    done = here.ended(run)
    assert done.state is RunState.SUCCEEDED, done
    assert {attempt.ending for attempt in done.attempts[:-1]} == {Ending.LOST}
    assert here.log(run) == "1,2\n"


def test_what_a_run_leaves_is_kept_with_it_however_it_ends(here: Here) -> None:
    script = 'echo "{\\"auc\\": 0.75}" > "$FOREBAY_REPORTS/metrics.json"; exit 3'
    run = here.ended(here.run("sh", "-c", script))
    assert run.state is RunState.FAILED
    (kept,) = here.hub.runs.keepsakes(run.run_id)
    assert (kept.attempt, kept.name) == (1, "metrics.json")
    assert here.hub.runs.keepsake(run.run_id, 1, "metrics.json") == b'{"auc": 0.75}\n'


def looked_at(here: Here, ref: str, path: str) -> Preview:
    """As it stands once it stands for good, for now."""
    wait_for(lambda: here.hub.previews.ask(ref, PreviewKind.TABLE, path).state is not PreviewState.ORDERED)
    return here.hub.previews.ask(ref, PreviewKind.TABLE, path)


def test_a_preview_is_made_of_what_is_ready_and_counts_for_no_use(here: Here) -> None:
    version = here.version("criteo", {"day_0.csv": "n,w\n1,a\n2,b\n", "torn.parquet": "PAR1"})
    asked = here.hub.previews.ask(version.ref, PreviewKind.TABLE, "day_0.csv")
    assert (asked.state, asked.site) == (PreviewState.WAITING, "")
    here.ask(TaskKind.FILL, version.ref)
    wait_for(lambda: here.state_of(version) is ReplicaState.READY)
    found = looked_at(here, version.ref, "day_0.csv")
    assert found.table is not None, found
    assert found.table.sample == (("1", "a"), ("2", "b"))
    torn = looked_at(here, version.ref, "torn.parquet")
    assert (torn.state, torn.table) == (PreviewState.FAILED, None)
    assert "can't be read" in torn.reason
    assert here.hub.leases.live(here.session.cache.volume_id) == []
    assert here.hub.volumes.uses(here.session.cache.volume_id) == []


def test_a_preview_of_what_went_meanwhile_says_so(here: Here) -> None:
    version = here.version("criteo", {"day_0.csv": "n,w\n1,a\n"})
    here.ask(TaskKind.FILL, version.ref)
    wait_for(lambda: here.state_of(version) is ReplicaState.READY)
    tree = here.session.cache.layout.tree_of(version)
    tree.chmod(0o755)
    (tree / "day_0.csv").unlink()
    gone = looked_at(here, version.ref, "day_0.csv")
    assert (gone.state, gone.attempts) == (PreviewState.WAITING, 1)
    assert "went while" in gone.reason
