"""A real NFS server, Ganesha, for guests: NFSv4.1 and 4.2 on a folder of this machine, in a network of its own."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from forebay.testing.guest.images import TODO
from forebay.testing.guest.network import HOST, Network
from forebay.testing.servers.process import PartMissingError, run_server, scratch_folder

EXPORT = "/volume"

# Graceless: clients of an earlier server, who would want their locks back, there are none.
_CONFIG = """
NFS_CORE_PARAM {{
    Protocols = 4;
    Bind_addr = {host};
    Enable_NLM = false;
    Enable_RQUOTA = false;
}}
NFSv4 {{
    Graceless = true;
    Minor_Versions = 1, 2;
    RecoveryRoot = {folder}/recovery;
}}
EXPORT {{
    Export_Id = 1;
    Path = {exported};
    Pseudo = {export};
    Access_Type = RW;
    Squash = None;
    SecType = sys;
    FSAL {{ Name = VFS; }}
}}
LOG {{ Default_Log_Level = EVENT; }}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ganesha:
    """A running one."""

    source: str = f"{HOST}:{EXPORT}"
    """What a client mounts."""

    @classmethod
    @contextlib.contextmanager
    def start(cls, network: Network, exported: Path) -> Iterator[Ganesha]:
        program = shutil.which("ganesha.nfsd")
        if program is None:
            raise PartMissingError("an NFS server (Debian nfs-ganesha, nfs-ganesha-vfs)", TODO)
        with scratch_folder("ganesha") as folder:
            (folder / "recovery").mkdir()
            config = folder / "ganesha.conf"
            config.write_text(_CONFIG.format(host=HOST, folder=folder, exported=exported, export=EXPORT))
            log = folder / "server.log"
            log.touch()
            command: list[str | Path] = [*network.enter, program, "-F", "-f", config, "-L", log, "-p", folder / "pid"]
            with run_server("ganesha", command, folder=folder) as process:
                process.wait_until(lambda: "NFS SERVER INITIALIZED" in log.read_text(errors="replace"))
                yield cls()
