# Needs Python 3.11 to 3.14 and make; everything else is brought into .venv.

VENV := .venv
PYTHON := $(VENV)/bin/python
RUNTIME := $(VENV)/.runtime
DEV := $(VENV)/.dev
UV ?= uv

# Test processes: the tests wait more than they compute, so one more than two cores.
JOBS ?= 3
LOCK = $(UV) pip compile --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-header --no-annotate

# The first Python that will do; PYTHON3=/path/to/python overrides it.
PYTHON3 ?= $(shell for name in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$name -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' >/dev/null 2>&1 \
	&& { echo $$name; break; }; done)

# Otherwise every process that a test starts compiles the sources again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help run admin fakes test soak chaos bench check lock

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(RUNTIME) ## Start everything on this machine; Ctrl-C stops it
	@exec $(PYTHON) -m local

admin: $(RUNTIME) ## Keys of what runs here: ARGS="keys create --owner ann --role user"
	@$(PYTHON) -m local.admin $(or $(ARGS),--help)

fakes: $(RUNTIME) ## Start a fake model server of both dialects, for a rehearsal; Ctrl-C stops them
	@exec $(PYTHON) -m tests.fakes $(ARGS)

test: $(DEV) ## Run the tests
	$(PYTHON) -m pytest -n $(JOBS) --no-loadscope-reorder $(ARGS)

soak: $(DEV) ## Run the long forms of the tests that have one
	$(PYTHON) -m pytest -m slow -s $(ARGS)

chaos: $(DEV) ## Let everything fail at random for three minutes; ARGS="--seed N --seconds S" or --restarts
	$(PYTHON) -m tests.chaos $(ARGS)

bench: $(DEV) ## Measure speed and memory against floors; ARGS="--quick" or "--only hop"
	$(PYTHON) -m benchmarks --json bench.json $(ARGS)

check: $(DEV) ## Check format, style, types, imports, names and docs
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/basedpyright
	$(VENV)/bin/lint-imports
	$(PYTHON) -m pytest -q tests/unit/layout

lock: ## Resolve the dependencies again (needs uv)
	$(LOCK) pyproject.toml -o requirements.lock
	$(LOCK) --group dev pyproject.toml -c requirements.lock -o requirements-dev.lock

$(PYTHON):
	@test -n "$(PYTHON3)" || { \
		echo "Stepwell needs Python 3.11 to 3.14; python3 is $$(python3 --version 2>&1) here."; \
		echo "Install one, or name it: make PYTHON3=/path/to/python3.13 $(MAKECMDGOALS)"; exit 1; }
	@echo "Making $(VENV) with $$($(PYTHON3) --version)"
	@$(PYTHON3) -m venv --clear $(VENV) || { rm -rf $(VENV); \
		echo "On Debian and Ubuntu, venv is a package of its own: apt install python3-venv"; exit 1; }

# The stamps stand for a lock that is installed; an interrupted installation is done again.
$(RUNTIME): SIZE = 270
$(RUNTIME): requirements.lock | $(PYTHON)
	$(INSTALL)

$(DEV): SIZE = 650
$(DEV): requirements-dev.lock | $(PYTHON)
	$(INSTALL)

define INSTALL
@echo "Installing $< into $(VENV): about a minute, and $(SIZE) MB"
@$(PYTHON) -m pip --version >/dev/null 2>&1 || $(PYTHON) -m ensurepip
@$(PYTHON) -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
@touch $@
endef
