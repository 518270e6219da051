"""What a job sees of the environment it is started from, pure: nothing that could be a secret of the agent's."""

from __future__ import annotations

from collections.abc import Mapping

INHERITED = ("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TMPDIR", "LD_LIBRARY_PATH")
INHERITED_PREFIXES = ("LC_",)

MARK = "FOREBAY_JOB"
"""Every process of a job has this variable, with a value that no other job has: so they are found again."""


def clean_environment(agent: Mapping[str, str]) -> dict[str, str]:
    """The part of it that a job may see."""
    return {name: value for name, value in agent.items() if name in INHERITED or name.startswith(INHERITED_PREFIXES)}
