"""Writes agent1/: what agents and hubs of protocol 1 say. Run once, when a protocol is new; what is written then stays.

python -m tests.compat.make_agent1
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from forebay.sites.agent.journal import Note
from forebay.wire.codec import to_json
from forebay.wire.runs import Code, DataUse, NewRun, Output, Retry, RunOrder, Variable
from forebay.wire.sites import (
    Attached,
    Beaten,
    Hello,
    Order,
    Orders,
    Report,
    SiteState,
    TaskKey,
    TaskKind,
    TaskState,
)

FOLDER = Path(__file__).parent / "agent1"

_RUN = RunOrder(
    run_id="9890377b5865461e99c774b54351684c",
    attempt=2,
    new=NewRun(
        command=("python", "train.py", "{criteo}"),
        data=(DataUse(name="criteo", ref="criteo@v3"),),
        outputs=(Output(name="model", dataset="criteo-model"),),
        gpus=1,
        cpus=4,
        memory_bytes=1 << 30,
        variables=(Variable(name="SEED", value="7"),),
        requirements="polars\n",
        code=Code(bundle="ab" * 32, git_commit="12" * 20, git_dirty=True),
        retry=Retry(attempts=3, backoff_s=5.0),
        submitted_by="ada",
    ),
    submitted_by="ada",
)
_ORDERS = (
    Order(task_id="f", token=1, kind=TaskKind.FILL, ref="criteo@v3", reason="a run waits for it"),
    Order(task_id="e", token=1, kind=TaskKind.EVICT, ref="criteo@v1"),
    Order(task_id="s", token=4, kind=TaskKind.SCRUB, stop=True),
    Order(task_id="run-9890377b5865461e99c774b54351684c-2", token=2, kind=TaskKind.RUN, run=_RUN),
)
_DONE = Report(task_id="f", token=1, state=TaskState.DONE, done_bytes=5, total_bytes=5)

SAID: dict[str, Any] = {
    "hello": Hello(
        site="dgx",
        volume_id="v",
        gpus=8,
        cpus=64,
        memory_bytes=1 << 40,
        labels="gpu-type=a100",
        release="0.1.0",
        resumes=(TaskKey(task_id="f", token=1),),
    ),
    "attached": Attached(agent_token=3, hold_s=60.0, beat_s=10.0),
    "orders": Orders(revision=17, state=SiteState.UP, orders=_ORDERS),
    "reports": [
        _DONE,
        Report(
            task_id="e",
            token=1,
            state=TaskState.FAILED,
            detail="it is used",
            kind="in-use",
            todo="Wait.",
            exit_code=None,
        ),
    ],
    "beaten": Beaten(heard=(TaskKey(task_id="f", token=1),), revision=18),
    "note": Note(order=_ORDERS[0], report=_DONE),
}


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name, value in SAID.items():
        (FOLDER / f"{name}.json").write_text(json.dumps(to_json(value), indent=1) + "\n")


if __name__ == "__main__":
    main()
