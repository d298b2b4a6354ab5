# Two commands: `make ablation` and `make test`. Both set up everything they need in .venv.

PYTHON ?= $(shell command -v python3.11 || command -v python3.10 || command -v python3.12 || command -v python3)
VENV := .venv
RUN := $(VENV)/bin/python
TORCH_STAMP := $(VENV)/.installed-torch
STAMP := $(VENV)/.installed
DEV_STAMP := $(VENV)/.installed-dev

# The version that was tested; without a pin pip may fetch a build for another CUDA.
TORCH := torch==2.13.0

.PHONY: ablation test trials chaos lint clean

ablation: $(STAMP)
	$(RUN) cli.py submit-ablation $(ARGS)

# One more than cores: tests wait for processes and disks.
PROCESSES ?= $(shell $(RUN) -c "from settings.given import cores; print(min(5, cores().count + 1))" 2>/dev/null || echo 2)

test: $(DEV_STAMP)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(RUN) -m pytest --numprocesses $(PROCESSES) --dist loadfile $(ARGS)

# What takes hours and is no part of make test: make trials, or make trials NAMES=upgrade
NAMES ?= $(patsubst trials/%.py,%,$(filter-out trials/__init__.py,$(wildcard trials/*.py)))
trials: $(DEV_STAMP)
	for name in $(NAMES); do $(RUN) -m trials.$$name || exit 1; done

# A real ablation under random kills: make chaos N=300 SEED=1
N ?= 30
SEED ?= 0
chaos: $(DEV_STAMP)
	$(RUN) -m chaos --strikes $(N) --seed $(SEED) $(ARGS)

lint: $(DEV_STAMP)
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

# Bytecode is made of what is imported, when it is imported: making it of all that is installed takes two minutes.
# Processes must be let to: else each would compile torch for itself.
export PYTHONDONTWRITEBYTECODE :=
# pip, with what it fetches told: its own bars on a terminal, some lines in a log.
INSTALL := @$(RUN) scripts/install.py
KNOWN := import sys; v = sys.version_info[:2]; (3, 10) <= v <= (3, 12) or sys.exit( \
	"Baton needs Python 3.10, 3.11 or 3.12, and $(PYTHON) is %d.%d: make PYTHON=python3.12 ..." % v)

# An environment whose making was broken off has no pip.
$(TORCH_STAMP):
	@test -x $(RUN) || $(PYTHON) -c '$(KNOWN)'
	@$(RUN) -m pip --version >/dev/null 2>&1 || { echo "Making $(VENV) with $(PYTHON) ..." && $(PYTHON) -m venv $(VENV); }
	$(INSTALL) --upgrade 'pip>=25' || true  # an old one takes three times as long to choose versions
	@echo "Installing PyTorch: the largest part, gigabytes where it is the build for GPUs. Minutes, the first time only."
	$(INSTALL) $(TORCH)
	@touch $@

$(STAMP): $(TORCH_STAMP) pyproject.toml
	@echo "Installing Baton and its other libraries: a minute or two where the packages are near ..."
	$(INSTALL) -c constraints.txt -e .
	@touch $@

$(DEV_STAMP): $(TORCH_STAMP) pyproject.toml
	@echo "Installing Baton, its other libraries and what its tests need: a minute or two where the packages are near ..."
	$(INSTALL) -c constraints.txt -e '.[dev,vae,qlora]'
	@touch $(STAMP) $@

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache
