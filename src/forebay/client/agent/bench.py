"""Where a site's runs are worked on: their folders, their environments, the engine that starts them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from forebay.client.agent.hold import Hold
from forebay.client.session import Session
from forebay.errors import ConflictError
from forebay.fsio import Disk
from forebay.runs.executors import dask_run
from forebay.runs.executors.environment import Environments
from forebay.runs.executors.protocol import Executor, Job, JobKey
from forebay.runs.executors.unpack import unpack
from forebay.runs.left import REPORTS
from forebay.runs.placeholders import filled_in, variables_of
from forebay.settings import MEANINGS
from forebay.sites.site import Resources
from forebay.wire.runs import NewRun, RunOrder

_OURS = ("DEBUG", "JOB", "RUN_ID", "RUN_ATTEMPT", "REPORTS")
_LEFT = "left"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """`look_s`: how often the engine is asked how a job is, once that runs for a while."""

    session: Session
    executor: Executor
    environments: Environments
    folder: Path
    hold: Hold
    look_s: float

    def folder_of(self, key: JobKey) -> Path:
        """`work` is where the command runs, `out/NAME` its outputs, `log` its log, `engine` what its engine needs.

        `left` is what it leaves to be looked at.
        """
        return self.folder / key.name

    def left_by(self, key: JobKey) -> Path:
        """The folder that a run knows as FOREBAY_REPORTS."""
        return self.folder_of(key) / _LEFT

    def lay_out(self, key: JobKey, new: NewRun) -> None:
        """Its folder, with its code. What an earlier try left there is made anew."""
        folder = self.folder_of(key)
        self._clear(folder)
        for path in (folder, folder / "engine", folder / _LEFT, *self._outputs(folder, new).values()):
            path.mkdir(parents=True, exist_ok=True)
        self._put_code(new, folder / "work")

    def job_of(self, key: JobKey, run: RunOrder, data: Mapping[str, Path], should_stop: Callable[[], bool]) -> Job:
        """The job, in a folder that is laid out; the same one each time."""
        folder, new = self.folder_of(key), run.new
        words = {**data, **self._outputs(folder, new)}
        return Job(
            key=key,
            command=self._command(folder, new, filled_in(new.command, words)),
            folder=folder / "work",
            log_folder=folder / "log",
            environment=self._environment(run, words, folder / _LEFT, should_stop),
            resources=Resources(gpus=new.gpus, cpus=new.cpus, memory_bytes=new.memory_bytes),
            nodes=new.nodes,
            time_limit_s=new.time_limit_s or None,
            grace_s=self.hold.grace_s,
        )

    def forget(self, key: JobKey) -> None:
        """Drop what is kept of a job that has ended."""
        self.hold.unwatch(key)
        try:
            self.executor.forget(key)
        except ConflictError:
            # It runs: whoever gave it up did not see its end. Its deadline ends it.
            return
        self._clear(self.folder_of(key))

    def _command(self, folder: Path, new: NewRun, command: Sequence[str]) -> tuple[str, ...]:
        """With its engine around it; the engine's program goes along, as nodes may have no forebay."""
        if new.engine != "dask":
            return tuple(command)
        engine = folder / "engine"
        program = engine / "dask_run.py"
        program.write_bytes(Path(dask_run.__file__).read_bytes())
        return ("python3", str(program), str(engine), str(new.cpus), str(new.memory_bytes), "--", *command)

    def _outputs(self, folder: Path, new: NewRun) -> dict[str, Path]:
        return {output.name: folder / "out" / output.name for output in new.outputs}

    def _clear(self, folder: Path) -> None:
        if folder.exists():
            Disk().remove_tree(folder)

    def _put_code(self, new: NewRun, folder: Path) -> None:
        if not new.code.bundle:
            folder.mkdir()
            return
        unpack(self.session.hub.runs.code_path(new.code.bundle), folder, digest=new.code.bundle)

    def _environment(
        self, run: RunOrder, words: Mapping[str, Path], left: Path, should_stop: Callable[[], bool]
    ) -> dict[str, str]:
        taken = [*_OURS, *(name.upper() for name in MEANINGS)]
        paths, _ = variables_of({name: str(path) for name, path in words.items()}, taken)
        given = {item.name: item.value for item in run.new.variables}
        told = {"FOREBAY_RUN_ID": run.run_id, "FOREBAY_RUN_ATTEMPT": str(run.attempt), REPORTS: str(left)}
        return {**self._python(run.new, should_stop), **given, **paths, **told}

    def _python(self, new: NewRun, should_stop: Callable[[], bool]) -> dict[str, str]:
        """The environment of its requirements comes first on its PATH."""
        if not new.requirements.strip():
            return {}
        made = self.environments.ready(new.requirements, should_stop)
        return {"VIRTUAL_ENV": str(made), "PATH": f"{made / 'bin'}:{os.environ.get('PATH', os.defpath)}"}
