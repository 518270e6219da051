"""A volume on a real NFS mount: Ganesha serves, User-Mode Linux guests are the nodes, the hub is in PostgreSQL.

Hard links, renames, syncfs, attribute caches and lost clients are those of Linux's NFSv4.2 client.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from forebay.testing.guest import Guest, Network
from forebay.testing.guest.ganesha import Ganesha
from forebay.testing.guest.network import HOST
from forebay.testing.servers import Postgres
from tests.soak.bring import brought

pytestmark = [pytest.mark.soak, pytest.mark.timeout(7200)]

FILES = {"day_0.tsv": 300_000, "day_1.tsv": 2_000_000, **{f"small_{number:02}": 1000 + number for number in range(12)}}
SIZE = sum(FILES.values())
CORE = ("soak/core.py", "faults/test_killed.py", "faults/test_stopped.py", "faults/test_every_effect.py")
REST = (
    "faults/test_kill.py",
    "faults/test_nth_call.py",
    "faults/test_lake.py",
    "faults/test_world.py",
    "faults/test_safeguards.py",
)
"""The faults suite but for three: crash states are images in memory, libfiu's calls fail alike everywhere, and
test_file_systems mounts some itself.
"""


@pytest.fixture
def network() -> Iterator[Network]:
    with brought(), Network.make() as network:
        yield network


class Site:
    """An NFS server, a hub's database, and as many nodes as a test wants."""

    def __init__(self, stack: ExitStack, network: Network, folder: Path, postgres: Postgres) -> None:
        self._stack, self._network = stack, network
        self._machines: set[str] = set()
        self._lent = folder / "lent"
        exported = folder / "exported"
        self._lent.mkdir()
        exported.mkdir()
        self._server = stack.enter_context(Ganesha.start(network, exported))
        network.forward(postgres.port)
        self._database_url = postgres.new_database().replace("127.0.0.1", HOST)

    def node(self) -> Guest:
        """Another machine of the site."""
        port = self._network.port()
        order = {"source": self._server.source, "address": port.address, "database_url": self._database_url}
        guest = self._stack.enter_context(Guest.start("tests.soak.node", order, lent=self._lent, port=port))
        machine = guest.until("ready")["machine"]
        assert machine not in self._machines, "two guests that take themselves for one would prove little"
        self._machines.add(machine)
        return guest


@pytest.fixture
def site(network: Network, tmp_path: Path, postgres_server: Postgres) -> Iterator[Site]:
    with ExitStack() as stack, brought():
        yield Site(stack, network, tmp_path, postgres_server)


def ask(node: Guest, said: str, answer: str, **facts: Any) -> dict[str, Any]:
    node.say(said, **facts)
    return node.until(answer)


def hold(node: Guest, ref: str, at_effect: int) -> None:
    """Begin a fill that stops before this effect."""
    node.say("warm", ref=ref, hold_at=at_effect)
    assert node.until("held", "warmed")["said"] == "held", f"a fill has fewer than {at_effect} effects"


def add(node: Guest, dataset: str) -> str:
    return str(ask(node, "add", "added", dataset=dataset, files=FILES)["ref"])


def test_ONE_FILL_IN_USE_two_nodes_share_a_volume(site: Site) -> None:
    """The second waits and gets the same files, its lease holds against the first's eviction, damage is refilled."""
    one, two = site.node(), site.node()
    ref = add(one, "clicks")
    hold(one, ref, 30)
    ask(two, "warm", "waiting", ref=ref)
    one.say("go on")
    first, second = one.until("warmed"), two.until("warmed")
    assert (first["moved"], second["moved"]) == (SIZE, 0)
    assert second["waited"]
    assert second["names"] == first["names"] == sorted(FILES)
    ask(two, "lease", "leased", ref=ref)
    assert ask(one, "evict", "evicted", ref=ref)["error"] == "in-use"
    ask(one, "judge", "judged", quiet=True)
    ask(two, "close", "closed")
    ask(two, "damage", "damaged", ref=ref, file="small_03")
    assert ask(one, "verify", "verified", ref=ref)["damaged"] == [ref]
    assert ask(two, "warm", "warmed", ref=ref)["moved"] == FILES["small_03"]
    assert ask(one, "verify", "verified", ref=ref)["damaged"] == []
    evicted = ask(one, "evict", "evicted", ref=ref)
    assert not evicted["error"]
    assert evicted["freed"] >= SIZE
    assert ask(two, "judge", "judged", quiet=True)["states"] == {}
    assert ask(two, "warm", "warmed", ref=ref)["moved"] == SIZE
    ask(one, "judge", "judged", quiet=True)


@pytest.mark.parametrize("hold_at", [20, 60, 110])
def test_CRASH_a_node_loses_power_in_a_fill_and_another_takes_over(site: Site, hold_at: int) -> None:
    one, two = site.node(), site.node()
    ref = add(one, "clicks")
    hold(one, ref, hold_at)
    one.cut_power()
    warmed = ask(two, "warm", "warmed", ref=ref)
    assert warmed["names"] == sorted(FILES)
    assert ask(two, "recover", "recovered", force=False)["failed"] == 0
    three = site.node()
    assert ask(three, "judge", "judged", quiet=True)["states"] == {ref: "ready"}
    assert ask(three, "warm", "warmed", ref=ref)["moved"] == 0


@pytest.mark.parametrize("hold_at", [60, 110])
def test_CRASH_a_node_that_slept_through_its_hold_harms_nobody(site: Site, hold_at: int) -> None:
    """The whole machine is stopped, heart and all; another takes over; then it wakes and goes on writing."""
    one, two = site.node(), site.node()
    ref = add(one, "clicks")
    hold(one, ref, hold_at)
    one.pause()
    assert ask(two, "warm", "warmed", ref=ref)["names"] == sorted(FILES)
    ask(two, "lease", "leased", ref=ref)
    one.go_on()
    one.say("go on")
    assert "error" not in one.until("warmed")
    assert ask(two, "verify", "verified", ref=ref)["damaged"] == []
    assert ask(two, "recover", "recovered", force=False)["failed"] == 0
    for node in (one, two):
        assert ask(node, "judge", "judged", quiet=True)["states"] == {ref: "ready"}


@pytest.mark.parametrize("part", [CORE, REST], ids=["core", "rest"])
def test_the_faults_suite_on_nfs(network: Network, tmp_path: Path, part: tuple[str, ...]) -> None:
    """Kills, refusing disks, bad lakes, stopped processes: as in CI, on NFS; the hub's SQLite in the guest's memory."""
    exported, lent = tmp_path / "exported", tmp_path / "lent"
    exported.mkdir()
    lent.mkdir()
    tests = [f"tests/{name}" for name in part]
    with brought(), Ganesha.start(network, exported) as server:
        port = network.port()
        order = {"source": server.source, "address": port.address, "tests": tests}
        with Guest.start("tests.soak.on_nfs", order, lent=lent, port=port, memory_mib=2048) as guest:
            ended = guest.until("tested", seconds=7000)
            assert ended["status"] == 0, guest.told_last()
            passed = [count for line in guest.console for count in re.findall(r"(\d+) passed", line)]
            print(f"on NFS: {passed[-1]} passed")  # noqa: T201
