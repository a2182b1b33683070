# The menu. A recipe stays under five lines; what is longer is a script in .ci/ or Rust in testnet/ and tests/.

SHELL := /bin/bash
.DEFAULT_GOAL := help

# Outside the clone, so that every clone on a machine shares the one long build of RocksDB.
export CARGO_TARGET_DIR ?= $(HOME)/.cache/testudo/target
# What `make conformance` reads besides the repository: vectors/ and data/.
export TESTUDO_SHARED ?= $(abspath ../shared)
# Tools that .ci/setup had to build; appended, so that a machine's own come first.
export PATH := $(PATH):$(HOME)/.cargo/bin:$(HOME)/.cache/testudo/tools/bin

# All commands select the whole workspace with its dev-dependencies (`--test tidy` switches them on), because Cargo
# unifies features over the selection: another selection builds cedar-policy and others a second time.
BUILD := cargo build --workspace --bins --test tidy

.PHONY: help setup build demo test conformance bench fuzz ci doc fmt deny

help: ## show this menu
	@grep -hE '^[a-z]+:.*## ' Makefile | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 22

setup: ## install what building and testing need (Debian, Ubuntu), or print the line to type
	@bash .ci/setup build test

build:
	@bash .ci/setup build
	$(BUILD)

demo: build ## three hubs on this machine share assessments; KEEP=1 leaves them running, DIR=folder keeps their data
	$(CARGO_TARGET_DIR)/debug/testudo-testnet demo --testudo $(CARGO_TARGET_DIR)/debug/testudo \
		$(if $(KEEP),--keep) $(if $(DIR),--dir "$(DIR)")

test: setup ## every test that needs nothing but the repository
	$(BUILD)
	cargo nextest run --workspace --no-fail-fast
	cargo test --workspace --doc

conformance: build ## the suites that need TESTUDO_SHARED, PyPI or npm; what is missing is a failure
	@bash .ci/setup conformance
	cargo test --workspace --features testudo-tests/conformance --test conformance

bench: build ## ratios beside references of the same run; ONLY=name runs one area
	cargo test --workspace --features testudo-tests/bench --test bench -- $(ONLY)

fuzz: ## look for bytes that break a reader; ONLY=target runs one, SECONDS_EACH=600 says for how long
	@bash .ci/setup fuzz
	bash .ci/fuzz $(ONLY)

ci: ## the whole gate, as CI runs it
	bash .ci/run

doc: build ## the documentation of the code, warnings as errors
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

fmt: ## format the code
	cargo fmt --all

deny: ## licences, bans and sources of all dependencies; advisories if TESTUDO_ADVISORY_DB names a database
	@bash .ci/setup deny
	bash .ci/deny rules
	bash .ci/deny advisories || [ $$? = 3 ]
