"""How a measurement is started, and what it ran on."""

from __future__ import annotations

import argparse
import os
import platform
from pathlib import Path
from typing import Any


def start_options(program: str, description: str | None, *, rounds: int) -> argparse.Namespace:
    """The options that every measurement has: `rounds` and `scale`."""
    return options_parser(program, description, rounds=rounds).parse_args()


def options_parser(program: str, description: str | None, *, rounds: int) -> argparse.ArgumentParser:
    """The same, for a measurement that has more of its own."""
    parser = argparse.ArgumentParser(
        prog=f"python -m {program}", description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--rounds", type=int, default=rounds, help="how often each entrant is measured (default: %(default)s)"
    )
    parser.add_argument("--scale", type=float, default=1.0, help="a share of the full sizes, for a quick look")
    return parser


def machine_facts(folder: Path) -> dict[str, Any]:
    """The machine, and the file system that `folder` is on."""
    return {
        "cores": os.cpu_count(),
        "cpu": _first_value(Path("/proc/cpuinfo"), "model name"),
        "memory_gb": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9, 1),
        "kernel": platform.release(),
        "file_system": file_system_type(folder),
        "python": platform.python_version(),
        "load_before": round(os.getloadavg()[0], 2),
    }


def file_system_type(folder: Path) -> str:
    """The type of the file system mounted nearest above `folder`."""
    folder = folder.resolve()
    best, kind = Path(), "unknown"
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, mounted_at, this_kind, *_ = line.split()
        place = Path(mounted_at)
        if folder.is_relative_to(place) and len(place.parts) >= len(best.parts):
            best, kind = place, this_kind
    return kind


def _first_value(path: Path, name: str) -> str:
    for line in path.read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return "unknown"
