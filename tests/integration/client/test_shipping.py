"""A log reaches the hub whole and once, whoever dies in between."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from forebay.client.agent.shipping import PIECE_BYTES, LogShipper
from forebay.errors import ConflictError, UnavailableError
from forebay.fsio import Disk
from forebay.runs.executors.logs import LogWriter
from forebay.runs.executors.protocol import JobKey

KEY = JobKey(run_id="r", attempt=1, token=3)
BOUND_BYTES = 1 << 20


class KeptLog:
    """What a hub keeps of one log; `fails` is raised after it has taken a piece, as when the answer is lost."""

    def __init__(self) -> None:
        self.data = b""
        self.dropped_bytes = 0
        self.fails: Exception | None = None

    def add_log(self, run_id: str, attempt: int, token: int, offset: int, text: str, dropped_bytes: int = 0) -> int:
        assert (run_id, attempt, token) == ("r", 1, 3)
        end = self.dropped_bytes + len(self.data)
        if offset - dropped_bytes <= end:
            self.dropped_bytes += max(0, offset - end)
            self.data += text.encode()[max(0, end - offset) :]
        if self.fails is not None:
            error, self.fails = self.fails, None
            raise error
        return self.dropped_bytes + len(self.data)


def shipper(kept: KeptLog, folder: Path) -> LogShipper:
    return LogShipper(cast(Any, kept), KEY, folder / "log", Disk())


def ship_all(one: LogShipper) -> None:
    while not one.ship(is_last=True):
        pass


def test_a_log_that_grows_is_sent_as_it_grows(tmp_path: Path) -> None:
    kept, writer = KeptLog(), LogWriter(tmp_path / "log", BOUND_BYTES)
    one = shipper(kept, tmp_path)
    assert one.ship()
    for text in ("a\n", "ä", "ö\n"):
        writer.write(text.encode())
        assert one.ship()
    writer.close()
    assert kept.data.decode() == "a\näö\n"


def test_the_next_agent_goes_on_where_the_last_one_was_also_when_an_answer_was_lost(tmp_path: Path) -> None:
    kept, writer = KeptLog(), LogWriter(tmp_path / "log", BOUND_BYTES)
    writer.write(b"x" * PIECE_BYTES + b"\xff" + b"y" * 10)
    kept.fails = UnavailableError("hub-away", "away")
    with pytest.raises(UnavailableError):
        shipper(kept, tmp_path).ship()
    writer.write(b"z")
    writer.close()
    ship_all(shipper(kept, tmp_path))
    assert kept.data == b"x" * PIECE_BYTES + "\ufffd".encode() + b"y" * 10 + b"z"


def test_what_is_gone_of_a_bounded_log_is_counted(tmp_path: Path) -> None:
    kept, writer = KeptLog(), LogWriter(tmp_path / "log", BOUND_BYTES)
    for _ in range(30):
        writer.write(b"l" * 100_000)
    writer.close()
    ship_all(shipper(kept, tmp_path))
    assert kept.dropped_bytes > 0
    assert kept.dropped_bytes + len(kept.data) == 3_000_000


def test_a_hub_that_lost_a_log_gets_what_is_still_to_come(tmp_path: Path) -> None:
    kept, writer = KeptLog(), LogWriter(tmp_path / "log", BOUND_BYTES)
    writer.write(b"first")
    one = shipper(kept, tmp_path)
    one.ship()
    kept.data = b""
    writer.write(b"then")
    one.ship()
    writer.close()
    assert (kept.dropped_bytes, kept.data) == (5, b"then")


def test_a_log_of_an_attempt_that_was_given_away_is_sent_no_more(tmp_path: Path) -> None:
    kept, writer = KeptLog(), LogWriter(tmp_path / "log", BOUND_BYTES)
    writer.write(b"first")
    one = shipper(kept, tmp_path)
    kept.fails = ConflictError("fenced", "another one has it")
    assert one.ship(is_last=True)
    assert one.is_refused
    writer.write(b"then")
    writer.close()
    assert one.ship(is_last=True)
    assert kept.data == b"first"
