"""The training of a measurement: opens the data, says when its first byte was there, reads all of them once.

    python trained.py forebay REF | folder PATH

Says one line of JSON: `first_byte_at` (seconds of the machine's monotonic clock) and `read_bytes`.
"""

import json
import sys
import time
from pathlib import Path

_CHUNK_BYTES = 8 << 20


def train(folder: Path) -> dict[str, float]:
    """Every file once, in order."""
    first_byte_at = 0.0
    read_bytes = 0
    for path in sorted(path for path in folder.rglob("*.bin")):
        with path.open("rb", buffering=0) as file:
            while data := file.read(_CHUNK_BYTES if read_bytes else 1):
                first_byte_at = first_byte_at or time.monotonic()
                read_bytes += len(data)
    return {"first_byte_at": first_byte_at, "read_bytes": read_bytes}


def main(way: str, what: str) -> None:
    if way == "folder":
        said = train(Path(what))
    else:
        import forebay

        with forebay.open(what) as data:
            said = train(Path(data))
    print(json.dumps(said))


if __name__ == "__main__":
    main(*sys.argv[1:])
