# On a machine that has only Python, `make leaderboard` runs a grid and `make test` runs the tests.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?= --methods all --tasks twitter

.PHONY: setup setup-dev leaderboard test test-all test-lowest coverage mutation fuzz torture faults test-windows lint docs reports bench-report bench-cpu bench-gpu clean

setup: $(VENV)/.installed
setup-dev: $(VENV)/.installed-dev

$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c "import sys; sys.version_info >= (3, 11) or sys.exit('error: $(PYTHON) is Python %d.%d, and 3.11 or newer is needed: make ... PYTHON=python3.12' % sys.version_info[:2])"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q torch==2.13.0 -c constraints.txt
	$(BIN)/python -m pip install -q -c constraints.txt -e ".[offline]"
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/python -m pip install -q -c constraints.txt -e ".[offline,dev]"
	touch $@

leaderboard: setup
	$(BIN)/python -m bench run $(ARGS)

# The tests of everyday work; `test-all` adds those that take ten seconds or more.
test: setup-dev
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow"

test-all: setup-dev
	$(BIN)/python -m pytest -n 2 --dist worksteal

# The lowest versions that pyproject.toml promises, with torch of constraints.txt, in a virtual environment of their own.
LOWEST := .venv-lowest
LOWEST_TESTS := tests/tasks tests/bench/config tests/bench/store tests/bench/planning tests/bench/training tests/bench/leaderboard/test_figures.py
test-lowest:
	$(PYTHON) -m venv $(LOWEST)
	$(PYTHON) -m tests.lowest > $(LOWEST)/lowest.txt
	$(LOWEST)/bin/python -m pip install -q torch==2.13.0
	$(LOWEST)/bin/python -m pip install -q -r $(LOWEST)/lowest.txt -e ".[offline]" pytest pytest-timeout pytest-xdist hypothesis
	$(LOWEST)/bin/python -m pytest -n 2 --dist worksteal -m "not slow" $(LOWEST_TESTS)

# Branches that no test takes; processes that tests start are measured too. Takes twice as long as the tests.
coverage: setup-dev
	rm -f .coverage .coverage.*
	$(BIN)/python -m pytest -n 2 --dist worksteal --cov --cov-report=
	$(BIN)/python -m coverage report

# MUTANTS: mistakes put into methods/ and bench/stats/, a random sample; each takes seconds.
MUTANTS ?= 300
mutation: setup-dev
	$(BIN)/python -m tests.mutation $(MUTANTS)

# EXAMPLES: malformed inputs for each of the readers in tests/fuzz/targets.py (7,000 take about half an hour of one core)
EXAMPLES ?= 7000
fuzz: setup-dev
	$(BIN)/python -m tests.fuzz $(EXAMPLES)

# KILLS: of processes of real runs. ATTACKS: kills, stops and calls of `bench clean` in each campaign of processes that
# train nothing; root may also fill a small disk and make namespaces.
ATTACKS ?= 300
KILLS ?= 200
torture: setup-dev
	$(BIN)/python -m tests.torture $(ATTACKS) $(KILLS)

# Ray of three nodes and a SLURM of one node on this machine, 60 cells each: nodes, processes and the command are lost.
faults: setup-dev
	$(BIN)/python -m tests.faults

# Tests of what depends on the system, with Windows simulated on Linux (tests/helpers/windows).
WINDOWS_TESTS := tests/bench/store tests/bench/generate tests/torture/test_torture.py
test-windows: setup-dev
	PYTHONPATH=tests/helpers/windows/site:. $(BIN)/python -m pytest -n 2 --dist worksteal $(WINDOWS_TESTS)

lint: setup-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy --platform win32 --cache-dir .mypy_cache/win32 -p bench -p methods -p tasks
	PYTHONPATH=. $(BIN)/lint-imports --no-logo --no-cache

# The documentation site, in build/docs/html.
docs: setup-dev
	$(BIN)/python -m docs.site

# The reports that are made from bundles: reports/bundles/NAME.zip gives reports/NAME.
reports: setup
	for bundle in reports/bundles/*.zip; do \
		name=$$(basename $$bundle .zip); rm -rf build/bundles/$$name; \
		$(BIN)/python -m bench import $$bundle --out build/bundles/$$name && \
		$(BIN)/python -m bench report --out build/bundles/$$name --reports reports/$$name --format md,csv,json \
		|| exit 1; \
	done

bench-report: setup
	$(BIN)/python -m tests.performance.report

# Each command writes its section of reports/performance.md.
bench-cpu: setup
	$(BIN)/python -m tests.performance cpu
	$(BIN)/python -m tests.performance quick
	$(BIN)/python -m tests.performance scaling

bench-gpu: setup
	$(BIN)/python -m tests.performance gpu

clean:
	rm -rf runs build dist *.egg-info
