"""Runs one command and writes what it took, as JSON, to a file. A process of its own, small on purpose.

Linux counts the memory of the process that starts a command towards the command's own peak: started from a measuring
program with pyarrow in it, s5cmd would seem to need 150 MB. Imports nothing but what it needs, and nothing of ours.

    python -I -S launch.py RESULT SYNCED COMMAND...      SYNCED: a path whose file system is synced in the time, or ""
"""

import os
import resource
import sys
import time


def run(command: list[str]) -> tuple[int, resource.struct_rusage]:
    """The exit code, and what the command used with all children it waited for."""
    pid = os.posix_spawnp(command[0], command, os.environ)
    _, status, used = os.wait4(pid, 0)
    return os.waitstatus_to_exitcode(status), used


def main(result: str, synced: str, *command: str) -> int:
    began = time.monotonic()
    code, used = run(list(command))
    wall_s = time.monotonic() - began
    if code == 0 and synced:
        code, _ = run(["sync", "-f", synced])
    total_s = time.monotonic() - began
    facts = {
        "exit_code": code,
        "wall_s": total_s,
        "sync_s": total_s - wall_s,
        "cpu_s": used.ru_utime + used.ru_stime,
        "system_s": used.ru_stime,
        "peak_bytes": used.ru_maxrss * 1024,
    }
    with open(result, "w") as file:
        # Its names and numbers read the same in Python and in JSON but for the quotes.
        file.write(str(facts).replace("'", '"'))
    return code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
