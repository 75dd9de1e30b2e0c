# Two commands do all the set-up: `make demo` runs the main job, `make test` passes the tests.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export HF_HUB_DISABLE_TELEMETRY := 1

.PHONY: demo test test-all bench lint clean
.DEFAULT_GOAL := demo

demo: $(VENV)/.ready
	$(BIN)/raqo demo $(ARGS)

test: $(VENV)/.ready
	$(BIN)/ruff check . && $(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -m "not slow and not gpu" $(ARGS)

test-all: $(VENV)/.ready
	$(BIN)/pytest $(ARGS)

bench: $(VENV)/.ready
	$(BIN)/python benchmarks/retrieval.py
	$(BIN)/python benchmarks/mining.py
	$(BIN)/python benchmarks/training.py

lint: $(VENV)/.ready
	$(BIN)/ruff check --fix . && $(BIN)/ruff format .

$(VENV)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt torch==2.13.0
	$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $@

clean:
	rm -rf $(VENV) runs
