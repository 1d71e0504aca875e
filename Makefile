# The verbs of this project. Each makes the environment that it needs; nothing is installed by hand.
#   make demo                route a few questions among nine models; Q='my own question' routes yours
#   make test                everything, offline once installed
#   make check               lint, format, types
#   make test-lowest         the tests with the lowest versions that pyproject.toml allows
#   make bench               the headline numbers; DATA=folder of the benchmark data
#   make dev                 the environment for working on it
PYTHON ?= $(or $(shell command -v python3.11),python3)
DATA ?= $(or $(KNNROUTER_DATA),../shared/data)
Q ?=

PIP_INSTALL = install --quiet --disable-pip-version-check --constraint constraints.txt
BENCHMARKS = routellm_mmlu ulab routerdc estimators_compared avengers_pro shnitzer bakeoff coverage guard robustness srivatsa routellm_routers similarity_weighted speed langchain_overhead onboarding

.PHONY: demo test test-lowest check bench docs dev clean

demo: .venv/ready
	@.venv/bin/knnrouter demo $(if $(Q),'$(subst ','\'',$(Q))')

test: .venv-dev/ready
	.venv-dev/bin/pytest

check: .venv-dev/ready
	.venv-dev/bin/ruff check .
	.venv-dev/bin/ruff format --check .
	.venv-dev/bin/mypy

test-lowest: .venv-lowest/ready
	.venv-lowest/bin/pytest

bench: .venv-dev/ready
	@for name in $(BENCHMARKS); do .venv-dev/bin/python benchmarks/$$name.py --data $(DATA) || exit 1; done

docs: .venv-dev/ready
	.venv-dev/bin/pytest tests/docs

dev: .venv-dev/ready

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip $(PIP_INSTALL) --editable .
	@touch $@

# pip 25.1 is the first to know dependency groups.
.venv-dev/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv-dev
	.venv-dev/bin/python -m pip install --quiet --disable-pip-version-check 'pip>=25.1'
	.venv-dev/bin/python -m pip $(PIP_INSTALL) --editable '.[all]' --group dev
	@touch $@

.venv-lowest/ready: pyproject.toml constraints.txt constraints-lowest.txt
	$(PYTHON) -m venv .venv-lowest
	.venv-lowest/bin/python -m pip install --quiet --disable-pip-version-check 'pip>=25.1'
	.venv-lowest/bin/python -m pip $(PIP_INSTALL) --constraint constraints-lowest.txt \
		--editable '.[langchain,agents,llamaindex,plots,train]' --group test
	@touch $@

clean:
	rm -rf .venv .venv-dev .venv-lowest .mypy_cache .ruff_cache .pytest_cache .hypothesis
