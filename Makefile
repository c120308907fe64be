# The habits of this project. `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUNTIME := $(VENV)/.runtime-installed
DEVELOPMENT := $(VENV)/.development-installed
SPARK_VENV := .venv-spark
SPARK := $(SPARK_VENV)/.installed

export DO_NOT_TRACK := 1
export DBT_SEND_ANONYMOUS_USAGE_STATS := false
export GX_ANALYTICS_ENABLED := false
export PIP_DISABLE_PIP_VERSION_CHECK := 1

# one version of a package in both files, so that installing one never breaks the other
LOCKED := --universal --generate-hashes --no-strip-extras --no-emit-index-url --no-emit-find-links \
  -p 3.11 -q --custom-compile-command "make lock"

.PHONY: help run ui test spark spark-cluster soak bench lint format lock dry-run clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'

run: $(RUNTIME) ## The main job: sample files -> monthly executive review in the outbox
	@$(BIN)/python -m orchestration run

ui: $(RUNTIME) ## The Dagster UI on http://127.0.0.1:3000 with those runs in it
	@$(BIN)/python -m orchestration ui

dry-run: $(RUNTIME) ## Who would get which review, without sending
	@$(BIN)/python -m orchestration dry-run

test: $(DEVELOPMENT) ## All tests
	@$(BIN)/python -m pytest tests -n 2 --no-loadscope-reorder --ignore tests/spark

spark: $(DEVELOPMENT) $(SPARK) ## Every model and test on Apache Spark; tables equal to DuckDB's
	@$(BIN)/python -m pytest tests/spark -s

spark-cluster: $(DEVELOPMENT) $(SPARK) ## The same on a cluster of two workers on this machine
	@ADOPTION_SPARK_CLUSTER=1 $(BIN)/python -m pytest tests/spark -s

soak: $(DEVELOPMENT) ## The seeded proofs of the suite at full counts (kills, damage, random)
	@ADOPTION_KILLS=200 ADOPTION_EXAMPLES=600 ADOPTION_SEEDS=20 ADOPTION_DAMAGES=2400 \
	  ADOPTION_FUZZED=12 ADOPTION_INGEST_KILLS=100 ADOPTION_MONTH_KILLS=100 ADOPTION_EDITIONS=300 \
	  ADOPTION_LATE=1 ADOPTION_HISTORY=1 ADOPTION_ERASURE_KILLS=10 ADOPTION_ZONES=1 \
	  ADOPTION_PAGES=1 $(BIN)/python -m pytest tests/test_two_years.py tests/review/test_kit.py \
	  tests/review/test_browser.py \
	  tests/delivery/test_crashes.py tests/independent tests/trust \
	  tests/scorecard/test_disclosure.py tests/line/test_late.py tests/line/test_held.py \
	  tests/line/test_disturbed_month.py tests/line/test_backfill.py \
	  tests/line/test_erasure.py tests/feeds/test_landing.py \
	  -n 2 --no-loadscope-reorder -sv --durations 20

bench: $(DEVELOPMENT) ## The main job (BENCH="--people 20000"), years (SCALE="--rows 10000000"), alarms
	@$(BIN)/python tests/benchmarks/run_line.py $(BENCH)
	@$(BIN)/python tests/benchmarks/run_scale.py $(SCALE)
	@$(BIN)/python tests/benchmarks/false_alarms.py $(ALARMS)

lint: $(DEVELOPMENT) ## ruff, mypy, import directions, SQL, known vulnerabilities
	@$(BIN)/ruff check orchestration tests
	@$(BIN)/ruff format --check orchestration tests
	@$(BIN)/mypy orchestration
	@$(BIN)/lint-imports
	@cd dbt_project && ../$(BIN)/sqlfluff lint --processes 2 --disable-progress-bar .
	@.ci/audit

format: $(DEVELOPMENT) ## Format Python and SQL
	@$(BIN)/ruff check --fix orchestration tests
	@$(BIN)/ruff format orchestration tests

lock: ## Resolve the lock files anew (needs uv)
	uv pip compile pyproject.toml --extra dev $(LOCKED) -o requirements-dev.lock
	uv pip compile pyproject.toml -c requirements-dev.lock $(LOCKED) -o requirements.lock
	uv pip compile pyproject.toml --extra spark -c requirements-dev.lock $(LOCKED) \
	  -o requirements-spark.lock

clean: ## Remove what runs have written (var/), keep the environment
	rm -rf var

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed")'
	$(PYTHON) -m venv $(VENV)

$(RUNTIME): requirements.lock | $(VENV)/bin/python
	@echo "Installing (once)..."
	@$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	@touch $@

$(DEVELOPMENT): requirements-dev.lock | $(VENV)/bin/python
	@echo "Installing for development (once)..."
	@$(BIN)/python -m pip install --quiet --require-hashes -r requirements-dev.lock
	@touch $@ $(RUNTIME)

$(SPARK): requirements-spark.lock
	@echo "Installing Spark (once)..."
	@test -x $(SPARK_VENV)/bin/python || $(PYTHON) -m venv $(SPARK_VENV)
	@$(SPARK_VENV)/bin/python -m pip install --quiet --require-hashes -r requirements-spark.lock
	@touch $@
