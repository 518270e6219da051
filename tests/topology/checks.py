"""The invariants, by their names, as they show from outside: at the lake's door, in the diaries of runs, in records."""

from __future__ import annotations

import hashlib
import itertools
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from forebay.fsio import used_bytes_below
from forebay.wire.runs import DataUse, NewRun, Run, RunState
from tests.e2e.sites import Diary
from tests.topology.stage import Topology

HISTORY = 1000


def reading(diary: Diary, ref: str, *, site: str = "") -> NewRun:
    """A run that says what it has read, and then keeps its diary."""
    script = diary.new_run().command[2]
    command = ("sh", "-c", f"cat {{data}}/* | sha256sum; {script}")
    return NewRun(command=command, data=(DataUse(name="data", ref=ref),), site=site, submitted_by="admin")


def diaries(folder: Path, count: int, name: str) -> list[Diary]:
    """Of runs that end when they have read."""
    made = [Diary(path=folder / f"{name}-{number}") for number in range(count)]
    for diary in made:
        diary.let_end()
    return made


def check_VERIFIED(team: Topology, runs: Sequence[Run]) -> None:
    """Each run succeeded, and has read what is in the lake."""
    for run in runs:
        done = team.hub.runs.get(run.run_id)
        assert done.state is RunState.SUCCEEDED, done
        name = done.new.data[0].ref.partition("@")[0]
        objects = team.objects[name]
        digest = hashlib.sha256(b"".join(objects[key] for key in sorted(objects))).hexdigest()
        assert team.hub.runs.log(run.run_id, 0, 0, 10_000).text.startswith(digest), done


def check_ONCE(diaries: Sequence[Diary]) -> None:
    """No run was ever twice at the same time, and no attempt was begun twice."""
    for diary in diaries:
        diary.check_one_at_a_time()


def check_ONE_FILL(team: Topology) -> None:
    """Every object has left the lake at most once for each site, and each version was filled there at most once."""
    assert all(team.asked(site) for site in team.sites), "every site has asked for something"
    check_ONE_FILL_at(team, *team.sites)


def check_ONE_FILL_at(team: Topology, *sites: str) -> None:
    """The same of some sites, which may have had other sources."""
    for site in sites:
        parts: dict[str, list[tuple[int, int]]] = {}
        for one in team.asked(site):
            end = team.sizes[one.path] if one.end is None else min(one.end, team.sizes[one.path])
            parts.setdefault(one.path, []).append((one.start, end))
        for path, asked in parts.items():
            asked.sort()
            for (_, end), (start, _) in itertools.pairwise(asked):
                assert end <= start, f"{site} fetched a part of {path} twice: {asked}"
        again = {ref: count for ref, count in fills(team, site).items() if count > 1}
        assert not again, f"filled more than once at {site}: {again}"


def check_FITS(team: Topology) -> None:
    """No volume holds more than its limit, by its account and by what lies there."""
    for site in team.sites.values():
        record = team.record(site.name)
        assert record is not None
        volume = team.hub.volumes.get(record.volume_id)
        lies_there = used_bytes_below(*(site.volume / name for name in ("roots", "incoming", "trash")))
        assert max(lies_there, volume.used_bytes + volume.reserved_bytes) <= volume.limit_bytes, site.name


def fills(team: Topology, site: str) -> Counter[str]:
    """How often each version was filled at a site."""
    record = team.record(site)
    assert record is not None
    return Counter(item.ref for item in team.hub.volumes.events(record.volume_id, HISTORY) if item.event == "filled")
