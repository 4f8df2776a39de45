# Every target does its own set-up: Python 3.11, pip and make are all it takes.
#   make demo                  the main job, end to end, on the bundled market data
#   make test ARGS="-k codec"  the tests
#   make help                  the rest

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
BIN := $(VENV)/bin
LOCKED := $(VENV)/.locked
READY := $(VENV)/.ready
# The interpreter's own pip serves the environment, so that a Python without ensurepip will do.
PIP = $(PYTHON) -m pip --python $(BIN)/python --disable-pip-version-check
PIP_TOOLS ?= pip-tools>=7.5
ARGS ?=

.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

.PHONY: help
help: ## say what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

.PHONY: install
install: $(READY) ## make .venv with the pinned packages and the assay command

.PHONY: demo
demo: $(READY) ## run the main job on the bundled data (ARGS="--scenario flip": a planted reversal)
	$(BIN)/assay demo $(ARGS)

# Many tests wait for processes of their own: three workers keep two cores busy. The processes are
# many, too: they start faster from bytecode. tests/conftest.py says which files come first.
TEST_WORKERS ?= 3
unexport PYTHONDONTWRITEBYTECODE

.PHONY: test
test: $(READY) ## run the tests (TEST_WORKERS=0: one after the other)
	$(BIN)/python -m pytest -m "not slow" -n $(TEST_WORKERS) --dist loadfile \
		--no-loadscope-reorder $(ARGS)

.PHONY: check
check: $(READY) ## run the linter, the formatter, the type checker, the import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

.PHONY: format
format: $(READY) ## put the code and the file map of ARCHITECTURE.md into their form
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .
	$(BIN)/python -m tests.file_map

.PHONY: bench
bench: $(READY) ## run the benchmarks, beside their peers
	$(BIN)/python -m pytest tests/benchmarks -m "not slow" -o python_files="bench_*.py" -s $(ARGS)

# CHAOS_SEED=7 makes another run, and a failed one again; CHAOS_KILLS=500 a longer one.
.PHONY: chaos
chaos: $(READY) ## kill the scorer 50 times and the broker 20 times under load (ARGS="-k broker")
	$(BIN)/python -m pytest tests/simulation/test_killed_*.py -m slow -s --timeout=3600 $(ARGS)

.PHONY: bench-science
bench-science: $(READY) ## run the long statistical and chaos tests
	$(BIN)/python -m pytest -m slow --timeout=3600 \
		-o python_files="test_*.py bench_science.py bench_onnx.py bench_promotion.py bench_drift.py" $(ARGS)

# Pins are kept where they still fit; UPGRADE=--upgrade takes the newest of everything. Whoever
# has pip configured with folders of their own sets PIP_CONFIG_FILE=/dev/null first, or their
# files' hashes end up in the lock.
.PHONY: lock
lock: ## pin every package, with hashes, in requirements.lock
	$(PYTHON) -m venv build/lock
	build/lock/bin/python -m pip install --quiet "$(PIP_TOOLS)"
	build/lock/bin/pip-compile --quiet --generate-hashes --extra dev --strip-extras \
		--allow-unsafe --no-header --no-emit-options $(UPGRADE) \
		--output-file requirements.lock pyproject.toml

.PHONY: clean
clean: ## remove what these targets made
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "assay needs Python 3.11 or newer, $(PYTHON) is older: make PYTHON=..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV) >/dev/null 2>&1 || $(PYTHON) -m venv --clear --without-pip $(VENV)

$(LOCKED): requirements.lock | $(BIN)/python
	$(PIP) install --quiet --require-hashes --requirement requirements.lock
	@touch $@

$(READY): pyproject.toml $(LOCKED)
	$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@
