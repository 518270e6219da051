"""Makes versions of what a run has left in its output folders, with where they come from."""

from __future__ import annotations

import shlex
from pathlib import Path

from forebay.client.commit import commit
from forebay.client.session import Session
from forebay.runs.executors.requirements import told_environment
from forebay.wire.catalog import MadeBy
from forebay.wire.runs import RunOrder


def commit_outputs(session: Session, run: RunOrder, folder: Path, *, python: str) -> tuple[str, ...]:
    """The refs of the versions; `python` is the environments'. Raises a ForebayError for what can't be committed."""
    new = run.new
    code = f"git:{new.code.git_commit}{'+changes' if new.code.git_dirty else ''}" if new.code.git_commit else ""
    environment = told_environment(new.requirements, python, session.settings.site_engine)
    made_by = MadeBy(command=shlex.join(new.command), code=code, parameters=f"run {run.run_id}; {environment}")
    made = []
    for output in new.outputs:
        done = commit(
            session,
            output.dataset,
            folder / output.name,
            parents=[use.ref for use in new.data],
            message=new.title or f"run {run.run_id}",
            made_by=made_by,
            team=new.team,
            created_by=run.submitted_by,
        )
        made.append(done.version.ref)
    return tuple(made)
