# S3 Hydration. `make` or `make help` lists the targets; every target sets up what it needs.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help setup demo sandbox test simulate soak bench lint audit format build publish unpublish lock clean

VENV     := .venv
PYTHON_  := $(VENV)/bin/python
EMULATOR := .build/emulator
PEERS    := .build/peers
NODE     := .build/node
GUARD    := .build/lint
CHECKOV  := .build/checkov
SECURITY := .build/security
IAM      := .build/iam
AWS_CLI  := .build/aws-cli
CODE     := producer_events consumer_replicator service-catalog tests
DIR      ?=
ARGS     ?=

help: ## this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/.installed: tests/requirements.txt tests/set-up.sh
	@tests/set-up.sh $(VENV) $<

$(EMULATOR)/.installed: tests/sandbox/requirements.txt tests/set-up.sh
	@tests/set-up.sh $(EMULATOR) $<

$(PEERS)/.installed: tests/bench/requirements.txt tests/set-up.sh
	@tests/set-up.sh $(PEERS) $<

$(NODE)/.installed: tests/node/requirements.txt tests/node/set-up.sh tests/set-up.sh
	@tests/node/set-up.sh $(NODE)

$(GUARD)/.installed: tests/lint/package-lock.json tests/lint/.npmrc tests/node/install.sh $(NODE)/.installed
	@tests/node/install.sh $(GUARD) tests/lint

$(CHECKOV)/.installed: tests/lint/requirements.txt tests/set-up.sh
	@tests/set-up.sh $(CHECKOV) $<

$(SECURITY)/.installed: tests/security/requirements.txt tests/set-up.sh
	@tests/set-up.sh $(SECURITY) $<

$(IAM)/.installed: tests/iam/package-lock.json tests/iam/.npmrc tests/node/install.sh $(NODE)/.installed
	@tests/node/install.sh $(IAM) tests/iam

$(AWS_CLI)/.installed: tests/runbook/requirements.txt tests/set-up.sh
	@tests/set-up.sh $(AWS_CLI) $<

setup: $(VENV)/.installed $(EMULATOR)/.installed

demo: setup ## two accounts on this machine, real files replicated and proven byte for byte (DIR=folder of your own)
	@$(PYTHON_) -m tests.sandbox demo $(if $(DIR),--dir "$(DIR)") $(ARGS)

sandbox: setup ## the two accounts stay up until Ctrl-C (ARGS="--detach", ARGS="--stop")
	@$(PYTHON_) -m tests.sandbox up $(ARGS)

test: setup lint $(IAM)/.installed $(AWS_CLI)/.installed ## lint, types, templates, and every test
	@$(PYTHON_) -m pytest $(ARGS)

simulate: $(VENV)/.installed ## schedules of the real code on strict fakes, each from its seed (ARGS="--schedules 1000000 --minutes 30", "--seed 4711", "--explore")
	@$(PYTHON_) -m tests.simulation $(ARGS)

soak: setup ## a million schedules or half an hour of them, a backfill of 100,000 beside live events, half an hour in the sandbox with everything at fault (ARGS="--minutes 5")
	@$(PYTHON_) -m tests.simulation $(ARGS)
	@LOAD_BACKFILL=100000 $(PYTHON_) -m pytest -n 0 --timeout 3600 tests/load
	@$(PYTHON_) -m tests.load $(ARGS)

bench: $(VENV)/.installed $(PEERS)/.installed ## copying and drift detection against rclone, s5cmd and aws-cli, as ratios (ARGS="--workloads w1 --scale 0.1")
	@$(PYTHON_) -m tests.bench $(ARGS)

lint: $(VENV)/.installed $(GUARD)/.installed $(CHECKOV)/.installed $(SECURITY)/.installed ## ruff, mypy --strict, cfn-lint, cfn-guard, checkov, bandit, secrets
	@$(PYTHON_) -m ruff check $(CODE)
	@$(PYTHON_) -m ruff format --check $(CODE)
	@$(PYTHON_) -m mypy
	@$(VENV)/bin/cfn-lint service-catalog/producer/template.yaml service-catalog/consumer/template.yaml $(wildcard service-catalog/launch-roles/*.yaml)
	@$(PYTHON_) -m tests.lint
	@$(PYTHON_) -m tests.security

audit: $(VENV)/.installed $(SECURITY)/.installed ## known vulnerabilities of what ships; asks PyPI, and says what it could not look up
	@$(PYTHON_) -m tests.security audit

format: $(VENV)/.installed ## ruff's formatter and its safe fixes
	@$(PYTHON_) -m ruff check --fix $(CODE)
	@$(PYTHON_) -m ruff format $(CODE)

build: $(VENV)/.installed ## the function's zip, reproducible, for arm64 and x86_64; its size and cold start
	@$(PYTHON_) service-catalog/publishing/function_zip.py $(ARGS)

publish: $(VENV)/.installed ## this version into Service Catalog; shows what it would do (ARGS="--bucket NAME --share-with ou-... --apply")
	@$(PYTHON_) service-catalog/publishing/publish.py $(ARGS)

unpublish: $(VENV)/.installed ## both products out of Service Catalog; shows what it would do (ARGS="--apply")
	@$(PYTHON_) service-catalog/publishing/unpublish.py $(ARGS)

lock: ## pins the requirements again, with hashes
	@tests/set-up.sh .build/lock tests/requirements-lock.txt
	@for f in consumer_replicator service-catalog/publishing/plain_function tests tests/sandbox tests/bench tests/lint tests/node tests/runbook tests/security; do \
	  .build/lock/bin/uv pip compile --quiet --no-config --universal --python-version 3.12 --generate-hashes --no-annotate \
	    --no-emit-index-url --custom-compile-command 'make lock' $$f/requirements.in -o $$f/requirements.txt; done

clean: ## everything that a build or a test run made
	@rm -rf .build .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
