"""Fills from other sites' agents: for every range the nearest source, and away from a peer that fails or is slow.

A peer is trusted with nothing: what it sends is hashed like what a lake sends, and a wait for it is bounded. One that
failed rests for a while, for every fill of this process.
"""

from __future__ import annotations

import http.client
import ssl
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from forebay.cache.nearby import Asked
from forebay.cache.tally import Request, Tally
from forebay.clock import Clock
from forebay.lake.fetch import Sink
from forebay.log import get_logger
from forebay.sites.links import Link, is_slow, nearer_than, recorded
from forebay.sites.nearby import PeerManners, Resting
from forebay.wire.links import PeerHolder, Sources

_log = get_logger("peers")

CHUNK_BYTES = 256 * 1024
_RENEW_SHARE = 0.5
_MISSING = (http.client.NOT_FOUND, http.client.REQUESTED_RANGE_NOT_SATISFIABLE)


class _FailedError(Exception):
    """The peer did not give what was asked; the text says why. `rests` unless it lacks this one blob alone."""

    def __init__(self, why: str, *, rests: bool = True) -> None:
        super().__init__(why)
        self.rests = rests


@dataclass(slots=True)
class _Peer:
    """One peer in one fill."""

    holder: PeerHolder
    link: Link
    tally: Tally
    idle: list[http.client.HTTPConnection] = field(default_factory=list)
    misses: int = 0


class Peers:
    """Implements `cache.nearby.Nearby`."""

    def __init__(
        self,
        sources: Sources,
        ask: Callable[[], Sources | None],
        suspect: Callable[[str, bytes], None],
        resting: Resting,
        clock: Clock,
        manners: PeerManners,
    ) -> None:
        self._ask = ask
        self._suspect = suspect
        self._resting = resting
        self._clock = clock
        self._manners = manners
        self._lock = threading.Lock()
        self._renewing = threading.Lock()
        self._peers: dict[str, _Peer] = {}
        self._lacking: set[tuple[str, int]] = set()
        self._closed = False
        self._take(sources)

    def fetch(self, asked: Asked, sink: Sink, cancelled: Callable[[], bool], given_by: set[str]) -> int:
        position, failed = asked.start, {name for name in self._usable if (name, asked.index) in self._lacking}
        while position < asked.end and not cancelled() and (peer := self._nearest(failed)) is not None:
            name = peer.holder.volume_id
            with closing(self._chunks(peer, asked, position, cancelled, failed)) as chunks:
                for chunk in chunks:
                    given_by.add(name)
                    position += len(chunk)
                    sink(chunk)
        return position

    def suspect(self, digest: bytes, given_by: Iterable[str]) -> None:
        for volume_id in given_by:
            _log.warning("peer-sent-other-bytes", volume=volume_id, digest=digest.hex())
            self._resting.rest(volume_id, self._manners.rest_s)
            self._suspect(volume_id, digest)

    def tallies(self) -> Sequence[Tally]:
        return [peer.tally for peer in self._peers.values()]

    def close(self) -> None:
        with self._lock:
            self._closed = True
            idle = [connection for peer in self._peers.values() for connection in peer.idle]
            for peer in self._peers.values():
                peer.idle.clear()
        for connection in idle:
            connection.close()

    def _take(self, sources: Sources) -> None:
        """These are the sources from now on; what is known of peers that stay is kept."""
        self._renew_at = self._clock.monotonic() + _RENEW_SHARE * sources.tickets_last_s
        self._lake = recorded(sources.lake)
        for holder in sources.peers:
            peer = self._peers.get(holder.volume_id)
            if peer is None:
                tally = Tally(holder.site, self._clock)
                self._peers[holder.volume_id] = _Peer(holder=holder, link=recorded(holder.link), tally=tally)
            else:
                peer.holder, peer.link = holder, recorded(holder.link)
        self._usable = {holder.volume_id for holder in sources.peers}

    def _nearest(self, failed: set[str]) -> _Peer | None:
        """The peer that costs least; None where that is the lake."""
        self._renew()
        usable = [self._peers[name] for name in self._usable - failed if not self._resting.rests(name)]
        links = [peer.link for peer in usable]
        waits_s = self._manners.wait_s_per_money
        found = nearer_than(self._lake, links, self._clock.now(), wait_s_per_money=waits_s)
        return next((peer for peer in usable if peer.link is found), None)

    def _renew(self) -> None:
        """Ask for other tickets long before these have run out; who comes meanwhile goes on with these."""
        if self._clock.monotonic() < self._renew_at or not self._renewing.acquire(blocking=False):
            return
        try:
            self._renew_at = self._clock.monotonic() + self._manners.rest_s
            sources = self._ask()
            if sources is not None:
                self._take(sources)
        finally:
            self._renewing.release()

    def _chunks(
        self, peer: _Peer, asked: Asked, start: int, cancelled: Callable[[], bool], failed: set[str]
    ) -> Generator[bytes, None, None]:
        """The bytes from `start` on, as far as the peer gives them; one that fails rests, and is in `failed`."""
        request = peer.tally.begin()
        try:
            with self._answer(peer, asked, start) as response:
                yield from self._body(peer, request, asked.end - start, response, cancelled)
            peer.misses = 0
        except _FailedError as failure:
            failed.add(peer.holder.volume_id)
            if not failure.rests:
                # A large file is asked for in many ranges; a miss is told once.
                self._lacking.add((peer.holder.volume_id, asked.index))
            peer.misses += 1
            if failure.rests or peer.misses >= self._manners.misses:
                _log.info("peer-rests", site=peer.holder.site, why=str(failure))
                self._resting.rest(peer.holder.volume_id, self._manners.rest_s)
        finally:
            peer.tally.end(request)

    def _body(
        self,
        peer: _Peer,
        request: Request,
        left: int,
        response: http.client.HTTPResponse,
        cancelled: Callable[[], bool],
    ) -> Iterator[bytes]:
        waited_s = 0.0
        while left and not cancelled():
            before = self._clock.monotonic()
            chunk = _read(response, min(CHUNK_BYTES, left))
            waited_s += self._clock.monotonic() - before
            if not chunk:
                raise _FailedError(f"it ended {left} bytes early")
            left -= len(chunk)
            peer.tally.came(request, len(chunk))
            yield chunk
            if left and self._is_slow(peer, request, waited_s):
                raise _FailedError(f"it brought {request.moved_bytes} bytes in {waited_s:.1f} s")

    def _is_slow(self, peer: _Peer, request: Request, waited_s: float) -> bool:
        return is_slow(
            request.moved_bytes,
            waited_s,
            streams=peer.tally.streams,
            link=peer.link,
            instead=self._lake,
            now=self._clock.now(),
        )

    @contextmanager
    def _answer(self, peer: _Peer, asked: Asked, start: int) -> Iterator[http.client.HTTPResponse]:
        """The checked answer to a request for the rest of the range; its connection is kept when all was read."""
        headers = {"Authorization": f"Bearer {peer.holder.ticket}", "Range": f"bytes={start}-{asked.end - 1}"}
        path = f"/blobs/{asked.index}/{asked.digest.hex()}"
        connection, response = self._request(peer, path, headers)
        is_whole = False
        try:
            _check(response, start, asked.end)
            yield response
            is_whole = response.isclosed()
        finally:
            with self._lock:
                is_kept = is_whole and not self._closed
                if is_kept:
                    peer.idle.append(connection)
            if not is_kept:
                connection.close()

    def _request(
        self, peer: _Peer, path: str, headers: Mapping[str, str]
    ) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        """Ask on an idle connection; on a new one where there is none, or where that one was closed meanwhile."""
        with self._lock:
            idle = peer.idle.pop() if peer.idle else None
        for connection in [idle] if idle is not None else []:
            with suppress(OSError, http.client.HTTPException):
                connection.request("GET", path, headers=dict(headers))
                return connection, connection.getresponse()
            connection.close()
        connection = _connection(peer.holder.url, self._manners.connect_s)
        try:
            connection.connect()
            connection.sock.settimeout(self._manners.read_s)
            connection.request("GET", path, headers=dict(headers))
            return connection, connection.getresponse()
        except (OSError, http.client.HTTPException, ValueError) as error:
            connection.close()
            raise _FailedError(f"it does not answer ({type(error).__name__})") from error


def _connection(url: str, connect_s: float) -> http.client.HTTPConnection:
    parts = urlsplit(url)
    if parts.scheme == "https":
        context = ssl.create_default_context()
        return http.client.HTTPSConnection(parts.hostname or "", parts.port, timeout=connect_s, context=context)
    return http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=connect_s)


def _check(response: http.client.HTTPResponse, start: int, end: int) -> None:
    """The answer must be exactly what was asked for."""
    if response.status in _MISSING:
        raise _FailedError(f"it has not got this blob (status {response.status})", rests=False)
    if response.status != http.client.PARTIAL_CONTENT:
        raise _FailedError(f"it answers with status {response.status}")
    span = response.getheader("Content-Range", "")
    if response.length != end - start or not span.startswith(f"bytes {start}-{end - 1}/"):
        raise _FailedError(f"it sends something else than was asked ({span or 'no range'})")


def _read(response: http.client.HTTPResponse, most: int) -> bytes:
    """What comes next, whatever its size: one that trickles must be seen to."""
    try:
        return response.read1(most)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _FailedError(f"it broke off ({type(error).__name__})") from error
