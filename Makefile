# Everything that people and CI do with this repository. `make help` lists it.
#
# Builds are cached outside the tree, so that a clean clone starts from what an older one has built.

SHELL := /bin/bash
.DEFAULT_GOAL := help

CONCORD_CACHE ?= $(HOME)/.cache/concord
export CONCORD_CACHE
CARGO_TARGET_DIR ?= $(CONCORD_CACHE)/target
export CARGO_TARGET_DIR
# Where the local pool keeps its data, logs and kubeconfigs.
CONCORD_POOL ?= $(CURDIR)/.pool
export CONCORD_POOL

# What `up` and `replay` replay: key=value,... of start-day, hours, speed, jobs, max-runtime-hours, seed.
REPLAY ?=
export REPLAY
# Kill the operator so many times while it replays.
KILL ?= 0

# Random tests start from this seed, so that a red run means a change and not luck; explore others with
# make test PROPTEST_RNG_SEED=7 PROPTEST_CASES=5000
PROPTEST_RNG_SEED ?= 1
export PROPTEST_RNG_SEED

POOL := $(CARGO_TARGET_DIR)/release/concord-pool

.PHONY: help prerequisites build up down status logs replay audit nvml-sim crash-test bench-kueue bench-operator bench-agent load-programs faults test test-prerequisites lint crds fuzz mutants

help: ## This list
	@echo "Concord: GPUs that several members own together, shared under a treaty that software keeps."
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "First time: make up                            (minutes to build, then about ten minutes of replay)"
	@echo "Only start: make up UP=--no-replay             then submit Jobs yourself"
	@echo "Quick look: make up REPLAY=hours=2,speed=600   a smaller part of the trace, faster"
	@echo "Variables:  REPLAY=start-day=26,hours=24,speed=300,jobs=100,max-runtime-hours=12,seed=1   KILL=3   NAME=etcd"

prerequisites: ## Are Rust, Go and a C compiler here? Names what is missing and how to get it
	@missing=0; \
	need() { command -v "$$1" >/dev/null 2>&1 || { missing=1; printf '  %-6s %s\n         install: %s\n' "$$1" "$$2" "$$3"; }; }; \
	need cargo "builds Concord" "sudo apt-get install rustup && rustup toolchain install"; \
	need go "builds etcd, Kubernetes and kwok for the local pool" "Go 1.26 or newer from your distribution (sudo apt-get install golang-go) or from go.dev"; \
	need cc "links programs" "sudo apt-get install build-essential"; \
	if [ $$missing = 1 ]; then echo "^ missing; install these and run make again" >&2; exit 1; fi

build: prerequisites ## Build the programs, optimised
	cargo build --release --locked -p concord-pool -p concord-operator -p concord-quota-api -p concord-gpu-agent -p concord-node-sim -p concord-nvml-sim

up: build ## Start the local pool (real control plane, simulated GPU nodes) and replay a real trace on it
	@$(POOL) up --kill-operator $(KILL) $(UP)

# Looking and stopping need no newest build.
$(POOL):
	@$(MAKE) --no-print-directory build

down: ## Stop the local pool and remove its data (DOWN=--keep keeps it)
	@if [ -x $(POOL) ]; then $(POOL) down $(DOWN); else echo "nothing was ever built, so nothing runs"; fi

status: $(POOL) ## What runs, what the treaty's state is, whether the operator is ready
	@$(POOL) status

logs: $(POOL) ## Last lines of all logs, or of one: make logs NAME=concord-operator
	@$(POOL) logs $(NAME) --lines $(or $(LINES),20)

replay: build ## Replay again on the running pool: make replay REPLAY=hours=2,speed=600 KILL=1
	@$(POOL) replay --kill-operator $(KILL)

audit: $(POOL) ## Count GPUs for a minute from the API alone: make audit FOR=5m
	@$(POOL) audit --for $(or $(FOR),60s)

NVML_SIM := $(CARGO_TARGET_DIR)/nvml-sim
nvml-sim: prerequisites ## The NVML SIMULATOR: a libnvidia-ml.so.1 without GPUs for any client; prints how to load it
	cargo build --release --locked -p concord-nvml-sim
	@mkdir -p $(NVML_SIM)
	@ln -sf ../release/libconcord_nvml_sim.so $(NVML_SIM)/libnvidia-ml.so.1
	@echo
	@echo "SIMULATOR, no GPU is read. Run any NVML client with"
	@echo "  CONCORD_NVML_SIM_SCENARIO=$(CURDIR)/dev/nvml-sim/scenarios/exclusive.yaml LD_LIBRARY_PATH=$(NVML_SIM) <client>"
	@echo "What it should have read: $(CARGO_TARGET_DIR)/release/nvml-sim-truth SCENARIO --from 0 --to 300"

crash-test: build ## A smaller replay with three kills of the operator; fails if the audit finds anything
	@$(POOL) up --no-replay
	@$(POOL) replay --replay $(or $(REPLAY),start-day=26$(,)hours=4$(,)speed=300$(,)max-runtime-hours=4) --kill-operator 3

# baseline, large-scale, smoke, or a generator file.
LOAD ?= baseline
LOAD_PROGRAM := $(CARGO_TARGET_DIR)/release/concord-load
# Control planes and logs of the load tests, and the last tables.
CONCORD_LOAD ?= $(CURDIR)/.load
export CONCORD_LOAD

load-programs: prerequisites
	cargo build --release --locked -p concord-operator
	cargo build --release --locked -p concord-load

bench-kueue: load-programs ## Kueue's own load for Concord and for Kueue, one after the other: make bench-kueue LOAD=smoke
	@$(LOAD_PROGRAM) compare --load $(LOAD) --report $(CONCORD_LOAD)/$(notdir $(basename $(LOAD))) $(COMPARE)

bench-operator: load-programs ## Fail-over amid 10,000 claims, restart amid 100,000, latency amid 4,000 that run
	@$(LOAD_PROGRAM) latency
	@$(LOAD_PROGRAM) failover
	@$(LOAD_PROGRAM) restart

bench-agent: load-programs ## The node agent on simulated GPUs: its cost amid 56 MIG instances, its joules beside the true ones
	cargo build --release --locked -p concord-gpu-agent -p concord-nvml-sim
	@$(LOAD_PROGRAM) agent
	@$(LOAD_PROGRAM) joules

# A fresh machine may not know the packages of its distribution yet.
APT_INSTALL := sh -c 'run=$$([ "$$(id -u)" = 0 ] || echo sudo); $$run apt-get install --yes --no-install-recommends "$$@" || { $$run apt-get update && $$run apt-get install --yes --no-install-recommends "$$@"; }' install

test-prerequisites: prerequisites
	@python3 -c 'import ensurepip, venv' 2>/dev/null \
		|| $(APT_INSTALL) python3-venv \
		|| { echo "tests read the NVML simulator with Python clients; install: sudo apt-get install python3-venv" >&2; exit 1; }
	@missing=""; \
	for pair in chromium:chromium node:nodejs npm:npm java:default-jre-headless; do \
		command -v "$${pair%%:*}" >/dev/null 2>&1 || missing="$$missing $${pair##*:}"; done; \
	[ -z "$$missing" ] || $(APT_INSTALL) $$missing \
		|| { echo "tests open the pages in a browser and check them; install: sudo apt-get install$$missing" >&2; exit 1; }
	@ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || [ -n "$$CONCORD_TEST_POSTGRES" ] \
		|| $(APT_INSTALL) postgresql \
		|| { echo "tests of the portal's store use PostgreSQL; install: sudo apt-get install postgresql" >&2; exit 1; }

test: test-prerequisites lint ## Format, lints, unit, property and integration tests; the last ones start real control planes
	@# Some tests run programs of other packages, and load the simulated driver.
	cargo build --workspace --locked
	cargo test --workspace --locked

# How often `make faults` tries each fault, and the first seed.
ROUNDS ?= 1
SEED ?= 1
FAULT_REPORT := $(CONCORD_CACHE)/faults.md
faults: prerequisites ## What is lost under each fault, as a table: make faults ROUNDS=20 SEED=100
	@mkdir -p $(CONCORD_CACHE) && rm -f $(FAULT_REPORT)
	@CONCORD_FAULT_ROUNDS=$(ROUNDS) CONCORD_FAULT_SEED=$(SEED) CONCORD_FAULT_REPORT=$(FAULT_REPORT) \
		cargo test --locked -p concord-operator --test faults -- --nocapture --test-threads 1; \
		status=$$?; echo; cat $(FAULT_REPORT); exit $$status

lint: prerequisites ## Format and lints alone
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings

crds: prerequisites ## Write the CRDs of helm/concord from the code
	cargo run --quiet --locked -p concord-api --bin concord-crds -- helm/concord/crds

# A comma inside $(or ...).
, := ,

# Seconds for each target.
FOR_FUZZ ?= 60
# No sanitizer: there is no unsafe code of ours to watch.
fuzz: ## Coverage-guided fuzzing of the treaty's reader and the engine: make fuzz FOR_FUZZ=3600 (nightly Rust, cargo-fuzz)
	@cargo fuzz --version >/dev/null 2>&1 || { echo "cargo-fuzz is missing; install: cargo install cargo-fuzz --locked" >&2; exit 1; }
	@mkdir -p $(CONCORD_CACHE)/fuzz/read $(CONCORD_CACHE)/fuzz/decide
	cd crates/treaty && cargo +nightly fuzz run --sanitizer none --target-dir $(CONCORD_CACHE)/fuzz/target read $(CONCORD_CACHE)/fuzz/read \
		../../policies/examples ../../policies/broken -- -max_total_time=$(FOR_FUZZ) -max_len=65536 -timeout=10
	cd crates/treaty && cargo +nightly fuzz run --sanitizer none --target-dir $(CONCORD_CACHE)/fuzz/target decide $(CONCORD_CACHE)/fuzz/decide \
		-- -max_total_time=$(FOR_FUZZ) -timeout=10

mutants: ## Small mistakes put into the engine's entry and the judge, one at a time: which does no test notice? (an hour; cargo-mutants)
	@cargo mutants --version >/dev/null 2>&1 || { echo "cargo-mutants is missing; install: cargo install cargo-mutants --locked" >&2; exit 1; }
	PROPTEST_CASES=100 PROPTEST_MAX_SHRINK_ITERS=0 cargo mutants -p concord-treaty -o $(CONCORD_CACHE)/mutants
