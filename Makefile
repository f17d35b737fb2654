# Two commands for newcomers: `make demo` and `make test`. Everything is installed into .venv from package registries alone.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DATA_BENCHMARKS := ingest selection download refresh
CURATION_BENCHMARKS := curation curation_speed looks
EXTRAS := embedded,mobile,learning,cpu,tracking,airflow,s3,countries,huggingface,quickstart,dev

export MUSHROOM_HOME ?= $(CURDIR)/.mushroom
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: install demo up status down test bench bench-data bench-curation check format docs lock clean

install: $(STAMP) ## venv with the locked packages

$(STAMP): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13) and "Python 3.11 to 3.13 is needed. Received: %s. Try: make PYTHON=python3.12 ..." % sys.version.split()[0])'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python -r requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	touch $@

demo: install ## the whole workflow on the sample bucket, through Airflow; ARGS=--exit ends it when the job is done
	mushroom demo $(ARGS)

up: install ## PostgreSQL, MLflow and Airflow in the background
	mushroom up $(ARGS)

status: install ## what runs, and where
	mushroom status

down: install ## stop them
	mushroom down

test: install ## the whole suite
	pytest $(ARGS)

bench: install ## every benchmark at a small size, a few minutes: ours beside its peers
	python benchmarks/ingest.py --observations 300000 --no-tenfold
	python benchmarks/selection.py --photos 1000000
	python benchmarks/download.py --photos 2000
	python benchmarks/refresh.py --observations 100000 --photos 2000
	python benchmarks/report.py $(DATA_BENCHMARKS)

bench-data: install ## the benchmarks of the data-set half at full size, about 40 minutes, 10 GB below /tmp
	for name in $(DATA_BENCHMARKS); do python benchmarks/$$name.py || exit 1; done
	python benchmarks/report.py $(DATA_BENCHMARKS)

bench-curation: install ## pruning and suspected labels beside their peers, on the folder of real test photos
	for name in $(CURATION_BENCHMARKS); do python benchmarks/$$name.py || exit 1; done
	python benchmarks/report.py $(CURATION_BENCHMARKS)

check: install ## format, lint, types, layers, generated documents
	ruff format --check .
	ruff check .
	mypy
	lint-imports
	mushroom settings --markdown | diff -u docs/settings.md - || (echo "docs/settings.md is out of date: run make docs"; exit 1)

format: install ## put the code into shape
	ruff format .
	ruff check --fix .

docs: install ## documents that are generated
	mushroom settings --markdown > docs/settings.md

lock: install ## resolve the packages anew
	uv pip compile --quiet --universal --python-version 3.11 --no-annotate --no-emit-index-url --custom-compile-command "make lock" \
	  $(foreach extra,$(subst $(comma), ,$(EXTRAS)),--extra $(extra)) --upgrade -o requirements.lock pyproject.toml

clean: ## remove the venv and caches; the state in .mushroom stays
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build *.egg-info

comma := ,
