"""Times huggingface_hub's snapshot_download of what its cache holds, offline. Runs in its own environment.

The cache is laid out by hand as a download leaves it: blobs, a snapshot of symbolic links, a reference to it. The call
looks up the reference and finds the folder; it takes no lease and looks at no file.

    python peer_huggingface.py FOLDER FILES ROUNDS
"""

import json
import os
import sys
import time
from pathlib import Path

from huggingface_hub import snapshot_download  # type: ignore[import-not-found,unused-ignore]

_COMMIT = "1" * 40
_CALLS_A_ROUND = 20


def main(folder: str, files: str, rounds: str) -> None:
    cache = Path(folder) / "cache"
    _lay_out(cache / "datasets--bench--few", Path(files))
    times_s = [_download_s(cache) for _ in range(int(rounds) * _CALLS_A_ROUND)]
    print(json.dumps({"hf snapshot_download": times_s}))


def _lay_out(repository: Path, files: Path) -> None:
    (repository / "refs").mkdir(parents=True)
    (repository / "blobs").mkdir()
    (repository / "refs" / "main").write_text(_COMMIT)
    for number, path in enumerate(sorted(files.rglob("*.txt"))):
        blob = repository / "blobs" / f"{number:040x}"
        os.link(path, blob)
        name = repository / "snapshots" / _COMMIT / path.relative_to(files)
        name.parent.mkdir(parents=True, exist_ok=True)
        name.symlink_to(os.path.relpath(blob, name.parent))


def _download_s(cache: Path) -> float:
    began = time.perf_counter()
    snapshot_download("bench/few", repo_type="dataset", cache_dir=cache, local_files_only=True)
    return time.perf_counter() - began


if __name__ == "__main__":
    main(*sys.argv[1:])
