"""What a site has to give: as it was said (`gpus=4,cpus=32,memory=256GB`), or as this machine shows it."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from forebay.errors import InputError
from forebay.settings import parse_limit
from forebay.sites.site import Resources

_FIELDS = {"gpus": "gpus", "cpus": "cpus", "memory": "memory_bytes"}
_NVIDIA_S = 10.0
_CGROUP = Path("/sys/fs/cgroup")


def parse_capacity(text: str, seen: Resources) -> Resources:
    """What `text` says of gpus, cpus and memory; of the others, what was seen. InputError `bad-capacity`."""
    given: dict[str, int] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, value = (piece.strip() for piece in part.partition("="))
        if name not in _FIELDS or _FIELDS[name] in given:
            raise _bad(part)
        given[_FIELDS[name]] = _size(part, value) if name == "memory" else _count(part, value)
    return replace(seen, **given)


def seen_here(environment: Mapping[str, str]) -> Resources:
    """The GPUs that NVIDIA's tool names, the CPUs this process may use, the memory its limits leave it."""
    return Resources(gpus=len(gpus_here(environment)), cpus=_cpus(), memory_bytes=_memory_bytes())


def gpus_here(environment: Mapping[str, str]) -> tuple[str, ...]:
    """The devices, as CUDA_VISIBLE_DEVICES names them; of those, where it is set."""
    shown = environment.get("CUDA_VISIBLE_DEVICES")
    if shown is not None:
        return tuple(name.strip() for name in shown.split(",") if name.strip() not in ("", "-1"))
    try:
        done = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=_NVIDIA_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return tuple(re.findall(r"^GPU (\d+):", done.stdout, re.MULTILINE)) if done.returncode == 0 else ()


def _cpus() -> int:
    """Whole ones: of a share below one, one."""
    allowed = len(os.sched_getaffinity(0))
    quota, _, period = _text(_CGROUP / "cpu.max").partition(" ")
    if quota.isdecimal() and period.isdecimal():
        allowed = min(allowed, max(1, int(quota) // int(period)))
    return allowed


def _memory_bytes() -> int:
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = _text(_CGROUP / "memory.max")
    return min(physical, int(limit)) if limit.isdecimal() else physical


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _count(part: str, value: str) -> int:
    if not value.isdecimal():
        raise _bad(part)
    return int(value)


def _size(part: str, value: str) -> int:
    try:
        size = parse_limit(value)
    except ValueError:
        raise _bad(part) from None
    if isinstance(size, float):
        raise _bad(part)
    return size


def _bad(part: str) -> InputError:
    return InputError(
        "bad-capacity", f"{part!r} says nothing of a site's capacity.", todo="For example: gpus=4,cpus=32,memory=256GB"
    )
