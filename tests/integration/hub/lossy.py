"""A way to a server on which answers get lost: the server has worked, and the client never hears of it."""

from __future__ import annotations

import socket
import threading
from types import TracebackType
from typing import Self


class LossyProxy:
    """Forwards connections to a port of this machine; the next `lose` answers are thrown away, connection and all."""

    def __init__(self, port: int) -> None:
        self._to = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self.lose = 0
        self.lost = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(10)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._start(self._serve, client)

    def _start(self, work: object, *given: object) -> None:
        thread = threading.Thread(target=work, args=given, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _serve(self, client: socket.socket) -> None:
        with client, socket.create_connection(self._to) as server:
            upward = threading.Thread(target=self._copy, args=(client, server), daemon=True)
            upward.start()
            while data := _received(server):
                with self._lock:
                    if self.lose:
                        self.lose -= 1
                        self.lost += 1
                        break
                client.sendall(data)
            _shut(client)
            _shut(server)
            upward.join(10)

    def _copy(self, client: socket.socket, server: socket.socket) -> None:
        while data := _received(client):
            server.sendall(data)
        _shut(server)


def _received(end: socket.socket) -> bytes:
    try:
        return end.recv(1 << 16)
    except OSError:
        return b""


def _shut(end: socket.socket) -> None:
    try:
        end.shutdown(socket.SHUT_RDWR)
    except OSError:
        return
