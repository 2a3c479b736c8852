# The front door. `make` lists what there is.
.DEFAULT_GOAL := help
.PHONY: help demo test browser faults planted-bugs lint format bench lock clean
VENV := .venv
RUN := $(VENV)/test/bin
# Tests start hundreds of processes: each would compile all of the code anew.
unexport PYTHONDONTWRITEBYTECODE

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 15

demo: ## watch the main job: ask, approve, use, end, prove (sets up what it needs)
	@scripts/set-up demo $(VENV)/demo
	@$(VENV)/demo/bin/protem demo

test: ## set up and run every check and test
	@scripts/install-test-components
	@scripts/set-up test $(VENV)/test
	@$(MAKE) --no-print-directory lint
	@$(RUN)/pytest -n 3 --dist loadfile --no-loadscope-reorder

browser: ## the pages in a real browser: set up what that needs and run these tests alone
	@scripts/install-browser
	@scripts/set-up test $(VENV)/test
	@$(RUN)/pytest tests/browser

faults: ## crashes, cut connections and stopped processes, with their counts
	@scripts/install-test-components
	@scripts/set-up test $(VENV)/test
	@$(RUN)/pytest tests/faults -n 2 --dist loadfile --no-loadscope-reorder -rP
	@echo 'Chance repeats with PROTEM_FAULT_SEED=n, as printed. For a soak, set and raise (usual number):'
	@grep -rhoE 'how_many\("[A-Z_]+", [0-9_]+' tests/faults | sort -u | sed -E 's/.*"(.*)", /  \1 /'

planted-bugs: ## plant fifty bugs, one at a time; each must turn a test red
	@scripts/install-test-components
	@scripts/set-up test $(VENV)/test
	@$(RUN)/python scripts/planted-bugs -j 2

lint: ## style, types, layers
	@scripts/set-up test $(VENV)/test
	$(RUN)/ruff format --check .
	$(RUN)/ruff check .
	$(RUN)/mypy
	$(RUN)/lint-imports

format: ## rewrite the code in the house style
	@scripts/set-up test $(VENV)/test
	$(RUN)/ruff format .
	$(RUN)/ruff check --fix .

bench: ## every figure, as ratios against peers of the same run (waits for idle processors)
	@scripts/set-up bench $(VENV)/bench
	@$(VENV)/bench/bin/python benchmarks/run.py

lock: ## resolve pyproject.toml into requirements/*.txt, with hashes
	@scripts/lock

clean: ## remove environments and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
