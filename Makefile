# Every target sets up what it needs: a fresh Debian or Ubuntu with python3 >= 3.11 and make is enough.
SHELL := /bin/bash
PY := .venv/bin/python
.DEFAULT_GOAL := help
.PHONY: help setup quickstart test soak bench screenshots lint types layers lock clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## make .venv with everything needed to work on forebay
	@scripts/bootstrap.sh dev

quickstart: ## the main job on this machine, in under three minutes
	@scripts/bootstrap.sh core
	@.venv/bin/forebay quickstart

test: setup ## bring the real servers and run the whole test suite
	@scripts/test_parts.sh
	@scripts/pytest.sh

soak: setup ## the long tests: many seeds, many kills, power cuts, NFS
	@scripts/test_parts.sh
	@scripts/soak_parts.sh
	@export FOREBAY_SOAK_SEED=$${FOREBAY_SOAK_SEED:-$$RANDOM}; echo "FOREBAY_SOAK_SEED=$$FOREBAY_SOAK_SEED"; \
		scripts/pytest.sh -m soak --nightly

bench: setup ## measure forebay beside its peers, hours on a calm machine
	@for claim in startup evict warm read share delta register fill hub placement conventional parse forest scale quality time_to_auc pages; do $(PY) -m bench.$$claim || exit 1; done

screenshots: setup ## pictures of the dashboard's pages, into docs/images
	@$(PY) scripts/screenshots.py

lint: setup ## ruff: rules and format
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .

types: setup ## mypy, strict
	@$(PY) -m mypy

layers: setup ## imports go downward only
	@.venv/bin/lint-imports --no-logo

lock: setup ## resolve the hashed locks in requirements/ again
	@scripts/lock.sh

clean: ## remove .venv and every cache
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
