# The commands people type. `make run` and `make test` install what is missing; the rest assumes they ran once.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
# The quickstart is a Supabase project directory; point WORKDIR at your own.
WORKDIR ?= examples/quickstart
TARGET := $(or $(CARGO_TARGET_DIR),target)

.PHONY: help run test bench lint fmt v8 release

help: ## List the commands
	@grep -hE '^[a-z0-9]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9]+):.*## (.*)/  make \1\t\2/' | expand -t 20

run: ## Install what is missing, build, and start the project in WORKDIR (default: examples/quickstart)
	@./setup.sh run
	cargo build --bin isobase
	@exec $(TARGET)/debug/isobase start --workdir $(WORKDIR)

test: ## Install what is missing and run every test
	@./setup.sh test
	cargo test --workspace --no-fail-fast

bench: ## Compare with the peers, each as a ratio in one run
	@./setup.sh bench
	cargo build --release --bin isobase
	cargo run --release --package isobase-tests --bin bench -- $(BENCH)

lint: ## Check format and lints
	@bash runtime/v8/archive/find.sh
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings

fmt: ## Format the sources
	cargo fmt --all

release: ## Build the optimised binary
	@./setup.sh run
	cargo build --release --bin isobase
	@ls -lh $(TARGET)/release/isobase

v8: ## Build the V8 library from source (about an hour on two cores), when no prebuilt one can be had
	@bash runtime/v8/archive/build.sh
