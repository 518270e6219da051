"""The free memory of the machine, or of the container where that has less."""

from __future__ import annotations

import os
from pathlib import Path

from forebay.ctr.compare.room import free_memory_bytes


def test_a_container_may_have_less_than_its_machine(tmp_path: Path) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal: 4000 kB\nMemAvailable: 3000 kB\n")
    assert free_memory_bytes(tmp_path, meminfo) == 3000 * 1024
    for limit, used, free in (("max", "5", 3000 * 1024), ("2000", "500", 1500), ("99999999", "5", 3000 * 1024)):
        (tmp_path / "memory.max").write_text(f"{limit}\n")
        (tmp_path / "memory.current").write_text(f"{used}\n")
        assert free_memory_bytes(tmp_path, meminfo) == free


def test_a_machine_has_some() -> None:
    assert 1 < free_memory_bytes() <= os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
