# Two commands: `make run` and `make test`. The rest is for those who develop.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
HOST ?= 127.0.0.1
PORT ?= 8000
export STRONGROOM_DATA_DIR ?= $(CURDIR)/.data

.PHONY: run install install-dev test check prove bench docs texts format clean system

run: install
	@bash scripts/run.sh $(HOST) $(PORT)

install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q --disable-pip-version-check -e .
	@touch $@

install-dev: $(VENV)/.installed-dev

$(VENV)/.installed-dev: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q --disable-pip-version-check -e '.[dev]'
	@touch $(VENV)/.installed $@

# What tests need from the system: a PostgreSQL, a Chromium, zip readers, nginx for the benchmark, Java for the HTML checker.
system:
	@bash scripts/system.sh

# Checkers of pages: axe-core (accessibility), the Nu HTML checker (a jar).
node: tests/.cache/node_modules/vnu-jar/package.json
tests/.cache/node_modules/vnu-jar/package.json:
	@mkdir -p tests/.cache && cd tests/.cache && npm install --silent --no-audit --no-fund --no-save axe-core@4 vnu-jar@26

test: install-dev system node
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder $(ARGS)

check: install-dev
	$(BIN)/ruff check strongroom tests bench scripts
	$(BIN)/ruff format --check strongroom tests bench scripts
	$(BIN)/mypy
	$(BIN)/lint-imports

prove: install-dev system node
	$(BIN)/python scripts/prove.py $(PART)

bench: install-dev
	$(BIN)/python scripts/prove.py bench

docs: install-dev
	$(BIN)/python scripts/make_docs.py

texts: install-dev
	$(BIN)/python scripts/make_texts.py

format: install-dev
	$(BIN)/ruff check --fix -q strongroom tests bench scripts
	$(BIN)/ruff format -q strongroom tests bench scripts

clean:
	rm -rf $(VENV) .data tests/.cache .mypy_cache .ruff_cache .pytest_cache
