"""A door in front of servers of this machine: connections go to one after the other, and it notes what is asked for."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import unquote

_LINE = re.compile(rb"(?P<method>[A-Z]+) (?P<path>/[^ ?]*)[^ ]* HTTP/1\.1\r\n")
_RANGE = re.compile(rb"\r\nrange: *bytes=(\d+)-(\d*)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One GET of an object; `end` None: to its end."""

    path: str
    start: int = 0
    end: int | None = None


@dataclass(slots=True, kw_only=True)
class Gate:
    """Listens at `port` of 127.0.0.1. With `notes`, only requests without bodies may come through.

    Once `holds_at` bytes of answers have come through, `held` is set, nothing more comes, and all connections end when
    `let_end` is called.
    """

    targets: Sequence[int]
    host: str = "127.0.0.1"
    notes: bool = False
    port: int = 0
    asked: list[Asked] = field(default_factory=list)
    passed: Counter[int] = field(default_factory=Counter)
    holds_at: int | None = None
    held: threading.Event = field(default_factory=threading.Event)
    given_bytes: int = 0
    _ended: threading.Event = field(default_factory=threading.Event)
    _counting: threading.Lock = field(default_factory=threading.Lock)
    _turn: int = 0
    _open: list[socket.socket] = field(default_factory=list)

    @classmethod
    @contextlib.contextmanager
    def open(cls, *targets: int, host: str = "127.0.0.1", notes: bool = False) -> Iterator[Self]:
        """To ports of `host`."""
        gate = cls(targets=targets, host=host, notes=notes)
        with socket.create_server(("127.0.0.1", 0), backlog=128) as server:
            gate.port = server.getsockname()[1]
            gate._open.append(server)
            threading.Thread(target=gate._serve, args=(server,), daemon=True).start()
            try:
                yield gate
            finally:
                gate.let_end()
                for end in list(gate._open):
                    _end(end)

    def let_end(self) -> None:
        """What is held ends here."""
        self._ended.set()

    def _serve(self, server: socket.socket) -> None:
        while True:
            try:
                near, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=self._pass, args=(near,), daemon=True).start()

    def _pass(self, near: socket.socket) -> None:
        with near:
            far = self._reach()
            if far is None:
                return
            with far:
                self._open += (near, far)
                back = threading.Thread(target=self._answer, args=(far, near), daemon=True)
                back.start()
                self._forward(near, far)
                back.join()

    def _reach(self) -> socket.socket | None:
        """The next server; one that does not listen loses its turn."""
        for _ in self.targets:
            self._turn += 1
            port = self.targets[self._turn % len(self.targets)]
            with contextlib.suppress(OSError):
                far = socket.create_connection((self.host, port))
                self.passed[port] += 1
                return far
        return None

    def _forward(self, near: socket.socket, far: socket.socket) -> None:
        head = b""
        with contextlib.suppress(OSError):
            while data := near.recv(1 << 16):
                if self.notes:
                    *whole, head = (head + data).split(b"\r\n\r\n")
                    for one in whole:
                        self._note(one + b"\r\n")
                far.sendall(data)
        _end(far)

    def _answer(self, far: socket.socket, near: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while not self._holds() and (data := far.recv(1 << 16)):
                # Before it is sent: whoever has read it finds it counted.
                with self._counting:
                    self.given_bytes += len(data)
                near.sendall(data)
        _end(near)

    def _holds(self) -> bool:
        """Whether no more may come through; then only once that shall end."""
        if self.holds_at is None or self.given_bytes < self.holds_at:
            return False
        self.held.set()
        self._ended.wait()
        return True

    def _note(self, head: bytes) -> None:
        line = _LINE.match(head)
        if line is None or line["method"] != b"GET":
            return
        path, part = unquote(line["path"].decode()), _RANGE.search(head)
        if part is None:
            self.asked.append(Asked(path=path))
        else:
            self.asked.append(Asked(path=path, start=int(part[1]), end=int(part[2]) + 1 if part[2] else None))


def _end(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
