# Everything a contributor types; `make help` lists it. The two that need nothing but python3 and make: `make demo`
# and `make test`.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Test processes side by side. One more than there are cores, since tests wait for disks, servers and clocks, too.
WORKERS ?= $(shell expr $$(nproc) + 1)
PIP_INSTALL := $(BIN)/pip --quiet --disable-pip-version-check install
# More arguments for pytest or the benchmark: make pytest ARGS='-k doctor -x'
ARGS ?=

MAKEFLAGS += --no-print-directory
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
.PHONY: help setup demo test check format lint types imports pytest system-packages bench bench-quick torture lock audit clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(VENV)/.dev ## Make .venv with everything for development; the tool is then .venv/bin/migrator

demo: $(VENV)/.runtime ## Take a small wave through all phases, against a provider of our own on the loopback
	@$(BIN)/migrator demo

test: setup system-packages pytest ## Set up everything and run all tests

check: setup format lint types imports test ## Exactly what continuous integration runs

format: setup ## Check the layout of the code (to mend it: .venv/bin/ruff format)
	@$(BIN)/ruff format --check .

lint: setup ## Check the code with ruff (to mend what can be: .venv/bin/ruff check --fix)
	@$(BIN)/ruff check .

types: setup ## Check the types
	@$(BIN)/mypy

imports: setup ## Check that imports point one way
	@$(BIN)/lint-imports --no-logo

pytest: setup ## Run the tests alone, with WORKERS=2 and ARGS='-k name' as wanted
	@$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(ARGS)

system-packages: ## Install the Debian packages that the tests need, or say what is missing
	@.ci/debian-packages $$(grep -v '^#' requirements/debian.txt)

bench: setup system-packages ## Compare with rsync, rclone, scp, lftp, tar; writes docs/performance.md; ARGS='--rows verify'
	@$(BIN)/python -m bench --out $(ARGS)

bench-quick: setup system-packages ## Compare small files and one large file with rsync, in under three minutes
	@$(BIN)/python -m bench --quick $(ARGS)

torture: setup system-packages ## Kill, cut and spoil it at every point there is (hours); ARGS='--rows A,B --stride 10'
	@$(BIN)/python -m torture $(ARGS)

COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --upgrade \
	--no-emit-index-url --custom-compile-command 'make lock'

lock: setup ## Take the newest versions that pyproject.toml allows into requirements/
	$(COMPILE) --group dev --extra dns --extra http pyproject.toml --output-file requirements/dev.txt
	$(COMPILE) --constraint requirements/dev.txt --extra dns --extra http pyproject.toml \
		--output-file requirements/runtime.txt
	$(COMPILE) --constraint requirements/dev.txt --group build --output-file requirements/build.txt

audit: setup ## Ask for known vulnerabilities of the locked versions (needs the network)
	$(BIN)/pip-audit --strict --disable-pip --require-hashes --requirement requirements/runtime.txt

clean: ## Remove what can be made again (not state/)
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage*
	find bench migrator tests torture -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps: a locked list is installed again only when it changed.

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		printf 'error: %s is too old or missing\n\nhint: make PYTHON=python3.12 %s\n' \
			'$(PYTHON)' '$(MAKECMDGOALS)' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || .ci/debian-packages python3-venv
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.runtime: $(VENV)/.made requirements/runtime.txt requirements/build.txt pyproject.toml
	@printf 'Setting up %s\n' '$(VENV)' >&2
	@$(PIP_INSTALL) --require-hashes -r requirements/runtime.txt -r requirements/build.txt
	@$(PIP_INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements/dev.txt
	@$(PIP_INSTALL) --require-hashes -r requirements/dev.txt
	@touch $@
