.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LAKE ?= lake

.PHONY: help setup setup-dev demo test torture check lint types bench docs screenshots clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | awk -F'\t' '{printf "  make %-12s %s\n", $$1, $$2}'

$(VENV)/.setup: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("tracelab needs Python 3.11 or newer; say which: make PYTHON=python3.12" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	$(BIN)/python -m tracelab.kernels.warm
	@touch $@

$(VENV)/.setup-dev: $(VENV)/.setup
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

setup: $(VENV)/.setup ## Prepare .venv; does nothing when it is up to date

setup-dev: $(VENV)/.setup-dev

demo: setup ## Run the demo shop, collector, load and dashboard until Ctrl-C
	$(BIN)/tracelab demo --lake $(LAKE)

test: setup-dev ## Run the tests
	$(BIN)/python -m pytest

torture: setup-dev ## Kill and starve the collector a hundred times, fuzz the decoders at length
	TRACELAB_TORTURE=100 TRACELAB_FUZZ=20000 $(BIN)/python -m pytest tests/e2e/test_torture.py tests/properties/test_decoders_agree.py -s

lint: setup-dev ## Check style
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: setup-dev ## Check types
	$(BIN)/mypy

check: lint types test ## Style, types and tests

bench: setup-dev ## Measure; docs/benchmarks.md keeps the figures
	$(BIN)/python -m benchmarks.analysis
	$(BIN)/python -m benchmarks.lake
	$(BIN)/python -m benchmarks.ingest
	$(BIN)/python -m benchmarks.live

docs: setup-dev ## Make the reference pages anew from the code
	$(BIN)/python -m tests.support.reference

screenshots: setup-dev ## Make the pictures in the documents from a run of the demo
	$(BIN)/python -m tests.support.screenshots

clean: ## Remove .venv and caches; the lake stays
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis build *.egg-info
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
