"""What `forebay.open` costs a Python that runs already: warms a version, and writes its own seconds to a file.

Started by bench.fill:  python -m bench.fill_in_process REF SYNCED RESULT
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from pathlib import Path

# A program that trains has these loaded before it asks for its data.
import pandas as pd  # noqa: F401

from forebay.client.session import Session


def main(ref: str, synced: str, result: str) -> None:
    with Session.start() as session:
        cache, version = session.cache, session.hub.catalog.resolve(ref)
        began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF)
        cache.warm(version, session.holder("warm"))
        subprocess.run(["sync", "-f", synced], check=True)
        wall_s, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_SELF)
    system_s = after.ru_stime - before.ru_stime
    cpu_s = after.ru_utime - before.ru_utime + system_s
    Path(result).write_text(json.dumps({"wall_s": wall_s, "cpu_s": cpu_s, "system_s": system_s}))


if __name__ == "__main__":
    main(*sys.argv[1:])
