# Everything a person needs, each with its own set-up. `make` alone lists it.
CONFIG = workflow/config/default.yaml
CORES = all
ARGS =
# Where the grid of CONFIG writes; the key is the config's own.
RESULTS = $(shell sed -n 's/^results: *\([^ \#]*\).*/\1/p' $(CONFIG))
# Rules and scripts call `python` and `snakemake` by name.
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.DEFAULT_GOAL := help
.PHONY: help setup run smoke dashboard check test lint docs pictures lock clean

help: ## List the targets
	@echo "make TARGET [CONFIG=$(CONFIG)] [CORES=$(CORES)]"
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  \1	\2/p' $(MAKEFILE_LIST) | expand -t 14

setup: .venv/.installed ## Make .venv from requirements.lock; `. .venv/bin/activate` then puts snakemake on your PATH

# The stamp is written last, so an interrupted set-up is taken up again, and a finished one is not repeated.
.venv/.installed: requirements.lock pyproject.toml .ci/setup
	@bash .ci/setup

run: setup ## Run the grid of CONFIG (the main job), print the leaderboard
	breakeven check $(CONFIG)
	snakemake --cores $(CORES) --configfile $(CONFIG)
	breakeven leaderboard $(RESULTS)

smoke: CONFIG = workflow/config/smoke.yaml
smoke: run ## Run the small grid: minutes

dashboard: setup ## Open the dashboard on the results
	breakeven dashboard $(RESULTS)

check: setup ## Check style and types, and run the unit tests
	ruff check .
	ruff format --check .
	mypy
	python -m pytest --numprocesses logical -m "not slow and not browser" tests/unit tests/dashboard $(ARGS)

test: setup ## Run the tests; ARGS go to pytest, as in make test ARGS="-m 'not slow' -k chain"
	@bash .ci/test-packages
	python -m pytest --numprocesses logical $(ARGS)

lint: setup ## Check style, types and workflow
	ruff check .
	ruff format --check .
	mypy
	snakefmt --check Snakefile workflow/Snakefile workflow/rules
	snakemake --lint

docs: setup ## Write ARCHITECTURE.md, docs/api.md and docs/rows.md anew from the code
	python docs/architecture.py
	python docs/api.py
	python docs/rows.py

pictures: setup ## Draw the README's pictures anew from results/reference
	python docs/pictures.py

lock: setup ## Solve requirements.lock anew from pyproject.toml; what it pins stays unless ARGS="--upgrade"
	python -m pip install --quiet pip-tools==7.6.2
	CUSTOM_COMPILE_COMMAND="make lock" pip-compile --quiet --strip-extras --allow-unsafe --extra run --extra dev \
		--extra datasets --extra deepspeed --extra executorch --extra openvino --extra slurm $(ARGS) \
		--no-emit-index-url --no-emit-find-links --no-emit-trusted-host --output-file requirements.lock pyproject.toml

clean: ## Remove .venv and caches; results stay
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis workflow/*.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
