#!/usr/bin/env bash
# Brings the real servers that no Python lock can hold: Azurite from npm into .venv/npm, PostgreSQL 15 from Debian.
# What cannot be brought is left out: the tests that need it are skipped, loudly, and in CI (CI=true) they fail.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '%s\n' "forebay test parts: $*" >&2; }

have_postgres() { [ -x /usr/lib/postgresql/15/bin/initdb ] || command -v initdb >/dev/null; }

ensure_azurite() {
    cmp -s tests/npm/package-lock.json .venv/npm/.installed && return
    command -v npm >/dev/null || scripts/system_packages.sh nodejs npm || return 1
    rm -rf .venv/npm && mkdir -p .venv/npm
    cp tests/npm/package.json tests/npm/package-lock.json .venv/npm/
    npm ci --prefix .venv/npm --silent --no-audit --no-fund --ignore-scripts || return 1
    cp tests/npm/package-lock.json .venv/npm/.installed
}

have_postgres || scripts/system_packages.sh postgresql-15 || say "no PostgreSQL 15 from Debian; PyPI's will do"
ensure_azurite || say "Azurite could not be installed: it needs npm (Debian, Ubuntu: apt-get install nodejs npm)"
