"""Times DVC's warm checkout. Runs in DVC's own environment, started by bench.warm; prints its times as JSON.

DVC at its best: in process, and files linked rather than copied.

    python peer_dvc.py FOLDER FILES ROUNDS
"""

import json
import shutil
import sys
import time
from pathlib import Path

from dvc.repo import Repo  # type: ignore[import-not-found,unused-ignore]


def main(folder: str, files: str, rounds: str) -> None:
    data = Path(folder) / "data"
    shutil.copytree(files, data)
    with Repo.init(folder, no_scm=True) as repo, repo.config.edit("local") as config:
        config["core"].update({"analytics": False, "check_update": False})
        config["cache"]["type"] = ["hardlink"]
    with Repo(folder) as repo:
        repo.add(str(data))
    in_place_s, removed_s = [], []
    for _ in range(int(rounds)):
        in_place_s.append(_checkout_s(folder))
        shutil.rmtree(data)
        removed_s.append(_checkout_s(folder))
    print(json.dumps({"dvc checkout, in place": in_place_s, "dvc checkout, removed": removed_s}))


def _checkout_s(folder: str) -> float:
    began = time.perf_counter()
    with Repo(folder) as repo:
        repo.checkout()
    return time.perf_counter() - began


if __name__ == "__main__":
    main(*sys.argv[1:])
