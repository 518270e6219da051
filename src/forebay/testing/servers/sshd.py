"""OpenSSH's sshd on a free port of the loopback, with host and user keys of its own. Needs openssh-server of Debian."""

from __future__ import annotations

import contextlib
import getpass
import os
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from forebay.testing.servers.process import PartMissingError, find_program, free_ports, run_server, scratch_folder

_FOLDERS = (Path("/usr/sbin"),)
_PRIVILEGE_SEPARATION = Path("/run/sshd")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sshd:
    """A running server. `home` has a `.ssh` folder with which any client gets in, at the host name `forebay-test`."""

    port: int
    home: Path

    @classmethod
    @contextlib.contextmanager
    def start(cls) -> Iterator[Sshd]:
        """A server of its own; it logs in the user who runs the tests."""
        sshd = find_program("sshd", "sshd (Debian's openssh-server)", folders=_FOLDERS)
        keygen = find_program("ssh-keygen", "ssh-keygen (Debian's openssh-client)")
        _privilege_separation()
        (port,) = free_ports(1)
        with scratch_folder("sshd") as folder:
            ssh = folder / ".ssh"
            ssh.mkdir(mode=0o700)
            for name in ("host", "user"):
                subprocess.run([keygen, "-q", "-t", "ed25519", "-N", "", "-f", ssh / name], check=True)
            (ssh / "known_hosts").write_text(f"[127.0.0.1]:{port} {(ssh / 'host.pub').read_text()}")
            (ssh / "config").write_text(
                f"Host forebay-test\n  HostName 127.0.0.1\n  Port {port}\n  User {getpass.getuser()}\n"
                f"  IdentityFile {ssh / 'user'}\n  UserKnownHostsFile {ssh / 'known_hosts'}\n"
            )
            settings = folder / "sshd_config"
            settings.write_text(
                f"Port {port}\nListenAddress 127.0.0.1\nHostKey {ssh / 'host'}\nPidFile none\nUsePAM no\n"
                f"StrictModes no\nAuthorizedKeysFile {ssh / 'user.pub'}\nPasswordAuthentication no\n"
                "KbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\n"
            )
            with run_server("sshd", [sshd, "-D", "-e", "-f", settings], folder=folder) as process:
                process.wait_until(lambda: _greets(port))
                yield cls(port=port, home=folder)


def _privilege_separation() -> None:
    """As root sshd wants an empty folder, which a package's service makes at boot."""
    if os.getuid() == 0:
        try:
            _PRIVILEGE_SEPARATION.mkdir(exist_ok=True, mode=0o755)
        except OSError as error:
            raise PartMissingError("/run/sshd", f"it can't be made: {error.strerror}") from error


def _greets(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False
