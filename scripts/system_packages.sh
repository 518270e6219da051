#!/usr/bin/env bash
# Installs Debian or Ubuntu packages by name when this user may: as root, or with a sudo that asks no question.
# Fails, saying nothing but apt's own errors, where there is no apt or no right; the caller says what is missing.
set -euo pipefail

command -v apt-get >/dev/null || exit 1
as_root=()
if [ "$(id -u)" != 0 ]; then
    sudo -n true 2>/dev/null || exit 1
    as_root=(sudo -n)
fi
printf '%s\n' "forebay setup: apt-get install $*" >&2
install() {
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$@" >/dev/null
}
"${as_root[@]}" apt-get update -qq >/dev/null
install "$@"
