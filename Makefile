# CityReflex. Bare `make` prints the targets. Needs python3 (3.11 or newer) with venv, make and git; the rest goes to .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PY := $(BIN)/python
NPM_DIR := $(VENV)/npm
WASM := @micropython/micropython-webassembly-pyscript@^1.27.0
RUN ?= run/demo
JOBS ?= 2

.DEFAULT_GOAL := help
.PHONY: help setup demo test quick lint type bench upgradetest record-release sim docs fuzz heap storm clean

help: ## print the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.ready ## install everything into .venv

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "make: $(PYTHON) is older than 3.11; call make PYTHON=python3.11" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.python: pyproject.toml | $(VENV)/bin/python
	$(PY) -m pip install --quiet --upgrade pip
	$(PY) -m pip install --quiet -e '.[dev]'
	@touch $@

$(VENV)/.npm: $(VENV)/.python
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/npm install --silent --no-audit --no-fund --prefix $(NPM_DIR) '$(WASM)'
	@touch $@

$(VENV)/.typings: $(VENV)/.python
	$(PY) -m pip install --quiet --upgrade --target typings micropython-rp2-rpi_pico-stubs micropython-stdlib-stubs
	@touch $@

# Other people's drivers, to check our virtual chips with; apart, as they bring modules named like MicroPython's.
$(VENV)/.third_party: $(VENV)/.python tests/chips/third_party/packages.txt
	$(PY) -m pip install --quiet --upgrade --no-deps --target $(VENV)/third_party -r tests/chips/third_party/packages.txt
	@touch $@

$(VENV)/.ready: $(VENV)/.python $(VENV)/.npm $(VENV)/.typings $(VENV)/.third_party
	$(PY) -m models.warm_up
	@touch $@

demo: setup ## the whole loop on this machine: a storm twice, gate left alone and under control
	$(BIN)/city demo --dir $(RUN) --json report.json --plot report.png

test: setup lint ## the whole gate, and all that CI runs; the last lines say what failed
	@$(PY) -m tests.gate --jobs $(JOBS)

quick: setup ## the inner loop: lint and the tests that spawn nothing
	$(BIN)/ruff check .
	$(BIN)/pytest -q -n $(JOBS) -m 'not system and not slow' -x

.PHONY: hil
hil: setup ## the hardware suite on a virtual bench, or on yours: HIL="--board PORT --key FILE --fixture PORT"
	$(BIN)/pytest hil_tests $(HIL)

.PHONY: powercut
powercut: CUTS ?= 3000
powercut: SEED ?= 1
powercut: FLASH_CUTS ?= 10000
powercut: setup ## 3,000 power cuts of disks that tear what was not synced, 20,000 of boards' flash; CUTS=, FLASH_CUTS=, SEED=
	$(PY) -m tests.powercut --cuts $(CUTS) --seed $(SEED)
	$(PY) -m tests.powercut.flash --cuts $(FLASH_CUTS) --seed $(SEED)
	$(PY) -m tests.powercut.files --cuts $(FLASH_CUTS) --seed $(SEED)

.PHONY: crashtest
crashtest: CYCLES ?= 1000
crashtest: SEED ?= 1
crashtest: setup ## 1,000 kills of a real edge node and a real city, links cut, disks filled; CYCLES=, SEED=
	$(PY) -m tests.crashtest --cycles $(CYCLES) --seed $(SEED)

.PHONY: late
late: FRAMES ?= 1000000
late: SEED ?= 1
late: setup ## 1,000,000 late and shuffled frames end as those in order: estimates and alarms; FRAMES=, SEED=
	$(PY) -m tests.replay.late --frames $(FRAMES) --seed $(SEED)

.PHONY: replaytest
replaytest: KILLS ?= 100
replaytest: SEED ?= 1
replaytest: setup ## a day is recorded, killed 100 times at random instants, and replayed to the same hash; KILLS=, SEED=
	$(PY) -m tests.replay --kills $(KILLS) --seed $(SEED)

.PHONY: new-driver chip-pages
new-driver: setup ## scaffold driver, virtual chip, their tests and page of a chip that fail until filled in: NAME=tmp117
	@$(PY) -m tests.drivers.new_driver $(NAME)

chip-pages: setup ## write the tables of docs/chips and docs/boards.md from drivers and board files
	$(PY) -m tests.drivers.pages
	$(PY) -m tests.firmware.board_pages

lint: setup ## ruff and the import contracts
	$(BIN)/ruff check .
	$(BIN)/lint-imports

type: setup ## mypy: strict on CPython code, MicroPython's own stubs on board code
	$(BIN)/mypy
	$(BIN)/mypy --config-file mypy-micropython.ini

bench: setup ## samples per second and round trips, each beside its peers; writes bench.json; no gate
	$(PY) -m pip install --quiet -e '.[bench]'
	$(PY) tests/bench/measure.py $(BENCH)

upgradetest: setup ## stores, boards and wires of earlier releases under the code of today
	$(BIN)/pytest -q tests/upgrade tests/durable/test_migrations.py

record-release: setup ## record what this release leaves behind, VERSION=..., for the upgrade tests of later ones
	$(PY) tests/upgrade/record.py tests/upgrade/data/$(VERSION)

sim: setup ## the riverside scenario with its ports, until Ctrl-C
	$(BIN)/city sim up riverside --dir run/riverside

docs: setup ## check that links and examples in the docs hold
	$(BIN)/pytest -q tests/test_architecture.py tests/test_tidy.py

.PHONY: simtest simtest-mutants
simtest: SEEDS ?= 100
simtest: FIRST_SEED ?= 1
simtest: MINUTES ?= 60
simtest: setup ## the whole system under SEEDS=n seeds from FIRST_SEED=m on, MINUTES virtual minutes each
	$(PY) -m tests.simtest --seeds $(SEEDS) --first $(FIRST_SEED) --minutes $(MINUTES) $(MORE)

simtest-mutants: setup ## plant each bug of tests/simtest/mutations.py; the simulation must catch every one
	$(PY) -m tests.simtest.mutants

.PHONY: exhaustive exhaustive-mutants
exhaustive: setup ## all interleavings of lease, interlock and task machine to DEPTH=n actions (default: as in the gate); WORLD=
	$(PY) -m tests.exhaustive --depth $(or $(DEPTH),0) --world '$(WORLD)' --jobs $(JOBS)

exhaustive-mutants: DEPTH ?= 9
exhaustive-mutants: setup ## plant each bug of tests/exhaustive/mutations.py; the search must find every one
	$(PY) -m tests.exhaustive.mutants --depth $(DEPTH) --jobs $(JOBS)

.PHONY: latency
latency: CROSSINGS ?= 10000
latency: JSON ?= latency.json
latency: WHERE ?= both
latency: setup ## from a threshold crossed on one board to a pin of another: p50 and p99 by hop; CROSSINGS=, WHERE=, JSON=
	$(PY) -m tests.latency --crossings $(CROSSINGS) --where $(WHERE) --json $(JSON)

heap: setup ## on the 32-bit VM: heap of the firmware, of its hot paths, of a reading of each driver; longest step of each
	$(PY) tests/wasm/heap.py
	@echo; $(PY) -m tests.drivers.on_board
	@echo; $(PY) -m tests.drivers.steps

storm: setup ## 1,000 edge nodes come back at once: prints the time until the last is acked
	CITYREFLEX_STORM_NODES=1000 $(BIN)/pytest -q tests/aggregator/test_thousand_edges.py

clean: ## remove what builds and runs left behind; keeps .venv
	rm -rf build dist run report.json report.png *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
