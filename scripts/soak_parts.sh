#!/usr/bin/env bash
# Brings what only the soak needs, from Debian: User-Mode Linux (a machine to cut from power), an NFS server, mkfs, sshd.
# What cannot be brought is left out: the tests that need it are skipped, loudly, and in CI (CI=true) they fail.
set -euo pipefail
cd "$(dirname "$0")/.."

have() {
    PATH=$PATH:/usr/sbin:/sbin
    command -v linux.uml && command -v ganesha.nfsd && command -v mount.nfs4 && command -v mkfs.xfs \
        && command -v mkfs.ext4 && command -v ip && command -v sshd
} >/dev/null

# Asked for once in an environment's life: where it cannot be had, the next run shall not wait for apt again.
[ -e .venv/no-soak-parts ] || have && exit 0
scripts/system_packages.sh user-mode-linux nfs-ganesha nfs-ganesha-vfs nfs-common xfsprogs e2fsprogs iproute2 openssh-server && exit 0
printf '%s\n' "forebay soak parts: no User-Mode Linux, NFS server or sshd from Debian; power cuts, NFS and SSH are not tested here" >&2
touch .venv/no-soak-parts
