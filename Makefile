# make run     try podgate on this machine: needs Python 3.11 or newer, nothing else
# make test    the tests: Python alone, on every Python from 3.11 to 3.13 that the machine has
# make check   style, types, layers
# make e2e     the tests with a real API server, a real Trivy and pods that run: needs root on Linux on amd64, Go 1.26,
#              and buildah, mmdebstrap, iproute2 and curl; the first run builds the rest, which takes minutes
# make mutants changes checks/ and evaluate.py in some 200 ways: lists each that no test notices, and fails
# make bench   reviews per second, beside Kubernetes' own Pod Security webhook: needs Go and wrk
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: run test check e2e bench mutants docs lock clean

run: $(STAMP)
	$(BIN)/python -m examples.three_reviews

test: $(STAMP)
	$(BIN)/python -m pytest -m "not e2e" --cov --cov-report=term
	$(BIN)/python -m coverage report --fail-under=100 --include="webhook/model/*,webhook/checks/*,webhook/policy/*,webhook/evaluate.py"
	$(BIN)/python tests/pythons.py $(BIN)/python

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/yamllint --strict .
	$(BIN)/python docs/generate.py --check

e2e: $(STAMP)
	$(BIN)/python -m tests.e2e.tools
	$(BIN)/python -m pytest -m e2e

bench: $(STAMP)
	$(BIN)/python -m tests.bench

mutants: $(STAMP)
	rm -rf mutants
	bash -o pipefail -c "$(BIN)/mutmut run | tr '\r' '\n' | tail -n 2"
	! $(BIN)/mutmut results | grep .

docs: $(STAMP)
	$(BIN)/python docs/generate.py
	$(BIN)/python -m tests.e2e.chart

# The locks name no registry: whichever pip is set up to use. Needs uv.
lock:
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	  pyproject.toml -o requirements/run.txt
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	  --extra dev --constraint requirements/run.txt pyproject.toml -o requirements/dev.txt

$(STAMP): requirements/dev.txt requirements/build.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/build.txt -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

clean:
	rm -rf $(VENV) build *.egg-info
