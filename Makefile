# Plain `make` lists the targets. Tools are built once into $(STATEWAY_TOOLS), keyed by their version.

SHELL := /bin/sh
.DEFAULT_GOAL := help

export STATEWAY_TOOLS ?= $(CURDIR)/.tools
export MAKE

SEEDS ?= 1000
PARTS ?=
BENCH_FLAGS ?=
DEMO_FLAGS ?=
LAMBDA_DIR ?= bin/lambda-go
# What the compiler optimises for: CPU profiles of the node under load (make profile). PGO=off builds without.
PGO ?= cmd/cluster/cluster.pgo

MODULE  := github.com/stateway/stateway
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
COMMIT  ?= $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
DATE    ?= $(shell date -u +%Y-%m-%dT%H:%M:%SZ)
LDFLAGS  = -X $(MODULE)/internal/version.version=$(VERSION) \
           -X $(MODULE)/internal/version.commit=$(COMMIT) \
           -X $(MODULE)/internal/version.date=$(DATE)

# pinned prints the version that a tools module requires of a module: $(call pinned,MODULE,GO.MOD)
pinned = $(shell awk '$$1 == "$(1)" && $$2 ~ /^v/ { print $$2; exit }' $(2))
GOVERSION := $(shell go env GOVERSION)
BIN       := $(STATEWAY_TOOLS)/bin
LINTER    := $(BIN)/golangci-lint-$(call pinned,github.com/golangci/golangci-lint/v2,tools/golangci-lint/go.mod)-$(GOVERSION)
GOFUMPT   := $(BIN)/gofumpt-$(call pinned,mvdan.cc/gofumpt,tools/go.mod)-$(GOVERSION)
VERSITYGW := $(BIN)/versitygw-$(call pinned,github.com/versity/versitygw,tools/versitygw/go.mod)-$(GOVERSION)
QUEUEPROXY := $(BIN)/queue-proxy-$(call pinned,knative.dev/serving,tools/queue-proxy/go.mod)-$(GOVERSION)
BUF       := $(BIN)/buf-$(call pinned,github.com/bufbuild/buf,tools/go.mod)-$(GOVERSION)

GOFILES = find . -name '*.go' ! -name '*.pb.go' ! -path './.*' ! -path '*/node_modules/*' ! -path '*/target/*'
TESTRUN = go run ./internal/testrun

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-22s %s\n", $$1, $$2 }' Makefile

.PHONY: build
build: ## build bin/stateway, with version, commit and date inside
	@mkdir -p bin
	go build -pgo='$(PGO)' -trimpath -ldflags '$(LDFLAGS)' -o bin/stateway ./cmd/cluster

.PHONY: test
test: ## run everything this machine has the toolchains for; names what did not run (with CI=true that fails)
	@$(TESTRUN) -parts '$(PARTS)' -seeds $(SEEDS)

.PHONY: test-all
test-all: ## as test, but a missing toolchain is a failure
	@$(TESTRUN) -parts '$(PARTS)' -seeds $(SEEDS) -strict

.PHONY: test-fast
test-fast: ## run the unit tests alone, without lint and race detector
	@$(TESTRUN) -parts unit -race=false

.PHONY: sim
sim: ## simulate a cluster with SEEDS=1000 seeds, faults included
	@$(TESTRUN) -parts sim -seeds $(SEEDS)

.PHONY: mutants
mutants: ## check that the simulation catches every planted mistake
	@$(TESTRUN) -parts mutants -seeds $(SEEDS)

.PHONY: compat
compat: ## run the published StateFun SDKs (Python, JavaScript, Java, Go) against the runtime
	@$(TESTRUN) -parts compat

.PHONY: aws
aws: ## test S3, Kinesis and Lambda against servers of their own
	@$(TESTRUN) -parts aws

.PHONY: knative
knative: ## test functions behind Knative's queue-proxy
	@$(TESTRUN) -parts knative

.PHONY: crash
crash: ## kill -9 the real binary under load and compare what is left
	@$(TESTRUN) -parts crash

.PHONY: soak
soak: build ## run a node between two Kinesis streams for STATEWAY_SOAK_SECONDS=600 and look whether it grows
	STATEWAY_BIN=$(CURDIR)/bin/stateway STATEWAY_SOAK_SECONDS=$${STATEWAY_SOAK_SECONDS:-600} \
		go test -count=1 -v -timeout 2h -run '^TestSoak$$' ./test/aws/kinesis/soak

.PHONY: dist
dist: ## build the zip files for AWS Lambda, and the layer, for x86-64 and arm64, into bin/dist
	go run ./internal/dist -to bin/dist

.PHONY: bench
bench: build ## build the load tools and measure; prints one table, writes one JSON file
	go run ./bench/run -stateway bin/stateway $(BENCH_FLAGS)

.PHONY: profile
profile: build ## take new profiles for the compiler, from a node under load; commit cmd/cluster/cluster.pgo
	go run ./bench/run -stateway bin/stateway -rows http,http-1000,http-hot,group-http,group-lambda,embedded -json bin/profile.json -profiles bin/profiles
	go tool pprof -proto bin/profiles/*.pprof > bin/cluster.pgo && mv bin/cluster.pgo cmd/cluster/cluster.pgo

.PHONY: benchstat
benchstat: ## compare two files of go benchmark results: make benchstat OLD=a.txt NEW=b.txt
	@go tool -modfile=tools/go.mod benchstat $(OLD) $(NEW)

.PHONY: demo
demo: example-shopping-cart ## run the shopping cart: orders in, receipts out, a kill -9 in the middle

.PHONY: example-greeter
example-greeter: build ## run the greeter example
	go run ./examples/greeter/demo -stateway bin/stateway $(DEMO_FLAGS)

.PHONY: example-shopping-cart
example-shopping-cart: build ## run the shopping cart example
	go run ./examples/shopping-cart/demo -stateway bin/stateway $(DEMO_FLAGS)

.PHONY: example-billing
example-billing: build ## run the billing example on a Kinesis of its own (needs node and npm)
	go run ./examples/billing/demo -stateway bin/stateway $(DEMO_FLAGS)

.PHONY: example-fraud-detection
example-fraud-detection: build ## run the fraud detection: Lambda emulator, Knative's queue-proxy and Python in one (needs python3 with venv)
	go run ./examples/fraud-detection/demo -stateway bin/stateway $(DEMO_FLAGS)

.PHONY: example-lambda-go
example-lambda-go: build lambda-go ## run the Lambda example under stateway dev lambda (on a Mac with GOOS=darwin)
	go run ./examples/lambda-go/demo -stateway bin/stateway -bootstrap $(LAMBDA_DIR)/bootstrap $(DEMO_FLAGS)

.PHONY: lambda-go
lambda-go: ## build the Lambda example's bootstrap into LAMBDA_DIR=bin/lambda-go, for GOARCH
	@mkdir -p $(LAMBDA_DIR)
	CGO_ENABLED=0 GOOS=$${GOOS:-linux} go build -trimpath -ldflags '-s -w' -tags lambda.norpc -o $(LAMBDA_DIR)/bootstrap ./examples/lambda-go

.PHONY: generate
generate: $(BUF) ## regenerate what is made from the .proto files
	$(BUF) generate

.PHONY: lint
lint: check-format check-code ## check formatting, vet, and run the linters

.PHONY: check-format
check-format: $(GOFUMPT)
	@bad=$$($(GOFILES) -exec $(GOFUMPT) -l {} +) || exit 1; \
	if [ -n "$$bad" ]; then echo "not formatted (make fmt mends it):"; echo "$$bad"; exit 1; fi

.PHONY: check-code
check-code: $(LINTER)
	@go vet ./...
	@$(LINTER) run ./...

.PHONY: check-proto
check-proto: $(BUF)
	@$(BUF) lint
	@fresh=$$(mktemp -d) && trap 'rm -rf "$$fresh"' EXIT && $(BUF) generate -o "$$fresh" && \
	made=$$(cd "$$fresh" && find . -name '*.pb.go' | sort) && kept=$$(find ./protocol -name '*.pb.go' | sort) && \
	{ [ "$$made" = "$$kept" ] && for f in $$made; do cmp "$$f" "$$fresh/$$f" || exit 1; done; } || \
	{ echo "generated code is stale (make generate mends it)"; exit 1; }

.PHONY: fmt
fmt: $(GOFUMPT) ## format all Go files
	@$(GOFILES) -exec $(GOFUMPT) -w {} +

.PHONY: tools
tools: $(LINTER) $(GOFUMPT) $(BUF) $(VERSITYGW) $(QUEUEPROXY) ## build the development tools

.PHONY: versitygw
versitygw: $(VERSITYGW) ## build the S3 server that tests start

.PHONY: queue-proxy
queue-proxy: $(QUEUEPROXY) ## build Knative's queue-proxy, which tests start

.PHONY: clean
clean: ## remove what was built (the tools stay)
	rm -rf bin

$(LINTER): tools/golangci-lint/go.mod
	@echo "building $(@F), once (about two minutes)"; mkdir -p $(BIN)
	@cd tools/golangci-lint && go build -o $@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint && touch $@

$(GOFUMPT): tools/go.mod
	@echo "building $(@F), once"; mkdir -p $(BIN)
	@cd tools && go build -o $@ mvdan.cc/gofumpt && touch $@

$(BUF): tools/go.mod
	@echo "building $(@F), once (about a minute)"; mkdir -p $(BIN)
	@cd tools && go build -o $@ github.com/bufbuild/buf/cmd/buf && touch $@

$(VERSITYGW): tools/versitygw/go.mod
	@echo "building $(@F), once (about two minutes)"; mkdir -p $(BIN)
	@cd tools/versitygw && go build -o $@ github.com/versity/versitygw/cmd/versitygw && touch $@

$(QUEUEPROXY): tools/queue-proxy/go.mod
	@echo "building $(@F), once (about a minute)"; mkdir -p $(BIN)
	@cd tools/queue-proxy && go build -o $@ knative.dev/serving/cmd/queue && touch $@
