#!/usr/bin/env bash
# Makes .venv from nothing but a Python >= 3.11: finds one, creates the environment, installs the hashed lock of a
# profile (core or dev) and forebay itself, editable. Called by the Makefile's targets; safe to call again and from
# two shells at once. A stamp holds the checksum of all that was installed from, so that a second call is instant.
set -euo pipefail
cd "$(dirname "$0")/.."

profile=${1:-dev}
venv=.venv
lock=requirements/$profile.txt

say() { printf '%s\n' "forebay setup: $*" >&2; }
die() { say "$*"; exit 1; }

fingerprint() { cat "requirements/$1.txt" requirements/bootstrap.txt pyproject.toml | cksum; }

is_installed() {
    [ -x "$venv/bin/forebay" ] && [ "$(cat "$venv/.stamp-$1" 2>/dev/null)" = "$(fingerprint "$1")" ]
}

find_python() {
    local candidate
    for candidate in "${PYTHON:-}" python3 python3.14 python3.13 python3.12 python3.11; do
        if [ -n "$candidate" ] && "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    die "no Python 3.11 or newer found; install one (Debian, Ubuntu: apt-get install python3) or set PYTHON=/path/to/python3"
}

# Debian's python3 comes without ensurepip, which lives in python3-venv.
ensure_venv_module() {
    "$1" -c 'import ensurepip, venv' 2>/dev/null && return
    scripts/system_packages.sh python3-venv \
        || die "this Python cannot make a virtual environment; install its venv module (Debian, Ubuntu: apt-get install python3-venv)"
    "$1" -c 'import ensurepip, venv' 2>/dev/null \
        || die "$1 still has no venv module after installing python3-venv; install the one of that very version"
}

make_venv() {
    [ -x "$venv/bin/uv" ] && "$venv/bin/python" -c '' 2>/dev/null && return
    local python
    python=$(find_python)
    ensure_venv_module "$python"
    say "making $venv with $("$python" --version)"
    "$python" -m venv --clear "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps \
        -r requirements/bootstrap.txt
}

install_profile() {
    say "installing $lock"
    "$venv/bin/uv" pip sync --quiet --python "$venv/bin/python" --require-hashes "$lock"
    "$venv/bin/uv" pip install --quiet --python "$venv/bin/python" --no-deps --no-build-isolation --editable .
    rm -f "$venv"/.stamp-*
    fingerprint "$profile" >"$venv/.stamp-$profile"
}

# dev holds all of core: an environment for development serves the quickstart too, and is not taken down to core.
[ "$profile" = core ] && [ -e "$venv/.stamp-dev" ] && profile=dev lock=requirements/dev.txt
is_installed "$profile" && exit 0

if command -v flock >/dev/null; then
    exec 9<requirements/bootstrap.txt
    flock 9
    is_installed "$profile" && exit 0
fi
# Without a home of one's own there is no place to keep downloads in.
[ -n "${HOME:-}" ] && [ -w "$HOME" ] || export UV_NO_CACHE=1 PIP_NO_CACHE_DIR=1
started=$SECONDS
make_venv
install_profile
say "ready in $((SECONDS - started)) s"
