# Everything a developer types. `make` alone lists it.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# The version that `rapport version` prints.
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
# Two packages at a time and a bound on each: the suite starts databases of its own.
TESTFLAGS ?= -p 2 -timeout 15m
# One package and its fuzz targets, or all; how long for each target.
FUZZ_TIME ?= 30s
# How often `make chaos` kills, over how many events at least, and on which stores.
CHAOS_KILLS ?= 20
CHAOS_EVENTS ?= 200000
CHAOS_STORE ?= both
# How long `make mixed` keeps up its load, and on which stores.
MIXED_FOR ?= 30m
MIXED_STORE ?= both
# Further flags for `make bench` and `make demo`.
BENCH_FLAGS ?=
DEMO_FLAGS ?=

LINT := go tool -modfile=.ci/tools/lint/go.mod golangci-lint
BUF := go tool -modfile=.ci/tools/proto/go.mod buf

.PHONY: help
help: ## List what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: ## Start everything embedded, with a small synthetic clinic (needs only Go)
	go run ./cmd/rapport demo $(DEMO_FLAGS)

.PHONY: build
build: ## Build bin/rapport, one static binary
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o bin/rapport ./cmd/rapport

.PHONY: test
test: ## Install what the suite needs (PostgreSQL, Redis, FHIR examples) and run it all
	.ci/install
	go test $(TESTFLAGS) ./...

.PHONY: race
race: ## Run the tests under the race detector; RACE=all includes those that link SQLite (slow)
	.ci/race $(RACE)

.PHONY: fuzz
fuzz: ## Fuzz every target for FUZZ_TIME each
	.ci/fuzz $(FUZZ_TIME)

.PHONY: bench
bench: build ## Measure load beside the floor of this machine
	bin/rapport bench $(BENCH_FLAGS)

.PHONY: speed
speed: ## Time scoring on one core: a bound PHQ-9 (1 µs), a response from bytes to scores (40 µs), the catalogue (50 ms)
	go test -run '^$$' -cpu 1 -bench '^(BenchmarkScorePHQ9|BenchmarkDecodeCheckBindScore|BenchmarkLoadTheCatalogue)$$' \
		./services/domain/score ./services/fhir ./services/domain/instrument

.PHONY: chaos
chaos: build ## Kill servers CHAOS_KILLS times over CHAOS_EVENTS events and count what is lost (nothing)
	bin/rapport bench chaos --kills $(CHAOS_KILLS) --events $(CHAOS_EVENTS) --store $(CHAOS_STORE)

.PHONY: mixed
mixed: build ## Ingest, search, export and subscribe for MIXED_FOR at 70 % of what is measured; memory must stay flat
	bin/rapport bench mixed --for $(MIXED_FOR) --store $(MIXED_STORE)

.PHONY: lint
lint: ## Check form and habits: format, linters, contract, deployment files, content
	$(LINT) fmt --diff
	$(LINT) run
	$(BUF) lint
	$(BUF) format --diff --exit-code
	.ci/check-deploy
	.ci/check-content

.PHONY: generate
generate: ## Generate the gRPC code anew from proto/
	go generate ./api

.PHONY: fmt
fmt: ## Put Go and proto files into form
	$(LINT) fmt
	$(BUF) format --write

.PHONY: ci
ci: ## Run what continuous integration runs
	.ci/run
