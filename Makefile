# Everything a newcomer or CI runs. `make` alone lists it.

PYTHON ?= python3
SEEDS ?= 100000
SECONDS ?= 60
MINUTES ?= 10
JOBS ?= 4
UV_VERSION := 0.13.9

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
LOCK := requirements.lock
# What the image of deploy/Dockerfile holds, and what builds it: the versions of $(LOCK), and no more.
RUNTIME_LOCK := requirements-runtime.lock
BUILD_LOCK := requirements-build.lock
# What only `make fuzz` needs, and where there is none of it nothing is installed.
FUZZ_LOCK := requirements-fuzz.lock
FUZZ_STAMP := $(VENV)/.fuzz-installed
LOCK_VENV := .lock-venv
SOURCES := runner tests deploy
COMPILE = $(LOCK_VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-annotate --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock"

# Half of what a test takes is waiting, so more processes than cores share the tests. A failure is shown at once.
PYTEST = $(BIN)/python -m pytest -n $(JOBS) --dist loadgroup --instafail --durations 10

.DEFAULT_GOAL := help
.PHONY: help install demo test test-thorough test-all lint check format simulate fuzz soak bench bench-web limits screenshots lock clean

help: ## list what there is to run
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(STAMP) ## make .venv and install the locked packages and this one into it

demo: $(STAMP) ## three sagas that wait for people, from start to end, on the embedded broker and store
	$(BIN)/runner demo

test: $(STAMP) ## every promise once, on real servers where it matters: a quarter of an hour on two cores
	$(PYTEST) -ra -m "not thorough" tests

test-thorough: $(STAMP) ## what `make test` leaves out
	$(PYTEST) -ra -m thorough tests

test-all: $(STAMP) ## every test there is: half an hour
	$(PYTEST) -ra tests

lint: $(STAMP) ## formatting, lint and types
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/mypy

check: lint ## the same, and the unit tests; a minute or two
	$(PYTEST) -q tests/unit

format: $(STAMP) ## rewrite the sources in the project's format
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/ruff check --fix $(SOURCES)

simulate: $(STAMP) ## random histories on all cores: make simulate SEEDS=100000
	$(BIN)/python -m tests.simulation --seeds $(SEEDS)

fuzz: $(FUZZ_STAMP) ## coverage-guided fuzzing of all that reads what others wrote: make fuzz SECONDS=600
	$(BIN)/python -m tests.fuzz --seconds $(SECONDS)

soak: $(STAMP) ## load and disturbances on a Kafka and a Redis of its own: make soak MINUTES=30
	$(BIN)/python -m tests.soak --minutes $(MINUTES)

bench: $(STAMP) ## measure on a real Kafka and Redis on this machine; a table and JSON
	$(BIN)/python -m tests.bench

bench-web: $(STAMP) ## the same for lists, commands and event streams over HTTP; ten minutes
	$(BIN)/python -m tests.bench.projection
	$(BIN)/python -m tests.bench.lists
	$(BIN)/python -m tests.bench.commands
	$(BIN)/python -m tests.bench.event_streams

screenshots: $(STAMP) ## the pictures of the README anew, from an inbox in a browser
	RUNNER_SCREENSHOTS=docs/images $(BIN)/python -m pytest -q tests/e2e/test_dev_inbox.py -k picture

limits: $(STAMP) ## a million open tasks, the same restored, 100,000 deadlines in a second, 1 to 4 workers; a quarter of an hour
	$(BIN)/python -m tests.bench.limits

lock: ## pin every dependency again, with hashes
	$(PYTHON) -m venv $(LOCK_VENV)
	$(LOCK_VENV)/bin/pip install --quiet uv==$(UV_VERSION)
	$(COMPILE) pyproject.toml --upgrade --extra embedded --extra notify --extra registry --extra traces --extra web --group dev --output-file $(LOCK)
	$(COMPILE) pyproject.toml --upgrade --extra notify --extra registry --extra traces --extra web --constraints $(LOCK) --output-file $(RUNTIME_LOCK)
	$(COMPILE) --upgrade --group build --constraints $(LOCK) --output-file $(BUILD_LOCK)
	$(COMPILE) --upgrade --group fuzz --constraints $(LOCK) --output-file $(FUZZ_LOCK)

clean: ## remove .venv and everything the tools left
	rm -rf $(VENV) $(LOCK_VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .fuzz
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(STAMP): $(LOCK) pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "make: $(PYTHON) is missing or older than 3.11; install a newer one and name it: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "make: $(PYTHON) cannot make virtual environments; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@echo "Installing the locked packages into $(VENV); this takes about a minute."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(LOCK)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

$(FUZZ_STAMP): $(STAMP) $(FUZZ_LOCK)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(FUZZ_LOCK)
	@touch $@
