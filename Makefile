# Everything a person or a CI job does with this repository. `make help` lists it.

.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

# Python programs (cwltool and the interoperability libraries) come from the repository's own environment.
export PATH := $(CURDIR)/.venv/bin:$(PATH)

# What each fuzz target of `make fuzz` may use at most: seconds, and runs of the target.
FUZZ_SECONDS ?= 600
FUZZ_RUNS ?= 10000000
# What `make fuzz-keep` keeps of a target at most, in bytes.
FUZZ_KEEP ?= 200000

# How long each part of `make chaos` goes on; DAYBOOK_CHAOS_SEED repeats a run.
CHAOS_MINUTES ?= 10

# How long the hub of `make away` is away.
AWAY_MINUTES ?= 60

# The benchmark; its pages go to standard output. The numbers of entries follow.
BENCHMARK = RUSTFLAGS='--cfg curve25519_dalek_backend="avx512"' cargo run --release --locked -q -p daybook-bench --
BENCH = $(BENCHMARK) run --date "$$(date -u +%F)" --commit "$$(git rev-parse --short HEAD 2>/dev/null || echo unknown)" --entries

# Which part of `make walk`: 2/9 is the second of nine.
PART ?= 1/1

.PHONY: help setup demo test interop wfexs-test walk away chaos fuzz fuzz-keep bench bench-large generate deny clean

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: ## install what is missing (Debian packages, a Python environment in .venv)
	@scripts/setup.sh

demo: setup ## a whole federation on this machine, with a real workflow; then it keeps serving
	cargo run -p daybook -- demo

test: setup ## everything CI checks: format, lints, all tests against a real PostgreSQL
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --all-features --locked -- -D warnings
	cargo test --workspace --locked

interop: ## a witness and a verifier that are not ours, in Go, fetched from Debian, against our hub and ours against them
	@scripts/interop.sh

wfexs-test: ## run our cases with a WfExS-backend that you have: WFEXS=its command, WFEXS_CACHE=its filled cache folder
	@test -n "$(WFEXS)" && test -n "$(WFEXS_CACHE)" || { echo "say WFEXS='<python> <WfExS-backend.py>' and WFEXS_CACHE=<folder>" >&2; exit 2; }
	DAYBOOK_WFEXS="$(WFEXS)" DAYBOOK_WFEXS_CACHE="$(WFEXS_CACHE)" cargo test --locked -p daybook-agent -p daybook --features daybook-agent/wfexs,daybook/wfexs --test it wfexs -- --nocapture

walk: setup ## relay, runner, hub and engine killed at each step of a job, each in a job of its own, or a PART of it such as 2/9; takes long
	DAYBOOK_WALK=$(PART) cargo test --locked -p daybook --test it tre::walk::whoever -- --nocapture

away: setup ## a hub that is away for an hour (AWAY_MINUTES) while a job runs
	DAYBOOK_AWAY_MINUTES=$(AWAY_MINUTES) cargo test --locked -p daybook --test it tre::away::a_hub_that_is_away -- --nocapture

chaos: ## two hubs under random faults, then one under ten times its load, CHAOS_MINUTES (10) for each
	DAYBOOK_CHAOS_MINUTES=$(CHAOS_MINUTES) cargo test --locked -p daybook --test it chaos:: -- --test-threads 1 --nocapture
	cargo test --locked -p daybook-store --test it chaos::

fuzz: ## fuzz every parser, or TARGET alone, at most FUZZ_SECONDS (600) and FUZZ_RUNS each; needs cargo-fuzz
	@FUZZ_SECONDS=$(FUZZ_SECONDS) FUZZ_RUNS=$(FUZZ_RUNS) scripts/fuzz.sh run $(TARGET)

fuzz-keep: ## keep in tests/fuzz/found what was found and reaches something new, at most FUZZ_KEEP (200000) bytes a target
	@FUZZ_KEEP=$(FUZZ_KEEP) scripts/fuzz.sh keep $(TARGET)

bench: ## how fast a hub is, at ten thousand and a million entries, and the register's pages; takes the whole machine, and 15 GB of disk
	@$(BENCH) 10000,1000000
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && chmod 755 "$$folder" && \
	$(BENCHMARK) site --folder "$$folder" && $(BENCHMARK) site --folder "$$folder" --rate 200 --anew

bench-large: ## the same at ten million entries too; needs 40 GB of disk
	@$(BENCH) 10000,1000000,10000000

generate: ## write the generated documents anew; a test compares them with the code
	DAYBOOK_GENERATE=1 cargo test -p daybook-repo-tests -p daybook-core -p daybook-rules -p daybook-api -p daybook-agent -p daybook-views
	DAYBOOK_GENERATE=1 cargo test -p daybook-core --test it events::the_files

deny: ## licences, sources, bans and advisories of every dependency; needs cargo-deny
	@command -v cargo-deny >/dev/null || { \
	  echo "cargo-deny is missing: cargo install --locked cargo-deny" >&2; exit 1; }
	cargo deny --workspace check

clean: ## remove what was built; data folders stay
	cargo clean
	rm -rf .venv
