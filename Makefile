# `make demo` tells the whole story in minutes; `make test` shows that it works. Both install what they need into .venv.
# For contributors: `make check`, `make test-slow`, `make bench` (a quarter of an hour), `make bench-gpu` (ten minutes; again
# to go on). Another interpreter: `make test PYTHON=python3.12`.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install -qq --disable-pip-version-check --editable

.PHONY: demo test test-slow check bench bench-gpu

demo: $(VENV)/.user
	@if [ -d ganaug-demo/data/train ]; then echo "replacing the last demo in ./ganaug-demo"; rm -rf ganaug-demo; fi
	@$(BIN)/ganaug demo

test: $(VENV)/.developer
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2

test-slow: $(VENV)/.developer
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 -m slow

check: $(VENV)/.developer
	@$(BIN)/ruff format --check
	@$(BIN)/ruff check
	@$(BIN)/pyright

bench: $(VENV)/.bench
	@$(BIN)/python tests/bench cpu

bench-gpu: $(VENV)/.user
	@$(BIN)/python tests/bench gpu --resume

$(VENV)/.user: pyproject.toml | $(BIN)/pip
	@echo "installing ganaug into $(VENV) (minutes, the first time)"
	@$(INSTALL) .
	@touch $@

$(VENV)/.developer: pyproject.toml | $(BIN)/pip
	@echo "installing ganaug and its development tools into $(VENV) (minutes, the first time)"
	@$(INSTALL) '.[dev]'
	@touch $(VENV)/.user $@

$(VENV)/.bench: pyproject.toml | $(BIN)/pip
	@echo "installing ganaug and the peers it is timed against into $(VENV)"
	@$(INSTALL) '.[bench]'
	@touch $@

$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "ganaug needs Python 3.11 or newer: make PYTHON=...")'
	@$(PYTHON) -m venv $(VENV)
