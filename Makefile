# Everything a developer types. Needs Python 3.11+, git and make; `make help` lists the targets.

PYTHON ?= python3
VENV ?= .venv
PEERS_VENV ?= .venv-peers
UV ?= uv
PYTEST_ARGS ?=
BENCH_ARGS ?=

BIN := $(VENV)/bin
PACKAGES := packages/relay-core packages/relay-langchain packages/relay-langgraph
NATIVE := packages/relay-native
NATIVE_SOURCES := $(wildcard $(NATIVE)/*.py $(NATIVE)/*.toml $(NATIVE)/src/relay_native/*)
MANIFESTS := $(PACKAGES:%=%/pyproject.toml)
EDITABLE := $(PACKAGES:%=-e %)
PIP_INSTALL := -m pip --disable-pip-version-check --quiet install
PINNED := $(PIP_INSTALL) --require-hashes --no-deps --requirement
OURS := $(PIP_INSTALL) --no-deps --no-build-isolation $(EDITABLE)

.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
.PHONY: help install demo test test-all coverage check lint rules formatted format types mypy pyright layers
.PHONY: bench bench-peers build lock changelog clean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

# --- Environments: a stamp is newer than what it was installed from, so a second run installs nothing ----------------

%/.created:
	@.ci/make-venv $(PYTHON) $*
	@touch $@

$(VENV)/.installed: requirements/run.txt $(MANIFESTS) | $(VENV)/.created
	@echo "Installing the pinned dependencies and the packages into $(VENV)"
	@$(BIN)/python $(PINNED) $<
	@$(BIN)/python $(OURS)
	@touch $@

%/.native: $(NATIVE_SOURCES) .ci/install-native %/.installed
	@.ci/install-native $*/bin/python $(NATIVE)
	@touch $@

$(VENV)/.run: $(VENV)/.installed | $(VENV)/.native
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.run
	@echo "Installing the pinned development tools into $(VENV)"
	@$(BIN)/python $(PINNED) $<
	@touch $@

$(PEERS_VENV)/.installed: requirements/peers.txt $(MANIFESTS) | $(PEERS_VENV)/.created
	@echo "Installing the packages and their peers into $(PEERS_VENV)"
	@$(PEERS_VENV)/bin/python $(PINNED) $<
	@$(PEERS_VENV)/bin/python $(OURS)
	@touch $@

$(PEERS_VENV)/.peers: $(PEERS_VENV)/.installed | $(PEERS_VENV)/.native
	@touch $@

install: $(VENV)/.dev  ## the development environment in .venv

# --- What users and CI call ------------------------------------------------------------------------------------------

demo: $(VENV)/.run  ## run a LangGraph agent and print its tree
	@$(BIN)/python examples/quickstart.py

test: $(VENV)/.dev  ## the test suite; PYTEST_ARGS="-k name -x" narrows it
	@$(BIN)/python -m pytest $(PYTEST_ARGS)

test-all:  ## the test suite on every Python 3.11, 3.12 and 3.13 found
	@set -e; for version in 3.11 3.12 3.13; do \
	    python=$$(.ci/find-python $$version) || { echo "Python $$version: not found, skipped"; continue; }; \
	    echo "Python $$version: $$python"; \
	    $(MAKE) --no-print-directory test PYTHON="$$python" VENV=.venv-$$version; \
	done

coverage: $(VENV)/.dev  ## the test suite with branch coverage
	@$(BIN)/python -m pytest --cov --cov-report=term $(PYTEST_ARGS)

check: lint types layers test  ## everything CI checks

lint: rules formatted  ## ruff: rules and format

rules: $(VENV)/.dev
	@$(BIN)/ruff check

formatted: $(VENV)/.dev
	@$(BIN)/ruff format --check

format: $(VENV)/.dev  ## ruff: fix and format in place
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

types: mypy pyright  ## mypy and pyright, both strict

mypy: $(VENV)/.dev
	@$(BIN)/mypy

pyright: $(VENV)/.dev
	@$(BIN)/pyright --pythonpath $(BIN)/python

layers: $(VENV)/.dev  ## import-linter: imports go down only
	@$(BIN)/lint-imports

bench: $(VENV)/.run  ## Relay against the floor
	@$(BIN)/python -m benchmarks $(BENCH_ARGS)

bench-peers: $(PEERS_VENV)/.peers  ## Relay against what a user would pick instead
	@$(PEERS_VENV)/bin/python -m benchmarks --peers $(BENCH_ARGS)

# --- Maintenance -----------------------------------------------------------------------------------------------------

build: $(VENV)/.dev  ## wheels and sdists of all packages in dist/
	@for package in $(PACKAGES) $(NATIVE); do $(BIN)/python -m build --no-isolation --outdir dist $$package || exit 1; done

# Hashes only: a file that names a registry would not work behind another one.
COMPILE = $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
    --no-emit-package relay-core --no-emit-package relay-langchain --no-emit-package relay-langgraph \
    --custom-compile-command "make lock" $(LOCK_ARGS)

lock:  ## pin the dependency groups anew (needs uv; LOCK_ARGS=--upgrade raises versions)
	@$(COMPILE) --group dev --output-file requirements/dev.txt
	@$(COMPILE) --group run --constraints requirements/dev.txt --output-file requirements/run.txt
	@$(COMPILE) --group peers --constraints requirements/dev.txt --output-file requirements/peers.txt

changelog: $(VENV)/.dev  ## collect changelog.d/ into CHANGELOG.md (VERSION=x.y.z)
	@$(BIN)/towncrier build --yes --version $(VERSION)

clean:  ## remove environments, caches and builds
	rm -rf .venv .venv-* dist .cache .coverage .coverage.* .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
