"""A network of its own for guests and the servers they talk to: a namespace with one bridge, and a tap for each guest.

Nothing in it can be reached from outside, and nothing outside from it, but for what `forward` lends. Needs root.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from forebay.testing.guest.images import TODO
from forebay.testing.servers.process import PartMissingError

HOST = "10.77.0.1"
_CLONE_NEWNET = 0x40000000


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """A guest's way into the network."""

    tap: str
    address: str
    enter: tuple[str, ...]

    @property
    def kernel_word(self) -> str:
        # Not vec0, the newer driver: with it, reads of some hundred KB stalled for good.
        return f"eth0=tuntap,{self.tap}"


@dataclass(slots=True)
class Network:
    """A network namespace. The servers in it are started with `enter` before their command."""

    name: str
    _ports: int = 0
    _stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    @classmethod
    @contextlib.contextmanager
    def make(cls) -> Iterator[Self]:
        if os.geteuid() != 0 or shutil.which("ip") is None or not os.path.exists("/dev/net/tun"):
            raise PartMissingError("a network for guests (root, iproute2 and /dev/net/tun)", TODO)
        network = cls(name=f"forebay-{os.getpid()}")
        _ip("netns", "add", network.name)
        try:
            network._inside("link", "set", "lo", "up")
            network._inside("link", "add", "bridge", "type", "bridge")
            network._inside("address", "add", f"{HOST}/24", "dev", "bridge")
            network._inside("link", "set", "bridge", "up")
            with network._stack:
                yield network
        finally:
            _ip("netns", "delete", network.name)

    @property
    def enter(self) -> tuple[str, ...]:
        return ("ip", "netns", "exec", self.name)

    def port(self) -> Port:
        """A new tap on the bridge."""
        self._ports += 1
        tap = f"tap{self._ports}"
        self._inside("tuntap", "add", tap, "mode", "tap")
        self._inside("link", "set", tap, "master", "bridge")
        self._inside("link", "set", tap, "up")
        return Port(tap=tap, address=f"10.77.0.{self._ports + 1}", enter=self.enter)

    def listen(self, port: int) -> socket.socket:
        """A listening socket in the namespace: a socket stays where it was made, whoever holds it."""
        made: list[socket.socket] = []

        def make() -> None:
            libc = ctypes.CDLL(None, use_errno=True)
            with Path(f"/run/netns/{self.name}").open("rb") as namespace:
                if libc.setns(namespace.fileno(), _CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), "setns")
            made.append(socket.create_server((HOST, port)))

        # Entering is for the thread that does it alone.
        thread = threading.Thread(target=make)
        thread.start()
        thread.join()
        return made[0]

    def forward(self, port: int) -> None:
        """Lend the guests 127.0.0.1:PORT of this machine, under HOST:PORT, as long as the network is there."""
        server = self.listen(port)
        self._stack.enter_context(server)
        connections = [server]
        self._stack.callback(_end, connections)
        threading.Thread(target=_serve, args=(server, port, connections), daemon=True).start()

    def _inside(self, *words: str) -> None:
        _ip("-n", self.name, *words)


def _end(connections: list[socket.socket]) -> None:
    """Wake whoever waits for one of them: a guest that lost power says no word of goodbye."""
    for connection in connections:
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)


def _serve(server: socket.socket, port: int, connections: list[socket.socket]) -> None:
    with contextlib.suppress(OSError):
        while True:
            near, _ = server.accept()
            connections.append(near)
            threading.Thread(target=_forward, args=(near, port), daemon=True).start()


def _forward(near: socket.socket, port: int) -> None:
    with near, socket.create_connection(("127.0.0.1", port)) as far:
        back = threading.Thread(target=_copy, args=(far, near), daemon=True)
        back.start()
        _copy(near, far)
        back.join()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def _ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise PartMissingError(f"a network for guests (`ip {' '.join(words)}`: {done.stderr.strip()})", TODO)
