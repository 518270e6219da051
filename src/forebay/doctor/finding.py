"""What a check says. Values only."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from forebay.errors import ForebayError


class Severity(StrEnum):
    """A `fault` stops something from working; a `warning` will, or makes it slow; a `note` is good to know."""

    FAULT = "fault"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """`kind` is a stable word; `message` says what was found, with numbers; `mend` what to do about it."""

    kind: str
    severity: Severity
    message: str
    mend: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """One check and what it found; nothing: all is well."""

    name: str
    seconds: float
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """Every check, in order."""

    checks: tuple[Checked, ...]

    @property
    def findings(self) -> tuple[Finding, ...]:
        return tuple(found for check in self.checks for found in check.findings)

    @property
    def healthy(self) -> bool:
        """Whether nothing is a fault."""
        return all(found.severity is not Severity.FAULT for found in self.findings)


def fault(kind: str, message: str, mend: str) -> Finding:
    """Something does not work."""
    return Finding(kind=kind, severity=Severity.FAULT, message=message, mend=mend)


def warning(kind: str, message: str, mend: str) -> Finding:
    """Something soon will not, or is slow."""
    return Finding(kind=kind, severity=Severity.WARNING, message=message, mend=mend)


def note(kind: str, message: str, mend: str) -> Finding:
    """Good to know."""
    return Finding(kind=kind, severity=Severity.NOTE, message=message, mend=mend)


def told(error: ForebayError) -> Finding:
    """An error of ours says it all."""
    return fault(error.kind, error.message, error.todo or "Look at what it names, and run forebay doctor again.")
