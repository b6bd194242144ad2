# The vocabulary of this repository. `make` alone explains it.
.DEFAULT_GOAL := help
SHELL := /bin/bash
LAB := tests/lab/lab.sh
export CARGO_TARGET_DIR ?= $(CURDIR)/target
BIN := $(CARGO_TARGET_DIR)/debug/hopkeeper
LAB_DIR ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/hopkeeper-lab
export LAB_DIR
# Where the integration tests find the lab's programs.
export HOPKEEPER_TEST_KAFKA ?= 127.0.0.1:9092
export HOPKEEPER_TEST_ELASTICSEARCH ?= http://127.0.0.1:9200
export HOPKEEPER_TEST_ELASTICSEARCH_SECURE ?= https://127.0.0.1:9201
export HOPKEEPER_TEST_BORINGTUN ?= $(LAB_DIR)/boringtun/bin/boringtun-cli
export HOPKEEPER_TEST_BAO ?= $(LAB_DIR)/bin/bao
export HOPKEEPER_TEST_OTELCOL ?= $(LAB_DIR)/bin/otelcol
# The crash tests stop the operator at named places; a release never has them.
CARGO_FLAGS := --features failpoints
SOURCES ?= kafka elasticsearch pod-logs
OUTAGE ?= 300

help: ## what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: lab-up ## the main job, told step by step, on a real cluster on this machine
	tests/demo.sh

test: lab-up lab-tests ## every test, on real components
	$(LAB) up shipper_es
	tests/run.sh $(CARGO_FLAGS)

unit: ## the tests that need nothing but Rust
	cargo test $(CARGO_FLAGS) --lib --bins

lint: ## formatting, clippy, that the benchmark compiles, the shipped rules, dependency bans, shell scripts
	cargo fmt --check
	cargo clippy $(CARGO_FLAGS) --all-targets -- -D warnings
	cargo clippy $(CARGO_FLAGS) --no-default-features --lib --bins -- -D warnings
	cargo check --locked --manifest-path tests/bench/Cargo.toml
	cargo build $(CARGO_FLAGS) --bins
	tests/lint.sh

build: ## the program, quickly linked
	cargo build $(CARGO_FLAGS) --bins

lab-up: build lab-core ## a Kubernetes node, Kafka, OpenBao, an internet with VPN servers: real programs, no Docker
	$(LAB) images $(BIN)
	$(LAB) pools
	$(LAB) up shipper

# What of the lab needs nothing of this package: .ci/run starts it while cargo is busy.
lab-core: lab-deps
	$(LAB) build core helm shipper
	$(LAB) up core

# What only the tests need: Elasticsearch, an OpenTelemetry Collector, and the tools that hold the chart and the cluster's
# scripts to account.
lab-tests: lab-deps
	$(LAB) build es es_secure
	tests/helm/tools.sh
	tests/lab/otelcol/build.sh
	tests/lab/storage/build.sh
	tests/compose/tools.sh
	$(LAB) up es es_secure

lab-deps:
	$(LAB) deps

lab-down: ## stops all of it and leaves nothing behind
	$(LAB) down all

test-sources: lab-up ## the scenarios on each log source in turn, with outages of OUTAGE seconds (300): about an hour
	$(LAB) build es
	$(LAB) up es shipper_es
	for source in $(SOURCES); do \
	  HOPKEEPER_E2E_SOURCE=$$source HOPKEEPER_E2E_OUTAGE_SECONDS=$(OUTAGE) cargo test $(CARGO_FLAGS) --test e2e -- --show-output --test-threads=32 || exit; done

soak: lab-up ## an hour of failures and repairs without Elasticsearch, which takes the chain-state documents
	$(LAB) build es
	$(LAB) up es
	cargo test $(CARGO_FLAGS) --test e2e -- --ignored --nocapture an_hour

test-elasticsearch8: lab-deps ## the suite of Elasticsearch on version 8 instead, with security and TLS
	$(LAB) build es8
	$(LAB) up es8
	HOPKEEPER_TEST_ELASTICSEARCH=https://127.0.0.1:9208 HOPKEEPER_TEST_ELASTICSEARCH_SECURE=https://127.0.0.1:9208 HOPKEEPER_TEST_ELASTICSEARCH_PART=es8 \
	  cargo test $(CARGO_FLAGS) --test elasticsearch; code=$$?; $(LAB) down es8; exit $$code

images-test: build ## the Containerfiles' images, built twice with nothing kept: the same bytes
	cargo test $(CARGO_FLAGS) --test images -- --include-ignored --show-output --test-threads=1

cluster-test: build lab-deps ## a cluster of bare machines (systemd-nspawn) by k8s/ and the tutorial's first chapter; a chain by the chart over both
	$(LAB) build core helm
	$(LAB) images $(BIN)
	tests/helm/tools.sh
	tests/cluster/run.sh

bench: bench-engine lab-up ## the figures of the engine, of a drained backlog, and of the whole path: record to incident, line to page, memory
	cargo build --release --bin hopkeeper
	cargo test --release --test kafka -- --ignored --nocapture bench
	HOPKEEPER_E2E_OPERATOR=$(CARGO_TARGET_DIR)/release/hopkeeper \
	  cargo test $(CARGO_FLAGS) --test e2e -- --ignored --nocapture --test-threads=1 bench

bench-engine: ## the rules engine beside Vectorscan, RegexSet and ripgrep, on one core
	tests/bench/run.sh

generate: build lab-tests ## the generated files that are committed: CRDs, rule list and schema, command line, metrics, templates, snapshots, pictures, the chart's copies
	$(BIN) crd > k8s/crd.yaml
	$(BIN) rules list -o markdown > docs/rules.md
	$(BIN) rules schema > rules/schema.json
	INSTA_UPDATE=always HOPKEEPER_GENERATE=1 cargo test $(CARGO_FLAGS) --lib
	HOPKEEPER_GENERATE=1 cargo test $(CARGO_FLAGS) --test elasticsearch every_panel
	HOPKEEPER_GENERATE=1 cargo test $(CARGO_FLAGS) --test docs reference
	HOPKEEPER_GENERATE=1 cargo test $(CARGO_FLAGS) --test status_page pictures
	HOPKEEPER_GENERATE=1 cargo test $(CARGO_FLAGS) --test helm generated
	HOPKEEPER_GENERATE=1 cargo test $(CARGO_FLAGS) --test helm readme

.PHONY: help demo test test-sources soak test-elasticsearch8 unit lint build lab-up lab-core lab-tests lab-deps lab-down images-test cluster-test bench bench-engine generate
