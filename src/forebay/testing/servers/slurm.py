"""A Slurm cluster on this machine, of two nodes with two GPUs that are none; started by hand, without systemd.

As root or as anybody else, whose own jobs it then runs. It keeps no accounts, so sacct has nothing to say.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from forebay.errors import UnavailableError
from forebay.testing.servers.process import (
    START_TIMEOUT_S,
    find_program,
    free_ports,
    run_server,
    scratch_folder,
)

_SBIN = (Path("/usr/sbin"),)
_PART = "Slurm (Debian slurmctld slurmd slurm-client munge)"
_PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch")
_MUNGE_USER = "munge"
_CPUS = 64
_MEMORY_MIB = 1 << 20
NODES = ("node", "second")
GPUS = 2

_CONFIGURATION = """\
ClusterName=forebay
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
SlurmctldPort={controller_port}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
CryptoType=crypto/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerCPU=256
SchedulerParameters=sched_interval=1,batch_sched_delay=0
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
ReturnToService=2
SlurmdParameters=config_overrides
GresTypes=gpu
KillWait=5
MinJobAge=300
NodeName=DEFAULT CPUs={cpus} RealMemory={memory_mib} Gres=gpu:{gpus} State=UNKNOWN
NodeName=node NodeHostname={host} NodeAddr=127.0.0.1 Port={node_port} Weight=1
NodeName=second NodeHostname={host} NodeAddr=127.0.0.1 Port={second_port} Weight=2
PartitionName=all Nodes=node,second Default=YES MaxTime=INFINITE State=UP
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slurm:
    """A running cluster; `environment` makes Slurm's tools speak to it."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        return {"SLURM_CONF": str(self.folder / "slurm.conf")}

    @classmethod
    @contextlib.contextmanager
    def start(cls) -> Iterator[Slurm]:
        """A cluster of its own, with nothing in its queue."""
        programs = {name: find_program(name, _PART, folders=_SBIN) for name in _PROGRAMS}
        with scratch_folder("slurm") as folder:
            cluster = cls(folder=folder)
            cluster._configure()
            munge, munge_user = folder / "munge", _MUNGE_USER if os.geteuid() == 0 else None
            with contextlib.ExitStack() as stack:
                daemon = stack.enter_context(
                    run_server("munged", _munged(programs["munged"], munge), folder=munge, user=munge_user)
                )
                daemon.wait_until((munge / "socket").exists)
                controller = cluster._command(programs["slurmctld"])
                stack.enter_context(run_server("slurmctld", controller, folder=folder, env=cluster._daemons()))
                for node in NODES:
                    command = [*cluster._command(programs["slurmd"]), "-N", node]
                    daemon = stack.enter_context(run_server(node, command, folder=folder, env=cluster._daemons()))
                daemon.wait_until(cluster._is_idle)
                try:
                    yield cluster
                finally:
                    cluster._end_jobs()

    def ask(self, *command: str) -> str:
        """What one of Slurm's tools answers."""
        environment = {**os.environ, **self.environment}
        return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout

    @contextlib.contextmanager
    def node_down(self) -> Iterator[None]:
        """The first node, which takes every job that fits there, fails; after the block it takes jobs again."""
        self.ask("scontrol", "update", "NodeName=node", "State=DOWN", "Reason=test")
        try:
            yield
        finally:
            _wait_until(self._resumed, "the node does not come back")

    def _resumed(self) -> bool:
        # It may come back by itself, and then Slurm refuses to be told so.
        with contextlib.suppress(subprocess.CalledProcessError):
            self.ask("scontrol", "update", "NodeName=node", "State=RESUME")
        return self._is_idle()

    def _end_jobs(self) -> None:
        """Before the daemons: a step whose controller is gone waits for it for ever."""
        self.ask("scancel", f"--user={_user()}")
        _wait_until(lambda: not self.ask("squeue", "--noheader").strip(), "its jobs do not end")

    def _configure(self) -> None:
        controller_port, node_port, second_port = free_ports(3)
        text = _CONFIGURATION.format(
            user=_user(),
            host=socket.gethostname().partition(".")[0],
            controller_port=controller_port,
            node_port=node_port,
            second_port=second_port,
            folder=self.folder,
            cpus=_CPUS,
            memory_mib=_MEMORY_MIB,
            gpus=GPUS,
        )
        (self.folder / "slurm.conf").write_text(text)
        for number in range(GPUS):
            (self.folder / f"gpu{number}").symlink_to("/dev/null")
        (self.folder / "gres.conf").write_text(f"Name=gpu File={self.folder}/gpu[0-{GPUS - 1}]\n")
        for name in ("state", "munge"):
            (self.folder / name).mkdir()
        key = self.folder / "munge" / "key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        self.folder.chmod(0o755)
        if os.geteuid() == 0:
            for path in (self.folder / "munge", key):
                shutil.chown(path, _MUNGE_USER, _MUNGE_USER)

    def _command(self, program: Path) -> list[str | Path]:
        return [program, "-D", "-f", self.folder / "slurm.conf"]

    def _daemons(self) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], **self.environment}

    def _is_idle(self) -> bool:
        try:
            return self.ask("sinfo", "--noheader", "--format=%T").strip() == "idle"
        except subprocess.CalledProcessError:
            return False


def _user() -> str:
    return pwd.getpwuid(os.geteuid()).pw_name


def _wait_until(is_so: Callable[[], bool], complaint: str) -> None:
    pause = threading.Event()
    deadline = time.monotonic() + START_TIMEOUT_S
    while not is_so():
        if time.monotonic() > deadline:
            raise UnavailableError("server-start", f"Slurm: {complaint}")
        pause.wait(0.1)


def _munged(program: Path, folder: Path) -> list[str | Path]:
    return [
        program,
        "--foreground",
        "--force",
        f"--socket={folder}/socket",
        f"--key-file={folder}/key",
        f"--pid-file={folder}/pid",
        f"--log-file={folder}/log",
        f"--seed-file={folder}/seed",
    ]
