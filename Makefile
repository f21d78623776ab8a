# The one task runner. `make` lists the verbs; each sets up what it needs in .venv first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# worksteal: who has nothing left takes tests from another, so that no core waits for the last file.
# One more than there are cores: many tests wait for something.
PYTEST := $(BIN)/python -m pytest -n $(shell echo $$(($$(nproc 2>/dev/null || echo 2) + 1))) --dist worksteal
PYTEST_ARGS ?=
LOAD_ARGS ?=
QUALITY_ARGS ?=
FUZZ_ARGS ?=
CHAOS_ARGS ?=
FRAMEWORKS_ARGS ?=
MIRRORS_ARGS ?=
ENGINES_ARGS ?=
RANKS_ARGS ?=
CLIENTS_ARGS ?=
VERSIONS_ARGS ?=
DEMO_ARGS ?=
BASE ?=
IMAGE_ARGS ?=
DEPLOY_ARGS ?=
RELEASE_ARGS ?=

.DEFAULT_GOAL := help
FRAMEWORKS := .venv-frameworks/bin/python
MIRRORS := .venv-mirrors/bin/python
PROPOSERS := .venv-proposers/bin/python
ENGINES := .venv-engines/bin/python

.PHONY: help setup proto page lint format test test-long test-fast fuzz topologies versions demo study quality load meanwhile mutants views pictures page-load page-endurance chaos clients docs build release-check image image-test deploy-test clean distclean katib frameworks mirrors engines proposers ranks slurm

help: ## List the verbs
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(VENV)/.redis $(VENV)/.wheels $(VENV)/.browser ## Make .venv with everything, Valkey 9 included (PYTHON=python3.12 chooses the interpreter)

$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed: make setup PYTHON=python3.12" if sys.version_info < (3, 11) else 0)'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[all]' --group dev
	@touch $@

$(VENV)/.redis: $(VENV)/.installed scripts/fetch_redis.py
	$(BIN)/python scripts/fetch_redis.py $(BIN)
	@touch $@

# What the test of a bare install needs, so that it asks no index.
$(VENV)/.wheels: $(VENV)/.installed
	$(BIN)/python -m pip download --quiet --dest $(VENV)/wheels -c constraints.txt grpcio protobuf 'hatchling>=1.27'
	@touch $@

# Says which browser tests the page, and how to get one.
$(VENV)/.browser: $(VENV)/.installed
	$(BIN)/python -m tests.web.browser
	@touch $@

proto: setup ## Generate client/rungway/v1 and the OpenAPI document from proto/rungway/v1
	PYTHON=$(BIN)/python sh scripts/proto.sh
	$(BIN)/python -m scripts.openapi

page: setup ## Pack scripts and styles of the page into web/bundle, committed, with esbuild of npm
	$(BIN)/python -m scripts.bundle_page

lint: setup ## Style, types, import rules, protos: all checks that run nothing
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy --python-version 3.10 client
	$(BIN)/lint-imports
	$(BIN)/python scripts/limits_page.py --check
	$(BIN)/python -m scripts.openapi --check
	$(BIN)/python -m scripts.check_js
	$(BIN)/python -m scripts.bundle_page --check
	$(BIN)/python -m scripts.alerts --check
	$(BIN)/python -m scripts.grafana --check
	$(BIN)/buf lint
	$(BIN)/buf format --diff --exit-code

format: setup ## Write the files as lint wants them
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/python scripts/limits_page.py
	$(BIN)/python -m scripts.alerts
	$(BIN)/python -m scripts.grafana
	$(BIN)/buf format --write

test: setup ## All tests, on all cores (PYTEST_ARGS='tests/unit -k settings'; --cpu: the processor time of each file)
	$(PYTEST) $(PYTEST_ARGS)

test-long: setup ## The long tests, which `make test` leaves out: more random runs, seeds and sizes of what it has in short
	$(PYTEST) --long -m 'long or hypothesis' $(PYTEST_ARGS)

test-fast: setup ## The tests without those marked slow
	$(PYTEST) -m 'not slow' $(PYTEST_ARGS)

# The tests that fit any Redis: the contract, and the store.
ANY_REDIS := tests/contract $(addprefix tests/integration/test_,$(addsuffix .py,store store_memory event_log explain enqueue target update warm_start))

topologies: setup ## Contract and store on Redis under Sentinel, as a Cluster, with TLS, with the least rights
	set -e; for kind in sentinel cluster tls acl; do echo "== $$kind"; $(PYTEST) -q --redis $$kind $(ANY_REDIS); done

versions: setup ## Contract, integration and model tests on every version of Redis and Valkey at hand (VERSIONS_ARGS=--list)
	$(BIN)/python -m tests.versions $(VERSIONS_ARGS)

fuzz: setup ## Minutes of hostile messages, configurations and bytes (FUZZ_ARGS='--minutes 30')
	$(BIN)/python -m tests.fuzz $(FUZZ_ARGS)

demo: setup ## A real search with real workers on this machine, in under two minutes, with its page (DEMO_ARGS=--stay keeps it up)
	$(BIN)/rungway demo $(DEMO_ARGS)

study: setup ## What stragglers, drops and many workers do to a search: the table of docs/simulation.md (3 to 4 minutes)
	$(BIN)/python -m rungway_server.simulation.study

quality: setup ## How good the searches are on recorded tables, beside bars (QUALITY_ARGS='--long --curves FOLDER'; --peers: beside other libraries; --train: by real training)
	$(BIN)/python -m loadtests.quality $(QUALITY_ARGS)

load: setup ## Every load test in short, beside the bar it has to clear (LOAD_ARGS='costs --help')
	$(BIN)/python -m loadtests $(if $(LOAD_ARGS),$(LOAD_ARGS),bars)

meanwhile: setup ## What another namespace's tells take while each rpc runs at its limits, in about ten minutes
	MEANWHILE_SECONDS=10 $(BIN)/python -m pytest -q -s tests/integration/test_every_rpc_is_short.py -k meanwhile

mutants: setup ## A game that catches each seeded mistake in the Lua, into tests/model/caught_by.json
	$(BIN)/python -m tests.model.catching

views: setup ## 10,000 random histories in which views add up to what a fresh look shows (8 minutes)
	RUNGWAY_MODEL_PROFILE=long $(PYTEST) -q tests/model/test_views.py -k add_up

pictures: setup ## The pictures of the page in README and docs, from a search of 400 real networks (8 minutes)
	$(BIN)/python -m tests.web.page_pictures

page-load: setup ## What the page costs with 10,000 trials in a real browser: times and memory beside their bars, and 50 updates (4 minutes)
	PAGE_UPDATES=50 $(BIN)/python -m pytest -q tests/web/test_live.py -k survives
	$(BIN)/python -m tests.web.page_load

page-endurance: setup ## The page in the long run: its heap over 30 minutes of updates, and a search of 100,500 trials (half an hour)
	$(BIN)/python -m tests.web.page_endurance

chaos: setup ## Searches while everything dies in turn, half an hour, then five minutes of hostile input (CHAOS_ARGS='--scenario redis-kill --minutes 5 --seed 7')
	$(BIN)/python -m tests.chaos $(CHAOS_ARGS)
	$(if $(CHAOS_ARGS),,$(BIN)/python -m tests.fuzz --minutes 5)

katib: setup ## An experiment of Katib with 1,000 runs, played by its controllers (7 minutes)
	KATIB_RUNS=1000 $(BIN)/python -m pytest -q -s --timeout 3600 tests/integration/test_katib.py -k long

# Where the index has wheels of torch for CPUs, they are enough; others bring gigabytes for GPUs.
.venv-frameworks/.installed: pyproject.toml
	test -x $(FRAMEWORKS) || $(PYTHON) -m venv .venv-frameworks
	$(FRAMEWORKS) -m pip install --quiet --upgrade pip
	$(FRAMEWORKS) -m pip install --quiet -c constraints.txt -e '.[server,embedded]' --group frameworks
	@touch $@

frameworks: .venv-frameworks/.installed ## Every example of examples/frameworks trained, killed and resumed, in .venv-frameworks (2 GB; FRAMEWORKS_ARGS='-k lightning')
	$(FRAMEWORKS) -m pytest -q -p no:valkey -n 2 --dist worksteal tests/frameworks $(FRAMEWORKS_ARGS)

ranks: .venv-frameworks/.installed ## 20 searches by groups of processes in which random ranks are killed: a table (RANKS_ARGS='--runs 3 --seed 7')
	$(FRAMEWORKS) -m tests.frameworks.ranks $(RANKS_ARGS)

.venv-mirrors/.installed: pyproject.toml
	test -x $(MIRRORS) || $(PYTHON) -m venv .venv-mirrors
	$(MIRRORS) -m pip install --quiet --upgrade pip
	$(MIRRORS) -m pip install --quiet -c constraints.txt -e '.[server,embedded]' --group mirrors
	@touch $@

mirrors: .venv-mirrors/.installed ## Searches shown in W&B, MLflow and TensorBoard, the mirror killed in the middle, in .venv-mirrors (0.5 GB, 2 minutes)
	$(MIRRORS) -m pytest -q -p no:valkey -n 2 --dist worksteal tests/mirrors $(MIRRORS_ARGS)

.venv-engines/.installed: pyproject.toml
	test -x $(ENGINES) || $(PYTHON) -m venv .venv-engines
	$(ENGINES) -m pip install --quiet --upgrade pip
	$(ENGINES) -m pip install --quiet -c constraints.txt -e '.[server,embedded]' --group engines
	@touch $@

engines: .venv-engines/.installed ## Workers of Ray and Dask, their nodes killed, objectives of Optuna, sweeps of Hydra, in .venv-engines (0.8 GB, 6 minutes; ENGINES_ARGS='-k dask')
	$(ENGINES) -m pytest -q -p no:valkey -n 2 --dist loadfile tests/engines $(ENGINES_ARGS)

.venv-proposers/.installed: pyproject.toml
	test -x $(PROPOSERS) || $(PYTHON) -m venv .venv-proposers
	$(PROPOSERS) -m pip install --quiet --upgrade pip
	$(PROPOSERS) -m pip install --quiet -c constraints.txt -e '.[server,embedded]' --group proposers
	@touch $@

proposers: .venv-proposers/.installed ## Searches whose configurations Optuna and Hyperopt propose, killed and doubled, in .venv-proposers (0.6 GB; PROPOSERS_ARGS='-k optuna')
	$(PROPOSERS) -m pytest -q -p no:valkey -n 2 --dist worksteal tests/proposers $(PROPOSERS_ARGS)

slurm: setup ## Jobs of rungway slurm on a real Slurm of one node, in 3 minutes, as root (apt-get install munge slurmctld slurmd slurm-client)
	$(BIN)/python -m pytest -q -rs --slurm tests/slurm

clients: setup ## The client in old and new environments: Python 3.10 to 3.14, old grpcio and protobuf, beside TensorFlow (CLIENTS_ARGS='3.12 oldest')
	$(BIN)/python -m tests.clients $(CLIENTS_ARGS)

docs: ## The documents as a static site with a reference of SDK and wire, into docs/_site; every link is checked
	test -x .venv-docs/bin/sphinx-build || { $(PYTHON) -m venv .venv-docs && .venv-docs/bin/python -m pip install --quiet --upgrade pip && .venv-docs/bin/python -m pip install --quiet -c constraints.txt -e . --group docs; }
	.venv-docs/bin/python -m scripts.docs_site

build: setup ## The wheel, into dist/
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .

release-check: setup ## Wheel and source archive, built twice, checked, installed on each Python at hand, a search in each (RELEASE_ARGS='--python 3.12')
	$(BIN)/python scripts/release.py $(RELEASE_ARGS)

image: setup ## The container image, with docker or podman (BASE=python:3.12-slim-trixie@sha256:… pins what it stands on)
	$(BIN)/python -m scripts.image.build $(if $(BASE),--base $(BASE)) $(IMAGE_ARGS)

image-test: setup ## Build the image, and check containers of it: searches, stops, kills, TLS, users, mounts (4 minutes)
	$(BIN)/python -m tests.image $(IMAGE_ARGS)

deploy-test: setup ## Check chart, manifests and compose with Helm, kustomize and the schemas of Kubernetes, in .venv-deploy (1 minute)
	$(BIN)/python -m tests.deploy $(DEPLOY_ARGS)

clean: ## Remove caches and what was built
	rm -rf build dist demo-out .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .coverage
	find client server tests scripts loadtests examples -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean ## … and the virtual environments
	rm -rf $(VENV) .venv-proto .venv-peers .venv-clients .venv-docs .venv-deploy .venv-frameworks .venv-mirrors .venv-engines .venv-proposers
