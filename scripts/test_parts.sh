#!/usr/bin/env bash
# Brings the real servers that no Python lock can hold: Azurite and axe-core from npm into .venv/npm, PostgreSQL 15,
# libfiu, XFS's tools, Slurm, promtool and Chromium from Debian.
# What cannot be brought is left out: the tests that need it are skipped, loudly, and in CI (CI=true) they fail.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '%s\n' "forebay test parts: $*" >&2; }

# The check of what is there already makes a later call instant.
have_npm_parts() { cmp -s tests/npm/package-lock.json .venv/npm/installed.json; }
have_postgres() { [ -x /usr/lib/postgresql/15/bin/initdb ] || [ -e .venv/no-postgres-15 ]; }

install_npm_parts() {
    say "Azurite and axe-core from npm"
    rm -rf .venv/npm && mkdir -p .venv/npm
    cp tests/npm/package.json tests/npm/package-lock.json .venv/npm/
    .venv/bin/npm ci --prefix .venv/npm --cache .venv/npm/cache --silent --no-audit --no-fund --ignore-scripts || return 1
    rm -rf .venv/npm/cache
    cp tests/npm/package-lock.json .venv/npm/installed.json
}

# Asked for once in an environment's life: where it cannot be had, the next run shall not wait for apt again.
install_postgres() {
    scripts/system_packages.sh postgresql-15 && return
    say "no PostgreSQL 15 from Debian; PyPI's newer one serves"
    touch .venv/no-postgres-15
}

# Libfiu makes real calls fail; XFS's tools make a file system in a file, ip a network namespace. Asked for once, like PostgreSQL.
have_fault_tools() { { command -v fiu-run && command -v mkfs.xfs && command -v ip; } >/dev/null || [ -e .venv/no-fault-tools ]; }

install_fault_tools() {
    scripts/system_packages.sh fiu-utils xfsprogs iproute2 && return
    say "no fiu-utils, xfsprogs or iproute2 from Debian; the faults they make are not tested here"
    touch .venv/no-fault-tools
}

# Its daemons are where an ordinary user's PATH does not look.
have_slurm() {
    [ -x /usr/bin/sbatch ] && [ -x /usr/sbin/slurmd ] && [ -x /usr/sbin/slurmctld ] && [ -x /usr/sbin/munged ] \
        || [ -e .venv/no-slurm ]
}

install_slurm() {
    scripts/system_packages.sh slurmctld slurmd slurm-client munge && return
    say "no Slurm from Debian; its executor is not tested here"
    touch .venv/no-slurm
}

# Checks alert rules and metrics. Taken out of its package: to install that would start a Prometheus on this machine.
have_promtool() { command -v promtool >/dev/null || [ -x .venv/bin/promtool ] || [ -e .venv/no-promtool ]; }

install_promtool() {
    local folder
    folder=$(mktemp -d)
    if (cd "$folder" && apt-get download -qq prometheus && dpkg-deb -x prometheus_*.deb .) >/dev/null 2>&1; then
        cp "$folder/usr/bin/promtool" .venv/bin/
    else
        say "no promtool from Debian; alert rules are not tested here"
        touch .venv/no-promtool
    fi
    rm -rf "$folder"
}

# Pages are looked at in a real browser; PyPI's Playwright drives it and brings none.
have_chromium() { command -v chromium >/dev/null || [ -e .venv/no-chromium ]; }

install_chromium() {
    scripts/system_packages.sh chromium && return
    say "no Chromium from Debian; pages are not tested in a browser here"
    touch .venv/no-chromium
}

have_npm_parts || install_npm_parts || say "Azurite and axe-core did not install from npm; their tests cannot run"
have_postgres || install_postgres
have_fault_tools || install_fault_tools
have_slurm || install_slurm
have_promtool || install_promtool
have_chromium || install_chromium
