"""What is said to Slurm and what it answers, pure: the batch script, sbatch's options, squeue's and sacct's lines.

The script takes the job once (a second submission of it does nothing), keeps its log, holds its lease, limit and
cancellation by itself, and leaves its end in a file. It needs bash 4.4, coreutils and grep on the node.
"""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from forebay.runs.executors.clean import INHERITED, INHERITED_PREFIXES, MARK
from forebay.runs.executors.log_shape import LogShape
from forebay.runs.executors.protocol import Cancelled, Cause, Ended, Job, JobKey, Lost

_NAME = "forebay."
_MIB = 1 << 20
_FROM_SLURM = ("SLURM*", "CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "GPU_DEVICE_ORDINAL")
_LEFT_TO_SLURM_MIN = 2
"""Minutes after which Slurm itself holds the time limit, when the script could not."""


class Phase(StrEnum):
    """What a state of Slurm's means for us."""

    WAITS = "waits"
    RUNS = "runs"
    OVER = "over"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One job as Slurm has it: its number, its state, and why it is in it."""

    number: str
    state: str
    reason: str = ""

    @property
    def phase(self) -> Phase:
        if self.state in {"PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "SPECIAL_EXIT"}:
            return Phase.WAITS
        if self.state in {"RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING", "STAGE_OUT", "RESIZING"}:
            return Phase.RUNS
        return Phase.OVER


def job_name(key: JobKey) -> str:
    """What Slurm calls it: so it is found again after an answer was lost."""
    return f"{_NAME}{key.name}"


def options(job: Job, folder: Path, extra: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Of sbatch; `extra` (partition, account) last, so that a site's own word wins."""
    wanted = job.resources
    said = [
        "--parsable",
        "--no-requeue",
        # Of sbatch's own environment, which is as clean as the job's.
        "--export=ALL",
        f"--job-name={job_name(job.key)}",
        f"--comment={job_name(job.key)}",
        f"--nodes={job.nodes}",
        "--ntasks-per-node=1",
        f"--output={_unexpanded(folder / 'slurm.log')}",
        f"--chdir={folder}",
    ]
    if wanted.cpus:
        said.append(f"--cpus-per-task={wanted.cpus}")
    if wanted.memory_bytes:
        said.append(f"--mem={math.ceil(wanted.memory_bytes / _MIB)}M")
    if wanted.gpus:
        said.append(f"--gres=gpu:{wanted.gpus}")
    if job.time_limit_s is not None:
        said.append(f"--time={math.ceil((job.time_limit_s + job.grace_s) / 60) + _LEFT_TO_SLURM_MIN}")
    return (*said, *extra)


def script(job: Job, folder: Path, shape: LogShape, mark: str) -> str:
    """The batch script; every word that is not ours is quoted."""
    shown = {**job.environment, MARK: mark}
    command = shlex.join(job.command)
    values: Mapping[str, str | int] = {
        "folder": shlex.quote(str(folder)),
        "work": shlex.quote(str(job.folder)),
        "log": shlex.quote(str(job.log_folder)),
        "mark": shlex.quote(f"{MARK}={mark}"),
        "grace": math.ceil(job.grace_s),
        "limit": 0 if job.time_limit_s is None else math.ceil(job.time_limit_s),
        "segment": shape.segment_bytes,
        "head": shape.head,
        "tail": shape.tail,
        "kept": "|".join((*INHERITED, *(f"{prefix}*" for prefix in INHERITED_PREFIXES), *_FROM_SLURM)),
        "exports": "\n".join(f"    export {name}={shlex.quote(value)}" for name, value in shown.items()),
        "blind": "" if job.resources.gpus else "    export CUDA_VISIBLE_DEVICES=",
        "command": command,
        "program": shlex.quote(job.command[0]),
        "run": f"{_step(job)} -- {command}" if job.nodes > 1 else f"exec -- {command}",
    }
    # In one pass: what a job's words contain is never taken for a place to fill.
    return re.sub("@([a-z]+)@", lambda match: str(values[match[1]]), _SCRIPT)


def parse_queue(text: str) -> tuple[Seen, ...]:
    """The answer to `squeue --noheader --format=%i|%T|%r`."""
    rows = (line.strip().split("|", 2) for line in text.splitlines() if line.count("|") >= 2)
    return tuple(Seen(number=number, state=state, reason=reason) for number, state, reason in rows)


def parse_accounts(text: str) -> tuple[Seen, ...]:
    """The answer to `sacct --noheader --parsable2 --format=JobID,State`: "CANCELLED by 0" is CANCELLED."""
    rows = (line.strip().split("|") for line in text.splitlines() if "|" in line)
    return tuple(
        Seen(number=row[0], state=row[1].split(" ")[0], reason=row[1].partition(" ")[2]) for row in rows if row[1]
    )


def parse_number(text: str) -> str:
    """The job's number from `sbatch --parsable`: NUMBER, or NUMBER;CLUSTER. "" when there is none."""
    lines = [line for line in text.splitlines() if line.strip()]
    number = lines[-1].partition(";")[0].strip() if lines else ""
    return number if number.isdigit() else ""


def foremost(seen: tuple[Seen, ...]) -> Seen | None:
    """Of several submissions of one job the one that matters: it runs, it waits, it came last."""
    order = (Phase.RUNS, Phase.WAITS, Phase.OVER)
    return min(seen, key=lambda one: (order.index(one.phase), -len(one.number), one.number), default=None)


def end_of(text: str) -> Ended | Cancelled | Lost | None:
    """What the script left in its file: `CAUSE CODE`; None when that is no such thing."""
    words = text.split()
    if len(words) != 2 or not words[1].isdigit():
        return None
    cause, code = words[0], int(words[1])
    if cause == "exited" and code > 128:
        number = code - 128
        return Ended(
            reason=f"it was ended by signal {number}", cause=Cause.SIGNALLED, exit_code=code, signal_number=number
        )
    known: dict[str, Ended | Cancelled | Lost] = {
        "exited": Ended(reason=f"it ended with exit code {code}", cause=Cause.EXITED, exit_code=code),
        "not-found": Ended(reason="there is no such command", cause=Cause.NOT_STARTED, exit_code=127),
        "no-folder": Ended(reason="its working directory can't be entered", cause=Cause.NOT_STARTED, exit_code=126),
        "time-limit": Ended(
            reason="it ran longer than its limit", cause=Cause.TIME_LIMIT, exit_code=143, signal_number=15
        ),
        "cancelled": Cancelled(reason="it was cancelled"),
        "lease": Lost(reason="its lease ran out: nobody renewed it in time"),
        "told": Lost(reason="Slurm told it to stop"),
    }
    return known.get(cause)


def end_without_word(seen: Seen | None) -> Ended | Cancelled | Lost:
    """When it is over and its script left nothing."""
    if seen is None:
        return Lost(reason="Slurm does not know it any more, and its script left no exit code")
    if seen.state == "TIMEOUT":
        reason = "Slurm ended it at its time limit"
        return Ended(reason=reason, cause=Cause.TIME_LIMIT, exit_code=143, signal_number=15)
    if seen.state == "OUT_OF_MEMORY":
        reason = "Slurm ended it: out of memory"
        return Ended(reason=reason, cause=Cause.MEMORY_LIMIT, exit_code=137, signal_number=9)
    if seen.state == "CANCELLED":
        return Cancelled(reason=f"it was cancelled in Slurm {seen.reason}".strip())
    why = f" ({seen.reason})" if seen.reason and seen.reason != "None" else ""
    return Lost(reason=f"Slurm says {seen.state}{why}, and its script left no exit code")


def is_passing(complaint: str) -> bool:
    """Whether what a Slurm command said on stderr is about Slurm being away, not about the job."""
    words = (
        "unable to contact",
        "timed out",
        "connection refused",
        "connect failure",
        "try again",
        "munge",
        "zero bytes",
    )
    return any(word in complaint.lower() for word in words)


def _step(job: Job) -> str:
    """Srun on every node; it does not know by itself how many CPUs sbatch was asked for."""
    cpus = f" --cpus-per-task={job.resources.cpus}" if job.resources.cpus else ""
    return f"srun --export=ALL --kill-on-bad-exit=1{cpus}"


def _unexpanded(path: Path) -> str:
    """Slurm replaces %j and the like in the names of output files."""
    return str(path).replace("%", "%%")


_SCRIPT = r"""#!/bin/bash
# Made by forebay for one job. It may be submitted twice: the second one finds it taken.
set -um
folder=@folder@
work=@work@
log=@log@
mark=@mark@
grace=@grace@ limit=@limit@ segment=@segment@ head=@head@ tail=@tail@

mkdir -- "$folder/taken" 2>/dev/null || exit 0

finish() {
    trap '' TERM
    printf '%s\n' "$1" >"$folder/.exit" && sync -- "$folder/.exit" && mv -- "$folder/.exit" "$folder/exit"
    exit 0
}

now() { printf -v now '%(%s)T' -1; }

# Opening the folder makes a network file system look at it anew.
look() {
    ls -- "$folder" >/dev/null
    if [ -e "$folder/cancel" ]; then cause=cancelled; return; fi
    local until=0
    read -r until <"$folder/until" || until=0
    [[ $until =~ ^(inf|[0-9]+(\.[0-9]+)?)$ ]] || until=0
    now
    if [ "$until" != inf ] && [ "$now" -ge "${until%.*}" ]; then cause=lease; return; fi
    if [ "$limit" -gt 0 ] && [ "$SECONDS" -ge "$limit" ]; then cause=time-limit; fi
}

# Keep the first and the last segments of the log.
trim() {
    local names=("$log"/[0-9]*) last name number
    last=${names[-1]##*/}
    [ "$last" != '[0-9]*' ] || return 0
    for name in "${names[@]}"; do
        number=$((10#${name##*/}))
        if [ "$number" -ge "$head" ] && [ "$number" -le $((10#$last - tail)) ]; then rm -f -- "$name"; fi
    done
}

# Whatever carries the job's mark, in whichever session or group.
left() { grep -lzxF -- "$mark" /proc/[0-9]*/environ 2>/dev/null | cut -d/ -f3; }

signal_all() {
    local pids
    mapfile -t pids < <(left)
    [ "${#pids[@]}" -gt 0 ] || return 1
    kill -s "$1" -- "${pids[@]}" 2>/dev/null
    return 0
}

cause=
look
[ -z "$cause" ] || finish "$cause 0"
now
printf '%s\n' "$now" >"$folder/.started" && mv -- "$folder/.started" "$folder/started"

exec {out}> >(exec split -b "$segment" -a 8 -d - "$log/")
splitter=$!
(
    trap - TERM
    names=$(compgen -e)
    for name in $names; do
        case $name in @kept@) ;; *) unset -v "$name" ;; esac
    done
@exports@
@blind@
    cd -- "$work" || { : >"$folder/no-folder"; exit 126; }
    type -P -- @program@ >/dev/null || { : >"$folder/not-found"; exit 127; }
    @run@
) </dev/null >&"$out" 2>&1 {out}>&- &
main=$!
exec {out}>&-

trap 'cause=told' TERM
SECONDS=0
while [ -z "$cause" ] && kill -0 "$main" 2>/dev/null; do
    sleep 1
    trim
    kill -0 "$main" 2>/dev/null || break
    [ -n "$cause" ] || look
done

over=$((SECONDS + grace))
if signal_all TERM; then
    signal_all CONT
    while [ "$SECONDS" -lt "$over" ] && [ -n "$(left)" ]; do sleep 0.2; done
fi
while signal_all KILL; do sleep 0.2; done
wait "$main"
code=$?
# What hides from its mark may hold the log open; Slurm ends it after this script.
for _ in {1..25}; do
    kill -0 "$splitter" 2>/dev/null || break
    sleep 0.2
done
trim
if [ -z "$cause" ]; then
    cause=exited
    [ ! -e "$folder/no-folder" ] || cause=no-folder
    [ ! -e "$folder/not-found" ] || cause=not-found
fi
finish "$cause $code"
"""
