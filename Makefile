# Foretaste: everything a newcomer or a contributor types. `make` alone shows this list.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUN := $(VENV)/.run-installed
DEV := $(VENV)/.dev-installed
FILES ?=
ARGS ?=
BENCH ?= speed

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help demo serve test check format bench load docs-check clean

help: ## show this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(RUN) ## train on a sample shop and serve it (FILES=path for your own data, CHECK=1 to only show that it works)
	@$(BIN)/foretaste demo $(FILES) $(if $(CHECK),--check) $(ARGS)

serve: $(RUN) ## serve the live model (ARGS="--port 8000")
	@$(BIN)/foretaste serve $(ARGS)

test: $(DEV) ## everything that CI runs: checks, unit, integration and property-based tests
	@$(MAKE) --no-print-directory check-static
	@$(BIN)/pytest -n auto --dist worksteal $(ARGS)

check: $(DEV) ## format, lint, types, import contracts and unit tests: quick
	@$(MAKE) --no-print-directory check-static
	@$(BIN)/pytest -n auto --dist worksteal -q tests/unit $(ARGS)

.PHONY: check-static
check-static: $(DEV)
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

format: $(DEV) ## format and fix what can be fixed by itself
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: $(DEV) ## measure against the peers (BENCH="speed topk" or BENCH="accuracy --data DIR")
	@$(BIN)/pip install -q -q -c constraints.txt -e '.[bench]'
	@$(BIN)/python -m benchmarks $(BENCH)

load: $(DEV) ## put a server under load with wrk and locust, and print one table (ARGS="http://127.0.0.1:8000")
	@$(BIN)/python -m tests.load $(ARGS)

clean: ## remove the environment, caches and demo data
	rm -rf $(VENV) var .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache htmlcov dist build
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Foretaste needs Python 3.11 or newer; $(PYTHON) is older. Try: make PYTHON=python3.12 ..."; exit 1; }
	@echo "making $(VENV)"
	@$(PYTHON) -m venv $(VENV)

$(RUN): pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "installing foretaste (once)"
	@$(BIN)/pip install -q -q -c constraints.txt -e .
	@touch $@

$(DEV): pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "installing foretaste and what its tests need (once)"
	@$(BIN)/pip install -q -q -c constraints.txt -e '.[dev]'
	@touch $@ $(RUN)
