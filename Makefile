SHELL := /bin/bash
.DEFAULT_GOAL := help
VENV := .venv
PY := $(VENV)/bin/python
OPA_VERSION := v1.20.2
OPA := .cache/opa/bin/opa
BUF := .cache/buf/node_modules/.bin/buf

.PHONY: help setup setup-dev check test demo proto policies bench lock system-libraries

help: ## Show this help
	@grep -hE '^[a-z.-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-12s %s\n", $$1, $$2}'

system-libraries:
	@ldconfig -p | grep -q 'libsodium.so.23' || (apt-get update -q && apt-get install -y -q --no-install-recommends libsodium23)

$(VENV)/run.stamp: requirements/run.txt pyproject.toml
	test -x $(PY) || python3 -m venv $(VENV)
	$(PY) -m pip install --quiet --require-hashes -r requirements/run.txt
	$(PY) -m pip install --quiet --no-deps --no-build-isolation -e .
	touch $@

$(VENV)/dev.stamp: requirements/dev.txt $(VENV)/run.stamp
	$(PY) -m pip install --quiet --require-hashes -r requirements/dev.txt
	touch $@

setup: system-libraries $(VENV)/run.stamp ## Install what running needs into .venv

setup-dev: setup $(VENV)/dev.stamp ## Install what developing and testing needs too

$(OPA):
	GOBIN=$(CURDIR)/$(dir $@) go install github.com/open-policy-agent/opa@$(OPA_VERSION)

$(BUF): tools/buf/package-lock.json
	mkdir -p .cache/buf && cp tools/buf/package.json tools/buf/package-lock.json .cache/buf/
	cd .cache/buf && npm ci --silent --no-audit --no-fund

proto: setup-dev ## Regenerate federation/wire from proto/
	$(PY) tools/generate_stubs.py

lock: ## Recompile the hash-locked requirements (needs uv on the PATH)
	uv pip compile --quiet --generate-hashes --no-emit-index-url --universal --python-version 3.11 \
	  --custom-compile-command 'make lock' pyproject.toml --group build -o requirements/run.txt >/dev/null
	uv pip compile --quiet --generate-hashes --no-emit-index-url --universal --python-version 3.11 \
	  --custom-compile-command 'make lock' pyproject.toml --group build --group dev \
	  -c requirements/run.txt -o requirements/dev.txt >/dev/null
