"""Checks of what is on this machine alone: settings files, the home folder, limits of the process."""

from __future__ import annotations

import os
import resource
import stat
import tomllib
import uuid
from collections.abc import Iterator
from pathlib import Path
from shlex import quote

from forebay import fsio
from forebay.doctor.finding import Finding, fault, warning
from forebay.doctor.patient import Patient
from forebay.settings import project_file, user_file

_SECRETS = ("token", "metrics_token", "database", "profiles")


def settings_files(patient: Patient) -> Iterator[Finding]:
    """That files with secrets in them are for their owner's eyes."""
    for path in (user_file(), project_file(patient.folder)):
        if path is None or not path.is_file():
            continue
        mode = stat.S_IMODE(path.stat().st_mode)
        secrets = [name for name in _SECRETS if tomllib.loads(path.read_text(encoding="utf-8")).get(name)]
        if secrets and mode & 0o077:
            told = fault if mode & 0o007 else warning
            who = "everybody on this machine" if mode & 0o007 else "its group"
            message = f"{path} has secrets ({', '.join(secrets)}), and {who} may read it (mode {mode:04o})"
            yield told("secrets-readable", message, f"chmod 600 {quote(str(path))}")


def home(patient: Patient) -> Iterator[Finding]:
    """That the home folder can be written to, and its disk has room."""
    path = patient.settings.home.absolute()
    there = _nearest(path)
    if not there.is_dir():
        yield fault(
            "home-is-file", f"{there} is a file; the home {path} can't be there", "Set FOREBAY_HOME to a folder."
        )
        return
    free_bytes = fsio.free_bytes(there)
    if free_bytes < patient.thresholds.home_free_bytes:
        message = f"the disk of the home {path} has {free_bytes >> 20} MiB left"
        yield warning("home-full", message, "Free some, or set FOREBAY_HOME to another disk: the records need room.")
    probe = there / f".forebay-doctor.{uuid.uuid4().hex}"
    try:
        probe.write_bytes(b"x")
        probe.unlink()
    except OSError as error:
        message = f"cannot write to the home {path}: {error.strerror} (in {there})"
        yield fault("home-read-only", message, "Give write permission there, or set FOREBAY_HOME to another folder.")


def limits(patient: Patient) -> Iterator[Finding]:
    """That this process may open enough files: a fill holds one for each stream, and as many connections."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    least = patient.thresholds.open_files
    if soft != resource.RLIM_INFINITY and soft < least:
        message = f"a process here may open {soft} files; a fill with {patient.settings.streams} streams wants {least}"
        yield warning("few-open-files", message, f"ulimit -n {least}, or LimitNOFILE={least} in its systemd unit.")


def _nearest(path: Path) -> Path:
    """The path, or the nearest one above it that exists."""
    return next((place for place in (path, *path.parents) if os.path.lexists(place)), Path("/"))
