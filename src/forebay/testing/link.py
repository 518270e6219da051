"""A slow, far link on one machine: a network namespace that reaches ports of ours only at a rate and with a delay.

Two TUN devices, one in the namespace and one outside, and a process that carries packets from one to the other when
their time has come. Needs root and Linux; where it cannot be had, `LinkMissingError` says why. Nothing is pretended.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

# Large packets: a process in Python can carry 2,000 of them a second, not 80,000. All tools have the same.
MTU_BYTES = 60_000
# What may wait for its turn at the entrance; more stays with the sender, whose own queue drops at last.
_BACKLOG_S = 0.015
_QUEUE_PACKETS = 64
_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
_DEVICE = "fblink"
_PIPE_BYTES = 1 << 20


_numbers, _nets = itertools.count(), itertools.count()


class LinkMissingError(RuntimeError):
    """This machine gives us no network namespace; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How fast a link is, each way, and how long a packet and its answer take."""

    rate_bits_s: int
    round_trip_s: float


NEAR = Shape(rate_bits_s=10_000_000_000, round_trip_s=0.0)
FAR = Shape(rate_bits_s=1_000_000_000, round_trip_s=0.030)
FARTHEST = Shape(rate_bits_s=200_000_000, round_trip_s=0.080)


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """`prefix` runs a command on the far side, where this machine's side is `host`. The command sees our mounts.

    From here the far side is `inside`.
    """

    namespace: str
    host: str
    inside: str
    carrier: int

    @property
    def prefix(self) -> tuple[str, ...]:
        return ("nsenter", f"--net=/var/run/netns/{self.namespace}", "--")

    @classmethod
    @contextlib.contextmanager
    def open(cls, *ports: int, shape: Shape = FAR) -> Iterator[Link]:
        """A link to these ports of 127.0.0.1, at the same ports of `host`; LinkMissingError."""
        _refuse_without_rights()
        namespace = f"forebay-link-{os.getpid()}-{next(_numbers)}"
        _ip("netns", "add", namespace)
        try:
            _ip("-n", namespace, "link", "set", "lo", "up")
            with _way(namespace, ports, shape) as (net, carrier):
                yield cls(namespace=namespace, host=f"{net}.1", inside=f"{net}.2", carrier=carrier)
        finally:
            _ip("netns", "delete", namespace)

    @contextlib.contextmanager
    def beside(self, *ports: int, shape: Shape) -> Iterator[str]:
        """Another way from the far side to these ports, of a shape of its own: the `host` at whose end they are."""
        with _way(self.namespace, ports, shape) as (net, _):
            yield f"{net}.1"

    def cut(self) -> None:
        """No packet passes any more, and nobody is told."""
        os.kill(self.carrier, signal.SIGSTOP)

    def mend(self) -> None:
        """They pass again, but for those that were too many to wait."""
        os.kill(self.carrier, signal.SIGCONT)


@contextlib.contextmanager
def _way(namespace: str, ports: Sequence[int], shape: Shape) -> Iterator[tuple[str, int]]:
    """The first three numbers of its addresses, ours ends in 1 and the far one in 2; and who carries its packets."""
    net = f"10.{213 + next(_nets) % 40}.{os.getpid() % 250}"
    shaped = (str(shape.rate_bits_s), str(shape.round_trip_s))
    with contextlib.ExitStack() as stack:
        carrier = stack.enter_context(_running("carry", namespace, net, *shaped))
        for port in ports:
            stack.enter_context(_running("relay", f"{net}.1", str(port)))
        yield net, carrier


def _refuse_without_rights() -> None:
    if sys.platform != "linux" or not Path("/dev/net/tun").exists():
        raise LinkMissingError("there is no /dev/net/tun here")
    for program, package in (("ip", "iproute2"), ("nsenter", "util-linux")):
        if shutil.which(program) is None:
            raise LinkMissingError(f"the program {program} ({package}) is not installed")
    if os.geteuid() != 0:
        raise LinkMissingError("network namespaces need root")


def _ip(*arguments: str) -> None:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise LinkMissingError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")


@contextlib.contextmanager
def _running(*arguments: str) -> Iterator[int]:
    """The id of a process of our own, from when it says that it is ready."""
    command = [sys.executable, "-m", "forebay.testing.link", *arguments]
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout is not None
        if child.stdout.readline() != "ready\n":
            raise LinkMissingError(f"the process for {arguments[0]} did not come up")
        yield child.pid
    finally:
        child.kill()
        child.communicate()


class _Pipe:
    """One direction: packets leave `source` no faster than the rate, and arrive at `target` half a round trip later."""

    def __init__(self, source: int, target: int, shape: Shape) -> None:
        self.source = source
        self._shape = shape
        self._target = target
        self._waiting: deque[tuple[float, bytes]] = deque()
        self._clear_at = 0.0

    def take(self, now: float) -> None:
        """Read what the sender has, as far as there is room at the entrance."""
        while self.has_room(now):
            try:
                packet = os.read(self.source, 1 << 16)
            except BlockingIOError:
                return
            self._clear_at = max(self._clear_at, now) + len(packet) * 8 / self._shape.rate_bits_s
            self._waiting.append((self._clear_at + self._shape.round_trip_s / 2, packet))

    def give(self, now: float) -> None:
        """Deliver what is due."""
        while self._waiting and self._waiting[0][0] <= now:
            with contextlib.suppress(OSError):
                # A full receiver drops the packet, as a network does.
                os.write(self._target, self._waiting.popleft()[1])

    def has_room(self, now: float) -> bool:
        return self._clear_at - now < _BACKLOG_S

    def next_at(self, now: float) -> float:
        """When there is something to do although no packet comes."""
        due = self._waiting[0][0] if self._waiting else now + 1.0
        return due if self.has_room(now) else min(due, self._clear_at - _BACKLOG_S)


def _carry(namespace: str, net: str, rate_bits_s: str, round_trip_s: str) -> None:
    shape = Shape(rate_bits_s=int(rate_bits_s), round_trip_s=float(round_trip_s))
    outside, inside = _open_tun(None), _open_tun(namespace)
    for place, address in (((), f"{net}.1/24"), (("-n", namespace), f"{net}.2/24")):
        _ip(*place, "addr", "add", address, "dev", _device())
        _ip(*place, "link", "set", _device(), "mtu", str(MTU_BYTES), "txqueuelen", str(_QUEUE_PACKETS), "up")
    _say_ready()
    pipes = (_Pipe(outside, inside, shape), _Pipe(inside, outside, shape))
    while True:
        now = time.monotonic()
        for pipe in pipes:
            pipe.give(now)
        waits_s = max(0.0, min(pipe.next_at(now) for pipe in pipes) - time.monotonic())
        listened = [pipe.source for pipe in pipes if pipe.has_room(now)]
        select.select(listened, [], [], waits_s)
        now = time.monotonic()
        for pipe in pipes:
            pipe.take(now)


def _say_ready() -> None:
    sys.stdout.write("ready\n")
    sys.stdout.flush()


def _device() -> str:
    return f"{_DEVICE}{os.getpid() % 100_000}"


def _open_tun(namespace: str | None) -> int:
    """A TUN device of ours in a namespace (None: the one we are in); it goes with the descriptor."""
    with open("/proc/self/ns/net", "rb") as own:
        if namespace is not None:
            with open(f"/var/run/netns/{namespace}", "rb") as other:
                _enter(other.fileno())
        try:
            descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
            wish = struct.pack("16sH22x", _device().encode(), _IFF_TUN | _IFF_NO_PI)
            fcntl.ioctl(descriptor, _TUNSETIFF, wish)
            return descriptor
        finally:
            _enter(own.fileno())


def _enter(namespace: int) -> None:
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(namespace, 0) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def _relay(host: str, port: str) -> None:
    """Hands connections on to the same port of this machine's loopback, without the bytes coming through Python."""
    listener = _listen(host, int(port), time.monotonic() + 30)
    _say_ready()
    while True:
        near, _ = listener.accept()
        try:
            far = socket.create_connection(("127.0.0.1", int(port)))
        except OSError:
            near.close()
            continue
        for side in (near, far):
            side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for source, target in ((near, far), (far, near)):
            threading.Thread(target=_splice, args=(source, target), daemon=True).start()


def _listen(host: str, port: int, deadline: float) -> socket.socket:
    """The address is there once its device is up."""
    while True:
        try:
            return socket.create_server((host, port), backlog=512)
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def _splice(source: socket.socket, target: socket.socket) -> None:
    out, into = os.pipe()
    try:
        fcntl.fcntl(into, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        while count := os.splice(source.fileno(), into, _PIPE_BYTES):
            while count:
                count -= os.splice(out, target.fileno(), count)
    except OSError:
        pass
    finally:
        os.close(out)
        os.close(into)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)


if __name__ == "__main__":
    _carry(*sys.argv[2:]) if sys.argv[1] == "carry" else _relay(*sys.argv[2:])
