"""Reading while a fill is under way: one file is waited for, not the version; by whomever it is filled."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import Any

import fsspec
import pytest
from distributed.protocol.serialize import deserialize, serialize

from forebay.cache.local_file import LocalFile
from forebay.client import reading
from forebay.client.filesystem import ForebayFileSystem
from forebay.errors import ConflictError, DamagedError
from forebay.testing.awkward import FlipBit, Hold
from forebay.testing.cached.invariants import assert_all
from forebay.wire.cache import ReplicaState
from forebay.wire.catalog import Version
from tests.integration.cache.stage import Stage, contents, until

FILES = {f"part-{number}": bytes([48 + number]) * 100_000 for number in range(6)}
REFS = ("clicks@v1/part-5", "clicks@v1/part-4")


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as made:
        yield made


@contextmanager
def filesystem(stage: Stage, **more: object) -> Iterator[ForebayFileSystem]:
    """One that nobody else uses."""
    made = fsspec.filesystem("forebay", **{**stage.settings, **more}, skip_instance_cache=True)
    with made as found:
        yield found


@contextmanager
def held_back(stage: Stage, *names: str) -> Iterator[threading.Event]:
    """The lake answers for these objects only when the gate is open, as it is after the block."""
    assert stage.origin is not None
    gate = threading.Event()
    for name in names:
        stage.origin.misbehave(stage.object("clicks", name), always=Hold(gate=gate))
    try:
        yield gate
    finally:
        gate.set()
        for name in names:
            stage.origin.misbehave(stage.object("clicks", name))


def state(stage: Stage, version: Version) -> ReplicaState | None:
    session = stage.session()
    replica = session.hub.replicas.get(session.cache.volume_id, version)
    return None if replica is None else replica.state


def everything(fs: ForebayFileSystem) -> dict[str, bytes]:
    return {path.rpartition("/")[2]: fs.cat(path) for path in fs.find("clicks@v1")}


def leases(stage: Stage) -> int:
    session = stage.session()
    return len(session.hub.leases.live(session.cache.volume_id))


def program(stage: Stage, script: str, *arguments: str) -> subprocess.Popen[str]:
    """A Python of its own with this stage's settings; says lines, hears lines."""
    settings = {f"FOREBAY_{name.upper()}": value for name, value in stage.settings.items()}
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in settings.items()}
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", script, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**kept, **texts, "HOME": str(stage.root)},
        cwd=stage.root,
    )


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline().strip()
    assert line, f"the program ended: {process.wait()}"
    return line


def test_a_ready_file_is_the_local_file_itself(stage: Stage) -> None:
    version = stage.add("clicks", FILES)
    tree = stage.session().warm(version, "test").path
    with filesystem(stage) as fs, fs.open(REFS[0]) as file:
        assert isinstance(file, BufferedReader)
        assert type(file).read is BufferedReader.read, "no byte passes through Python code"
        assert type(file).readinto is BufferedReader.readinto
        assert file.name == str(tree / "part-5")
        assert os.fstat(file.fileno()).st_ino == (tree / "part-5").stat().st_ino
        assert file.read() == FILES["part-5"]


def test_listing_needs_nothing_on_the_volume_and_nothing_of_the_lake(counted: Stage) -> None:
    version = counted.add("clicks", {**FILES, "sub/part": b"x"})
    before = len(counted.origin.seen()) if counted.origin else 0
    with filesystem(counted) as fs:
        assert fs.ls("forebay://", detail=False) == ["clicks"]
        assert fs.ls("clicks@v1", detail=False) == [*(f"clicks@v1/{name}" for name in FILES), "clicks@v1/sub"]
        assert fs.info("clicks@v1/part-1") == {
            "name": "clicks@v1/part-1",
            "size": 100_000,
            "type": "file",
            "version": "clicks@v1",
            "digest": None,
        }
        assert state(counted, version) is None
        assert counted.origin is not None
        assert len(counted.origin.seen()) == before
        fs.cat("clicks@v1/part-1")
        until(lambda: fs.cat("clicks@v1/part-1") and fs.info("clicks@v1/part-1")["digest"], "its digest is learned")
        assert state(counted, version) is ReplicaState.READY


def test_one_file_is_read_while_all_others_are_held_back(counted: Stage) -> None:
    version = counted.add("clicks", FILES)
    with filesystem(counted) as fs:
        with held_back(counted, *(name for name in FILES if name not in ("part-5", "part-4"))):
            # Both streams of the fill wait for the lake. These are last in its order.
            for ref, name in zip(REFS, ("part-5", "part-4"), strict=True):
                assert fs.cat(ref) == FILES[name]
                assert fs.cat(ref) == FILES[name]
            assert state(counted, version) is ReplicaState.FILLING
            assert leases(counted) == 0
        assert everything(fs) == FILES
        until(lambda: leases(counted) == 1, "the version is leased")
        session = counted.session()
        assert contents(session.cache.path(version)) == FILES
        assert [counted.gets("clicks", name) for name in FILES] == [1] * 6, "ONE-FILL"
    until(lambda: leases(counted) == 0, "the lease has ended")
    assert_all(session.hub, session.cache)


def test_what_is_asked_for_jumps_ahead_of_the_rest(counted: Stage, pool: ThreadPoolExecutor) -> None:
    counted.add("clicks", FILES)
    assert counted.origin is not None
    with filesystem(counted, streams=1) as fs, held_back(counted, "part-0", "part-3") as gate:
        first = pool.submit(fs.cat, "clicks@v1/part-3")
        session = counted.session()
        until(lambda: session.hub.fills.open_fills(session.cache.volume_id), "the fill has begun")
        # The only stream waits for part-0, and whoever serves readers for part-3: these two can but stand in line.
        others = [pool.submit(fs.cat, ref) for ref in REFS]
        until(lambda: len(_wished(session)) == 3, "all wishes are known")
        gate.set()
        assert [item.result() for item in (first, *others)] == [FILES["part-3"], FILES["part-5"], FILES["part-4"]]
        assert everything(fs) == FILES
    order = [seen.path.rpartition("/")[2] for seen in counted.origin.seen(method="GET") if "part" in seen.path]
    assert sorted(order) == sorted(FILES), "ONE-FILL"
    free = [name for name in order if name not in ("part-0", "part-3")]
    # The origin notes an answer when it ends: while one of the two moves the last wish, the other may end one more.
    assert {"part-4", "part-5"} <= set(free[:3])


def _wished(session: Any) -> list[int]:
    (fill,) = session.hub.fills.open_fills(session.cache.volume_id)
    return [wish.entry for wish in session.hub.fills.wishes(fill.fill_id, fill.token, 0)]


def test_files_that_another_version_brought_are_read_at_once(counted: Stage) -> None:
    older = counted.add("clicks", FILES)
    counted.session().warm(older, "test")
    newer = counted.add("clicks", {**FILES, "part-0": b"new"})
    with filesystem(counted) as fs, held_back(counted, "part-0"):
        assert fs.cat("clicks@v2/part-1") == FILES["part-1"]
        assert state(counted, newer) is not ReplicaState.READY
    assert counted.gets("clicks", "part-1") == 1


WARM = """
import sys, forebay
print("going", flush=True)
with forebay.open(sys.argv[1], on_progress=lambda progress, who: None):
    print("ready", flush=True)
    sys.stdin.readline()
"""


def test_a_file_is_read_from_the_fill_of_another_process(counted: Stage) -> None:
    version = counted.add("clicks", FILES)
    with program(counted, WARM, version.ref) as holder, filesystem(counted) as fs:
        with held_back(counted, *(name for name in FILES if name != "part-5")):
            assert said(holder) == "going"
            session = counted.session()
            until(lambda: session.hub.fills.open_fills(session.cache.volume_id), "it fills")
            assert fs.cat(REFS[0]) == FILES["part-5"]
            (fill,) = session.hub.fills.open_fills(session.cache.volume_id)
            assert f"pid {holder.pid}," in fill.holder
            file = fs.open(REFS[0])
        assert said(holder) == "ready"
        assert fs.cat("clicks@v1/part-0") == FILES["part-0"]
        assert file.read() == FILES["part-5"], "it was a temp file, it is a blob now, and stays what it was"
        file.close()
        assert [counted.gets("clicks", name) for name in FILES] == [1] * 6, "ONE-FILL"
        holder.communicate("\n")


def test_CRASH_a_killed_holder_is_replaced_by_the_reader(counted: Stage, pool: ThreadPoolExecutor) -> None:
    version = counted.add("clicks", FILES)
    with held_back(counted, *(name for name in FILES if name != "part-0")) as gate, filesystem(counted) as fs:
        with program(counted, WARM, version.ref) as holder:
            assert said(holder) == "going"
            session = counted.session()
            until(lambda: session.hub.fills.open_fills(session.cache.volume_id), "it fills")
            assert fs.cat("clicks@v1/part-0") == FILES["part-0"]
            waits: Future[bytes] = pool.submit(fs.cat, REFS[0])
            until(lambda: _wished(session), "the holder can know what is waited for")
            holder.send_signal(signal.SIGKILL)
        gate.set()
        assert waits.result() == FILES["part-5"]
        assert everything(fs) == FILES
        assert counted.gets("clicks", "part-0") == 1, "what the dead holder had accepted is not fetched again"
        until(lambda: leases(counted) == 1, "the version is leased")
    session.cache.recover()
    assert_all(session.hub, session.cache)


def test_VERIFIED_a_file_with_another_digest_is_never_handed_out(counted: Stage) -> None:
    version = counted.add("clicks", FILES)
    session = counted.session()
    session.warm(version, "test")
    (replica,) = session.cache.replicas()
    assert session.cache.evictor.evict(replica, "test").error is None
    assert counted.origin is not None
    counted.origin.misbehave(counted.object("clicks", "part-2"), always=FlipBit(at_byte=7))
    with filesystem(counted) as fs:
        for _ in range(2):
            with pytest.raises(DamagedError, match="part-2 has the digest") as caught:
                fs.open("clicks@v1/part-2")
            assert caught.value.kind == "digest-mismatch"
        assert fs.cat("clicks@v1/part-3") == FILES["part-3"], "one bad file spoils no other"
    # Closing ended the fill that brought part-3: it has met the bad file, too, and tells so who asks while it lasts.
    counted.origin.misbehave(counted.object("clicks", "part-2"))
    with filesystem(counted) as fs:
        assert fs.cat("clicks@v1/part-2") == FILES["part-2"]


def test_a_fill_that_fails_tells_those_who_wait(counted: Stage, pool: ThreadPoolExecutor) -> None:
    counted.add("clicks", FILES)
    assert counted.origin is not None
    counted.origin.remove(counted.object("clicks", "part-1"))
    with filesystem(counted) as fs:
        waits = [pool.submit(fs.open, "clicks@v1/part-1") for _ in range(3)]
        kinds = {type(error) for item in waits if (error := item.exception()) is not None}
        assert kinds == {ConflictError}
        assert fs.cat("clicks@v1/part-0") == FILES["part-0"]


def test_VERIFIED_what_is_found_damaged_is_brought_anew_before_it_is_read(counted: Stage) -> None:
    version = counted.add("clicks", FILES)
    with filesystem(counted) as fs:
        fs.cat(REFS[0])
        session = counted.session()
        tree = session.warm(version, "test").path
        victim = tree / "part-5"
        victim.chmod(0o644)
        victim.write_bytes(b"x" * 100_000)
        session.cache.verify([version], counted.root / "memo", force=True)
        assert fs.cat(REFS[0]) == FILES["part-5"]
        assert counted.gets("clicks", "part-5") == 2


def test_IN_USE_the_lease_ends_with_the_file_system_or_when_nobody_reads(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = stage.add("clicks", FILES)
    session = stage.session(stale_after="0s")
    with filesystem(stage) as fs:
        fs.cat(REFS[0])
        until(lambda: leases(stage) == 1, "it is leased")
        assert session.cache.sweep() == []
        assert contents(session.cache.path(version)) == FILES
    until(lambda: leases(stage) == 0, "the lease has ended")
    monkeypatch.setattr(reading, "IDLE_SECONDS", 0.2)
    with filesystem(stage) as fs:
        file = fs.open(REFS[0])
        until(lambda: leases(stage) == 1, "it is leased again")
        file.close()
        until(lambda: leases(stage) == 0, "nobody reads")
        assert fs.cat(REFS[1]) == FILES["part-4"]


def test_IMMUTABLE_a_program_and_its_workers_see_one_version(stage: Stage) -> None:
    version = stage.add("clicks", FILES)
    stage.session().warm(version, "test")
    catalog = stage.session().hub.catalog
    catalog.tag("clicks", "prod", 1, "me")
    with filesystem(stage) as fs:
        assert fs.info("clicks@prod/part-0")["version"] == fs.info("clicks")["version"] == "clicks@v1"
        stage.add("clicks", {"part-0": b"new"})
        catalog.tag("clicks", "prod", 2, "me")
        with pickle.loads(pickle.dumps(fs)) as sent:
            for mine in (fs, sent):
                assert mine.cat("clicks@prod/part-0") == mine.cat("clicks/part-0") == FILES["part-0"]
                assert mine.ukey("clicks@prod/part-0") == fs.ukey("clicks@v1/part-0") != fs.ukey("clicks@v2/part-0")
        with filesystem(stage) as other:
            assert other.info("clicks@prod")["version"] == "clicks@v1", "as all of this program"
        fs.invalidate_cache()
        assert fs.cat("clicks@prod/part-0") == fs.cat("clicks/part-0") == b"new"


def test_an_open_file_is_sent_to_another_process_and_read_on_there(stage: Stage) -> None:
    stage.add("clicks", FILES)
    with filesystem(stage) as fs, fs.open("clicks/part-1") as file:
        stage.add("clicks", {"part-1": b"new"})
        assert file.read(10) == FILES["part-1"][:10]
        script = (
            "import pickle, sys\n"
            "with pickle.load(sys.stdin.buffer) as file:\n"
            "    sys.stdout.buffer.write(b'%d ' % file.tell() + file.read())\n"
        )
        done = subprocess.run([sys.executable, "-c", script], input=pickle.dumps(file), capture_output=True, check=True)
        assert done.stdout == b"10 " + FILES["part-1"][10:]
        with deserialize(*serialize(file)) as sent:  # type: ignore[no-untyped-call]
            assert sent.read() == FILES["part-1"][10:], "as Dask sends what its tasks are given"
        assert file.tell() == 10
    with pytest.raises(ValueError, match="closed"):
        pickle.dumps(file)
    with LocalFile.open(Path(__file__)) as plain, pytest.raises(TypeError, match="send its path"):
        pickle.dumps(plain)


@pytest.mark.parametrize(
    "write",
    [
        lambda fs: fs.open("clicks@v1/new", "wb"),
        lambda fs: fs.open("clicks@v1/part-0", "ab"),
        lambda fs: fs.open("clicks@v1/part-0", "w"),
        lambda fs: fs.pipe("clicks@v1/new", b"x"),
        lambda fs: fs.touch("clicks@v1/new"),
        lambda fs: fs.mkdir("clicks@v1/new"),
        lambda fs: fs.makedirs("clicks@v1/new"),
        lambda fs: fs.rmdir("clicks@v1"),
        lambda fs: fs.rm("clicks@v1/part-0"),
        lambda fs: fs.rm_file("clicks@v1/part-0"),
        lambda fs: fs.cp_file("clicks@v1/part-0", "clicks@v1/new"),
        lambda fs: fs.mv("clicks@v1/part-0", "clicks@v1/new"),
        lambda fs: fs.put(__file__, "clicks@v1/new"),
    ],
)
def test_a_call_that_would_write_says_what_to_do(write: Callable[[ForebayFileSystem], object]) -> None:
    with pytest.raises(OSError, match=r"Read-only file system: a version never changes; .*forebay dataset commit"):
        write(fsspec.filesystem("forebay"))


FORK = """
import os, sys, fsspec
fs = fsspec.filesystem("forebay")
first = fs.open("clicks@v1/part-5")
child = os.fork()
if child == 0:
    with fs.open("clicks@v1/part-4") as file:
        data = file.read()
    os._exit(0 if data == b"4" * 100_000 and first.read() == b"5" * 100_000 else 1)
assert os.waitpid(child, 0)[1] == 0
print("leased", flush=True)
sys.stdin.readline()
assert fs.cat("clicks@v1/part-3") == b"3" * 100_000
"""


def test_a_forked_child_reads_with_a_lease_of_its_own(stage: Stage) -> None:
    version = stage.add("clicks", FILES)
    stage.session().warm(version, "test")
    with program(stage, FORK) as parent:
        assert said(parent) == "leased"
        session = stage.session()
        pids = {lease.holder.pid for lease in session.hub.leases.live(session.cache.volume_id)}
        assert parent.pid in pids, "the child has not ended its parent's lease"
        parent.communicate("\n")
        assert parent.returncode == 0
    assert parent.pid not in {lease.holder.pid for lease in session.hub.leases.live(session.cache.volume_id)}


READ_ONE = """
import sys, fsspec
from forebay.cache.wishes import Wishes
stop = Wishes.stop
def stop_and_say(self, reason):
    stop(self, reason)
    print("stopped", flush=True)
Wishes.stop = stop_and_say
with fsspec.open("forebay://clicks@v1/part-5") as file:
    assert file.read() == b"5" * 100_000
print("read", flush=True)
"""


def test_a_program_that_ends_does_not_wait_for_the_fill_it_began(counted: Stage) -> None:
    counted.add("clicks", FILES)
    with held_back(counted, "part-0", "part-1") as gate, program(counted, READ_ONE) as reader:
        assert said(reader) == "read"
        assert said(reader) == "stopped"
        gate.set()
        reader.communicate()
        assert reader.returncode == 0
    session = counted.session()
    (fill,) = session.hub.fills.open_fills(session.cache.volume_id)
    assert not fill.live, "the hub was told"
    assert [counted.gets("clicks", f"part-{number}") for number in (2, 3, 4)] == [0, 0, 0]
    with filesystem(counted) as fs:
        assert fs.cat("clicks@v1/part-4") == FILES["part-4"]
    assert counted.gets("clicks", "part-5") == 1, "what was accepted stays for the next"
