PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
DOCUMENTED := .venv/.documented
COLLECTED := .venv/.collected
INSTALL := $(BIN)/python .ci/install.py

# Python may keep what it compiles, whatever is set here otherwise: tests start many processes.
export PYTHONDONTWRITEBYTECODE :=

# Two more than there are cores, as tests wait for the processes that they start.
WORKERS := $(shell $(PYTHON) -c 'import os; print((os.cpu_count() or 1) + 2)')
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadscope --no-loadscope-reorder

BENCH := $(BIN)/python -m pytest tests/benchmarks -o python_files='bench_*.py' -q -s

.PHONY: demo test pytest coverage test-all check bench soak docs viewer clean

demo: $(INSTALLED)  ## make samples, upscale them, make a material of two photographs, say where the results are
	$(BIN)/assetforge samples samples
	$(BIN)/assetforge run pipelines/quickstart.yaml
	$(BIN)/assetforge run pipelines/photo_to_material.yaml --only brick -D svbrdf.effort=0.15

test: $(INSTALLED)  ## everything that CI runs; tests begin with those that wait most, and checks run beside them
	@$(MAKE) --no-print-directory --jobs 2 check pytest

pytest: $(COLLECTED)
	$(PYTEST)

coverage: $(COLLECTED)  ## the same tests, and which lines they reach; that takes longer
	$(PYTEST) --cov --cov-report=term

test-all: check  ## the tests that take long, too
	$(PYTEST) -m 'slow or not slow'

check: $(INSTALLED)  ## lint, types and the import contract
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(INSTALLED)  ## time and memory, with rivals in the same run; fails where a bar is missed, and writes docs/figures.md
	$(BENCH) --figures docs/figures.md

soak: $(INSTALLED)  ## benchmarks that take many minutes: what watch and serve hold must not grow
	$(BENCH) -m slow

docs: $(DOCUMENTED)  ## generate the references in docs from the code, and build the web site into build/docs
	$(BIN)/python -m assetforge.cli.reference docs/reference.md docs/api.md
	$(BIN)/mkdocs build --strict --quiet

viewer:  ## needs Node: bundle what the viewer uses of three.js anew, and record its digest
	npm --prefix assetforge/viewer/build ci --no-audit --no-fund
	npm --prefix assetforge/viewer/build run build

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(INSTALL) '.[dev,mobile,serve]'
	touch $@

# One process compiles the tests and what they import, which otherwise each worker would do for itself.
$(COLLECTED): $(INSTALLED) $(wildcard tests/*.py tests/*/*.py)
	$(BIN)/python -m pytest --collect-only --quiet > $@ || { cat $@; rm $@; exit 1; }

$(DOCUMENTED): $(INSTALLED)
	$(INSTALL) '.[docs]'
	touch $@

clean:  ## forget the environment and what the demo made
	rm -rf .venv samples build .assetforge pipelines/.assetforge
