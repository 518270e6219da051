"""Crash states, enumerated: what a process did is recorded, and every state that a power cut may leave is built."""

from __future__ import annotations

from forebay.testing.crash.image import Image
from forebay.testing.crash.recording import RecordedHub, RecordingDisk, Trace
from forebay.testing.crash.states import State, crash_states

__all__ = ["Image", "RecordedHub", "RecordingDisk", "State", "Trace", "crash_states"]
