"""`wire.runs.Runs` of a served hub. Code bundles are brought once, checked, and kept by their digest."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from forebay.catalog.archive import Archive
from forebay.client.remote.catalog import at_hand
from forebay.client.remote.connection import MOST_ON_A_PAGE, Connection, at
from forebay.errors import NotFoundError
from forebay.wire.codec import to_json
from forebay.wire.http import BYTES, GZIP
from forebay.wire.runs import LOG_PIECE_BYTES, Explanation, Keepsake, LogPiece, NewRun, Run, RunPage, RunQuery


@dataclass(frozen=True, slots=True, kw_only=True)
class _Page:
    items: tuple[Run, ...]
    next: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stored:
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    next_offset: int


class RemoteRuns:
    """Implements `wire.runs.Runs`. `folder` tells where this hub's files are kept here."""

    def __init__(self, connection: Connection, folder: Callable[[], Path]) -> None:
        self._connection = connection
        self._folder = folder

    def submit(self, new: NewRun) -> Run:
        return self._connection.write(Run, "POST", at("runs"), to_json(new), once=True)

    def explain(self, new: NewRun) -> Explanation:
        return self._connection.write(Explanation, "POST", at("runs", "explanation"), to_json(new))

    def get(self, run_id: str, after: int = 0, wait_s: float = 0.0) -> Run:
        address = at("runs", run_id)
        return self._connection.wait(Run, address, {"after": after}, wait_s, lambda found: found.revision > after)

    def page(self, query: RunQuery) -> RunPage:
        asked = {
            "state": query.state.value if query.state else None,
            "user": query.user,
            "team": query.team,
            "site": query.site,
            "dataset": query.dataset,
            "active": "true" if query.active else "false",
            "cursor": query.before or None,
            "limit": max(1, min(query.limit, MOST_ON_A_PAGE)),
        }
        found = self._connection.get(_Page, at("runs"), asked)
        return RunPage(runs=found.items, next_before=found.next or "")

    def cancel(self, run_id: str, reason: str = "", by: str = "") -> Run:
        body = {"reason": reason, "by": by}
        return self._connection.write(Run, "POST", at("runs", run_id, "cancellation"), body, once=True)

    def retry(self, run_id: str) -> Run:
        return self._connection.write(Run, "POST", at("runs", run_id, "retry"), once=True)

    def log(self, run_id: str, attempt: int, offset: int, limit: int) -> LogPiece:
        query = {"attempt": attempt, "offset": max(0, offset), "limit": max(1, min(limit, LOG_PIECE_BYTES))}
        return self._connection.get(LogPiece, at("runs", run_id, "log"), query)

    def add_log(self, run_id: str, attempt: int, token: int, offset: int, text: str, dropped_bytes: int = 0) -> int:
        body = {"attempt": attempt, "token": token, "offset": offset, "text": text, "dropped_bytes": dropped_bytes}
        return self._connection.write(_Wanted, "PUT", at("runs", run_id, "log"), body).next_offset

    def keep(self, run_id: str, attempt: int, token: int, name: str, data: bytes) -> Keepsake:
        with tempfile.TemporaryDirectory(prefix="forebay-upload-") as folder:
            file = Path(folder) / "keepsake"
            file.write_bytes(data)
            address = at("runs", run_id, "keepsakes", str(attempt), name)
            return self._connection.upload(Keepsake, "PUT", address, file, query={"token": token}, content_type=BYTES)

    def keepsakes(self, run_id: str) -> tuple[Keepsake, ...]:
        return self._connection.get(tuple[Keepsake, ...], at("runs", run_id, "keepsakes"))

    def keepsake(self, run_id: str, attempt: int, name: str) -> bytes:
        with tempfile.TemporaryDirectory(prefix="forebay-download-") as folder:
            file = Path(folder) / "keepsake"
            self._connection.download(at("runs", run_id, "keepsakes", str(attempt), name), file)
            return file.read_bytes()

    def store_code(self, bundle: Path) -> str:
        if not bundle.is_file():
            raise NotFoundError("file-not-found", f"There is no file {bundle}.")
        return self._connection.upload(_Stored, "POST", at("bundles"), bundle, content_type=GZIP).digest

    def code_path(self, digest: str) -> Path:
        address, kept = at("bundles", digest), Archive(self._folder())
        return at_hand(lambda: kept.verify_bundle(digest), lambda: self._bring(address, kept.add_bundle))

    def _bring(self, address: str, keep: Callable[[Path], object]) -> None:
        with tempfile.TemporaryDirectory(prefix="forebay-download-") as folder:
            file = Path(folder) / "bundle.tar.gz"
            self._connection.download(address, file)
            keep(file)
