# Everything a fresh machine needs: Python >= 3.10 with venv, git, make. `make help` lists the targets.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMPS := $(VENV)/.stamps
# most tests wait for something, so there are twice as many jobs as a small machine has cores
JOBS   ?= 4
# what pytest compiles of the tests is kept: else each job compiles it in each run, seven seconds of work
export PYTHONDONTWRITEBYTECODE :=
FAST   := tests/decide tests/unit tests/contract tests/property tests/typing $(wildcard tests/docs/test_*_page.py)

.PHONY: help demo test test-fast check format docs lock dist screenshots bench bench-peers smoke clean
.PHONY: prove prove-sim prove-rules prove-client prove-kill prove-replicas prove-stop prove-systemd prove-soak prove-hold prove-wait prove-limits prove-secrets prove-api prove-databases prove-image prove-pythons prove-lowest prove-report
.DEFAULT_GOAL := help

help:            ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/' | expand -t 12

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	  { echo "Python 3.10 or newer is needed; $(PYTHON) is older. Try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "$(PYTHON) cannot make a virtual environment; install its venv module (Debian: apt install python3-venv)."; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(STAMPS)/demo: pyproject.toml plugins/youtube_shorts/pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[taskmanager]' -e plugins/youtube_shorts
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/dev: pyproject.toml plugins/youtube_shorts/pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]' -e plugins/youtube_shorts
	@mkdir -p $(STAMPS) && touch $@ $(STAMPS)/demo

$(STAMPS)/release: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[release]'
	@mkdir -p $(STAMPS) && touch $@

demo: $(STAMPS)/demo  ## a TaskManager, a worker and three tasks, from submit to Shorts
	$(BIN)/prismq-worker demo

test: $(STAMPS)/dev   ## all tests, under six minutes on two cores
	$(BIN)/python -m pytest -q -n $(JOBS) --dist worksteal $(TESTS)

test-fast: $(STAMPS)/dev ## rules, units, contracts, properties, types and the pages that show the way; under two minutes
	$(BIN)/python -m pytest -q -n $(JOBS) --dist worksteal $(FAST)

check: $(STAMPS)/dev  ## format, lint, types, floors, no circles of imports, nothing newer than Python 3.10
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy --platform win32
	$(BIN)/lint-imports
	$(BIN)/python -m tests.ci.cycles
	$(BIN)/vermin $(OLDEST)

# nothing newer than the oldest Python; what compat.py gives in its place is not looked at
OLDEST = --quiet --violations --no-tips --target=3.10- --exclude-regex '/prismq_worker_sdk/compat\.py$$' \
  --exclude ExceptionGroup --exclude BaseExceptionGroup prismq_worker_sdk plugins examples tests conftest.py

format: $(STAMPS)/dev ## put the code in order
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(STAMPS)/dev   ## write the tables of settings and options from the code into their page
	$(BIN)/python -m tests.support.settings_page

# what the image is built from: every version pinned, every file by its hash, for each Python and platform
LOCKS = examples/deploy/docker
EXTRAS = taskmanager,mysql,metrics,otel,socks
OURS  = prismq-worker-sdk prismq-youtube-shorts
LOCK  = $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.10 --generate-hashes --no-annotate \
  --custom-compile-command 'make lock'
lock: $(STAMPS)/release ## pin what the image is built from anew: the newest versions that fit, with their hashes
	printf '%s\n' '.[$(EXTRAS)]' ./plugins/youtube_shorts | \
	  $(LOCK) $(OURS:%=--no-emit-package %) --output-file $(LOCKS)/requirements.lock -
	printf '%s\n' 'hatchling>=1.25' | $(LOCK) --output-file $(LOCKS)/build.lock -

dist: $(STAMPS)/release ## wheels, sdists and the SBOM in dist/, built twice alike and tried in a clean tree
	$(BIN)/python -m tests.ci.dist

screenshots: $(STAMPS)/dev ## take the pictures of the pages in docs/images anew; needs chromium
	PRISMQ_SCREENSHOTS=docs/images $(BIN)/python -m pytest -q tests/pages -k pictures

bench: $(STAMPS)/dev  ## start-up times, memory, throughput; prints figures, asserts nothing
	$(BIN)/python -m tests.bench

bench-peers: $(STAMPS)/dev ## our worker beside six others, and its goals; about an hour, a cut run goes on where it was
	$(BIN)/python -m tests.bench peers --full
	$(BIN)/python -m tests.bench goals --full
	$(BIN)/python -m tests.bench report --full

smoke: $(STAMPS)/dev  ## one look at the real YouTube: needs YOUTUBE_API_KEY, costs 1 search call and 1 unit
	$(BIN)/python -m pytest -q -s plugins/youtube_shorts/tests/live_smoke.py

PROVE = $(BIN)/python -m tests.prove
prove: $(STAMPS)/dev  ## all long proofs, then their page; hours, a cut run goes on where it was (MINUTES=30 for each)
	$(PROVE) $(if $(MINUTES),--minutes $(MINUTES))
	$(PROVE) report

prove-sim prove-rules prove-client prove-kill prove-replicas prove-stop prove-systemd prove-soak prove-hold prove-wait prove-limits prove-secrets prove-api prove-databases prove-image prove-pythons prove-lowest: $(STAMPS)/dev
	$(PROVE) $(@:prove-%=%) $(if $(MINUTES),--minutes $(MINUTES))

prove-report: $(STAMPS)/dev ## the page docs/operations/reliability.md from what the proofs wrote down
	$(PROVE) report

clean:           ## remove what make made
	rm -rf $(VENV) .prove .bench .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist
