# Every target sets up .venv by itself; the versions are pinned in constraints.txt.
PYTHON ?= python3
VENV := .venv
ifeq ($(OS),Windows_NT)
PYTHON = python
BIN := $(VENV)/Scripts
else
BIN := $(VENV)/bin
endif
CONSTRAINTS ?= constraints.txt# empty: the newest releases that fit
STAMP := $(VENV)/.installed
JOBS ?= 2

.PHONY: demo test test-slow cluster-tools test-cluster campaign sanitize fuzz lint format bench docs wheel wheels sdist clean

demo: $(STAMP)            ## prepare, train, evaluate and report on the built-in pictures
	$(BIN)/segkit demo

test: $(STAMP)            ## the default tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) --dist loadfile -m "not slow"

test-slow: $(STAMP)       ## the longer ones, which CI runs as far as they fit
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) -m "slow and not cluster" --maxfail 1

cluster-tools: $(STAMP)   ## what the tests of test-cluster need besides
	$(BIN)/pip install --quiet $(if $(CONSTRAINTS),--constraint $(CONSTRAINTS)) --editable '.[slurm,ray,search]' \
	  'moto[s3]>=5' 'flask>=3' 'flask-cors>=5'

test-cluster: $(STAMP)    ## on a real SLURM (tests/support/one_node_slurm.sh start), Ray, an S3 of its own
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m cluster --maxfail 1 --durations 5

MINUTES ?= 5
campaign: $(STAMP)        ## hostile inputs for a while: make campaign MINUTES=20
	OMP_NUM_THREADS=1 $(BIN)/python tests/campaigns/run.py --minutes $(MINUTES)

sanitize: $(STAMP)        ## the C kernels' whole suites under ASan and UBSan
	$(BIN)/python tests/native/sanitize.py suites

fuzz: $(STAMP)            ## drawn arguments for the C kernels under both: make fuzz MINUTES=10
	$(BIN)/python tests/native/sanitize.py fuzz --minutes $(MINUTES)

lint: $(STAMP)            ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy src plugins

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(STAMP)           ## all paired benchmarks; writes docs/benchmarks.md
	$(BIN)/python -m benchmarks

docs: $(STAMP)            ## the documentation site in site/
	$(BIN)/mkdocs build --strict

wheel: $(STAMP)
	$(BIN)/pip wheel --quiet --no-deps --wheel-dir dist .

wheels: $(STAMP)          ## with the C kernels, for every system like this one, in wheelhouse/
	$(BIN)/pip install --quiet "cibuildwheel>=2.21"
	$(BIN)/python -m cibuildwheel --output-dir wheelhouse

sdist: $(STAMP)
	$(BIN)/python -m build --sdist

$(STAMP): pyproject.toml constraints.txt hatch_build.py
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet $(if $(CONSTRAINTS),--constraint $(CONSTRAINTS)) --editable '.[export,web,docs,dev]'
	touch $(STAMP)

clean:
	rm -rf $(VENV) build dist wheelhouse site .pytest_cache .ruff_cache .mypy_cache
