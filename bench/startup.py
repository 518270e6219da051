"""What typing `forebay` and writing `import forebay` cost before anything is done.

Each beside a bare Python and beside the peers' own help, all as processes. The import is what it adds to a bare
Python: `python -c "import forebay"` less `python -c pass`. Run: python -m bench.startup [--rounds N]
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import forebay
from bench import peers
from bench.machine import machine_facts, start_options
from bench.process import Usage, measure
from bench.report import Case, Side, conclude, table
from bench.rounds import alternate, median_of

HELP_AIM_S, IMPORT_AIM_S = 0.3, 0.1
BARE, IMPORT, HELP = "python -c pass", "python -c 'import forebay'", "forebay --help"

Results = Mapping[str, Sequence[Usage]]


def main() -> None:
    options = start_options("bench.startup", __doc__, rounds=10)
    facts = machine_facts(Path(tempfile.gettempdir()))
    env = peers.peer_env()
    entrants = {name: partial(measure, command, env=env) for name, command in _commands().items()}
    for once in entrants.values():
        # Compiled modules and binaries are in memory from now on, for all of them.
        once()
    results = alternate(entrants, options.rounds)
    print(_table(results))
    facts |= {"rounds": options.rounds, "versions": _versions()}
    facts["medians_s"] = {name: round(_wall_s(usages), 4) for name, usages in results.items()}
    conclude("startup", _cases(results), facts)


def _commands() -> dict[str, list[str | Path]]:
    python = Path(sys.executable)
    return {
        BARE: [python, "-c", "pass"],
        IMPORT: [python, "-c", "import forebay"],
        HELP: [python.with_name("forebay"), "--help"],
        "dvc --help": [peers.program("dvc", "dvc"), "--help"],
        "hf --help": [peers.program("huggingface", "hf"), "--help"],
        "s5cmd help": [peers.program("copy", "s5cmd"), "help"],
    }


def _wall_s(usages: Sequence[Usage]) -> float:
    return median_of(usages, lambda usage: usage.wall_s)


def _table(results: Results) -> str:
    rows = [
        [
            name,
            f"{_wall_s(usages):.3f}",
            f"{min(usage.wall_s for usage in usages):.3f}",
            f"{max(usage.wall_s for usage in usages):.3f}",
            f"{median_of(usages, lambda usage: usage.cpu_s):.3f}",
        ]
        for name, usages in results.items()
    ]
    rounds = len(results[BARE])
    return table(
        f"processes from start to end, medians of {rounds}", ["command", "wall s", "min", "max", "CPU s"], rows
    )


def _cases(results: Results) -> list[Case]:
    help_s, import_s, bare_s = (_wall_s(results[name]) for name in (HELP, IMPORT, BARE))
    return [
        Case(case="forebay --help / 0.3 s", measured=f"{help_s:.3f} s", ratio=help_s / HELP_AIM_S, side=Side.AT_MOST),
        Case(
            case="import forebay / 0.1 s",
            measured=f"{import_s - bare_s:.3f} s over a bare Python ({import_s:.3f} s - {bare_s:.3f} s)",
            ratio=(import_s - bare_s) / IMPORT_AIM_S,
            side=Side.AT_MOST,
        ),
    ]


def _versions() -> dict[str, str]:
    of_peers = peers.versions("dvc", "dvc") | peers.versions("huggingface", "huggingface-hub")
    return {"forebay": forebay.__version__, **of_peers, **peers.versions("copy", "s5cmd")}


if __name__ == "__main__":
    main()
