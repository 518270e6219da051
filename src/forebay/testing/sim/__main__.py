"""Replays one seed: `python -m forebay.testing.sim SEED [LINES]` prints the trace's last lines and what came of it."""

from __future__ import annotations

import sys

from forebay.testing.sim.world import World, run


def main(seed: int, lines: int = 40) -> int:
    """0 when every invariant held."""
    world = World(seed, keep=lines)
    try:
        came = str(run(world, seed))
    except AssertionError as error:
        came = str(error)
    print("".join(world.sim.tail) + came)  # noqa: T201
    return 0 if came.startswith("Outcome") else 1


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
