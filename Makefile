SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
OPA_VERSION := v1.20.2
OPA := .cache/opa/bin/opa
WARDGATE := $(VENV)/bin/wardgate
BUF := .cache/buf/node_modules/.bin/buf
LIBSODIUM := libsodium.so.23|libsodium.so.26|libsodium.23.dylib|libsodium.26.dylib

# gRPC's C core writes to standard error what the services log in their own words.
export GRPC_VERBOSITY ?= NONE

.PHONY: help setup setup-dev test nightly check checks demo bench policies mutants proto docs lock images sbom clean
.PHONY: ready tools python system-libraries

help: ## Show this help
	@grep -hE '^[a-z.-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-10s %s\n", $$1, $$2}'

# Tests of whole regions wait more than they compute: they run beside the others, and their report comes last. So do those
# of the policies and of what authors of policies work with.
REGION_TESTS := tests/bench tests/system tests/test_quick_start.py tests/test_deploy.py
POLICY_TESTS := tests/policies tests/federation/policy tests/test_policy_guide.py tests/test_policy_docs.py
OTHER_TESTS := tests $(REGION_TESTS:%=--ignore=%) $(POLICY_TESTS:%=--ignore=%)
PYTEST := $(PY) -m pytest -q -p no:cacheprovider

test: ready ## Set up, check everything and run every test (what CI runs)
	@$(MAKE) --no-print-directory checks; checked=$$?; \
	mkdir -p build; $(PYTEST) $(REGION_TESTS) >build/region-tests.log 2>&1 & regions=$$!; \
	$(PYTEST) $(POLICY_TESTS) >build/policy-tests.log 2>&1 & policies=$$!; \
	$(PYTEST) $(OTHER_TESTS); tested=$$?; \
	wait $$policies; policies=$$?; cat build/policy-tests.log; \
	wait $$regions; regions=$$?; cat build/region-tests.log; \
	test $$checked = 0 || echo '*** The checks before the tests failed: see above ***'; \
	exit $$((checked + tested + policies + regions))

nightly: ready ## What takes too long for every change: a busy machine, a million forged inputs, floods
	$(PYTEST) -m nightly tests

check: ready checks ## Lint, types, layers, wire contract, and whether generated files are current

checks:
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	$(PY) tools/generate_stubs.py --check
	$(PY) tools/generate_docs.py --check
	@if [ -x $(BUF) ]; then echo '$(BUF) lint'; cd proto && ../$(BUF) lint; fi
	@if [ -x $(OPA) ]; then echo '$(WARDGATE) policy build --check'; $(WARDGATE) policy build --check; fi

demo: setup ## Run the story of one referral on this machine, from end to end
	$(VENV)/bin/wardgate sandbox demo

bench: setup ## Measure beside the floor, in one run
	$(PY) -m bench

policies: setup-dev $(OPA) ## Rebuild policies/dist from policies/ (needs Go)
	$(WARDGATE) policy build

mutants: setup-dev $(OPA) ## Flip every rule of the policies: does a test notice? (needs Go)
	$(PY) tools/mutate_policies.py

proto: setup-dev ## Regenerate federation/wire from proto/
	$(PY) tools/generate_stubs.py

docs: setup-dev ## Regenerate the reference pages under docs/
	$(PY) tools/generate_docs.py

setup: python system-libraries $(VENV)/run.stamp ## Install what running needs into .venv

setup-dev: setup $(VENV)/dev.stamp ## Install what developing and testing needs too

COMPILE := uv pip compile --quiet --generate-hashes --no-emit-index-url --universal --python-version 3.11 \
  --custom-compile-command 'make lock'

lock: ## Recompile the hash-locked requirements (needs uv on the PATH)
	$(COMPILE) pyproject.toml -o requirements/run.txt >/dev/null
	$(COMPILE) --group build -c requirements/run.txt -o requirements/build.txt >/dev/null
	$(COMPILE) pyproject.toml --group dev -c requirements/run.txt -c requirements/build.txt \
	  -o requirements/dev.txt >/dev/null

images: ## Ask the registries for the digests of the container images (needs docker)
	$(PYTHON) tools/images.py --out deploy/compose/images.env

sbom: setup-dev ## Write build/sbom.cdx.json: what is installed to run, by the lock file (CycloneDX)
	$(PY) tools/sbom.py --out build/sbom.cdx.json

clean: ## Remove the environment, the built tools, every cache and the sandbox
	rm -rf $(VENV) .cache .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache build sandbox-run
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# -- what the targets above stand on -----------------------------------------------------------------------------------

ready: # two at a time: the environment is downloaded while OPA is compiled
	@$(MAKE) --no-print-directory -j2 setup-dev tools

python:
	@test -x $(PY) || $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo 'Python 3.11 or newer is needed; name one with PYTHON=...'; exit 1; }

system-libraries:
	@if ldconfig -p 2>/dev/null | grep -qE '$(LIBSODIUM)'; then :; \
	elif command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
	  apt-get update -q && apt-get install -y -q --no-install-recommends libsodium23; \
	elif ldconfig -p >/dev/null 2>&1; then \
	  echo 'libsodium 1.0.18 or newer is needed (Debian, Ubuntu: libsodium23; Fedora: libsodium)'; exit 1; fi

# Wheels only: building a source distribution would run its code before anybody could look at what was built.
INSTALL := $(PY) -m pip install --quiet --require-hashes --only-binary :all:

$(VENV)/run.stamp: requirements/run.txt requirements/build.txt pyproject.toml
	test -x $(PY) || $(PYTHON) -m venv $(VENV)
	$(INSTALL) -r requirements/run.txt
	$(INSTALL) -r requirements/build.txt
	$(PY) -m pip install --quiet --no-deps --no-build-isolation -e .
	touch $@

$(VENV)/dev.stamp: requirements/dev.txt $(VENV)/run.stamp
	$(INSTALL) -r requirements/dev.txt
	touch $@

# Where Go or npm is missing, what needs OPA or buf is skipped, and says so; where CI is set, that is an error.
define MISSING
printf '\n*** SKIPPED: %s is not installed, so %s ***\n\n' '$(1)' '$(2)'; test -z "$$CI"
endef

tools:
	@if [ -x $(OPA) ]; then :; elif command -v go >/dev/null; then $(MAKE) --no-print-directory $(OPA); \
	else $(call MISSING,Go,policies are not rebuilt and tests of a real OPA do not run); fi
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory $(BUF); \
	elif [ -x $(BUF) ]; then :; else $(call MISSING,npm,the wire contract is not linted); fi

$(OPA):
	GOBIN=$(CURDIR)/$(dir $@) go install github.com/open-policy-agent/opa@$(OPA_VERSION)

# `npm install` and not `npm ci`: the lock names the packages of Linux only, and other machines take theirs by version.
$(BUF): tools/buf/package.json tools/buf/package-lock.json
	mkdir -p .cache/buf && cp tools/buf/package.json tools/buf/package-lock.json tools/buf/.npmrc .cache/buf/
	cd .cache/buf && npm install --no-save --ignore-scripts --no-audit --no-fund --loglevel=error
	touch $@
