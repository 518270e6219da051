#!/usr/bin/env bash
# Runs the test suite in two processes; further arguments go to pytest.
set -euo pipefail
cd "$(dirname "$0")/.."
exec .venv/bin/python -m pytest --numprocesses 2 "$@"
