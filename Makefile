# make demo: the main job on the built-in model and reviews.   make test: all tests.   make check: lint and types.   make docs: the site.   make notebooks: runs them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test check docs notebooks clean

demo: $(VENV)/installed
	$(BIN)/textiba demo --output demo

test: $(VENV)/installed
	$(BIN)/pytest --numprocesses logical --maxprocesses 4 --dist worksteal

check: $(VENV)/installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright

docs: $(VENV)/installed
	$(BIN)/mkdocs build --strict --site-dir site

notebooks: $(VENV)/installed
	$(BIN)/python notebooks/run.py

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("textiba needs Python 3.11 or newer; run: make PYTHON=python3.11 ...") if sys.version_info < (3, 11) else None'
	$(BIN)/python -m pip --version > /dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV) || \
		{ rm -rf $(VENV); echo "Python's venv module is missing; on Debian and Ubuntu: apt install python3-venv"; exit 1; }
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[demo,baselines,corpus,finetune,docs,dev]'
	touch $@

clean:
	rm -rf $(VENV) demo runs site
