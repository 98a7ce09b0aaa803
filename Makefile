# CODITECT: the platform kernel. `make` alone lists what can be made.
SHELL := /bin/bash
.DEFAULT_GOAL := help
DATA ?= data
HOST ?= 127.0.0.1
PORT ?= 8080
POLICIES ?= policies
CONFIGURATION ?= debug
BUILD := .build/$(CONFIGURATION)

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

run: ## install what is missing, build, and serve on loopback with the embedded default
	@Scripts/install.sh run
	@Scripts/build.sh $(CONFIGURATION)
	@exec $(BUILD)/coditectd serve --data $(DATA) --host $(HOST) --port $(PORT) --policies $(POLICIES) --plugins $(BUILD)/plugins

build: ## build the programs and the plugins
	@Scripts/install.sh run
	@Scripts/build.sh $(CONFIGURATION)

plugins: ## build the plugins alone, into .build/<configuration>/plugins
	@Scripts/build-plugins.sh $(CONFIGURATION) $(BUILD)/plugins

test: ## install what is missing and run every test
	@Scripts/install.sh test
	@Scripts/test.sh

room: ## test one room and what it stands on: make room ROOM=Seats
	@test -n "$(ROOM)" || { echo "make room ROOM=Seats"; exit 64; }
	CODITECT_ROOMS=$(ROOM) swift test --scratch-path .build-room --filter '$(ROOM)Tests'

fuzz: ## mutated policies and hook inputs against the sandbox, with sanitizers: FUZZ_SECONDS=600
	@Scripts/install.sh fuzz
	@Scripts/fuzz.sh

interop: ## the heavy peers: a browser through the pages, an API fuzzer, shells that complete
	@Scripts/install.sh interop
	@Scripts/interop.sh

release: ## pack programs, plugins, policies, kit and Swift's libraries for machines without Swift: dist/coditect-….tar.gz
	@Scripts/install.sh run
	@Scripts/install.sh release
	@Scripts/release.sh

release-check: ## try the packed release in a bare Debian 12, and its kit as an outsider; as root, some minutes
	@Scripts/install.sh release
	@Scripts/release-check.sh

plugin-mutants: ## seed faults into a payment plugin, one at a time: the conformance kits must catch each
	@Scripts/plugin-mutants.sh

stress: build ## 200,000 operations of random schedules on seats, judged by what clients saw: STRESS_OPERATIONS, STRESS_SEED
	@Scripts/install.sh stress
	@CODITECT_BUILD=$(CURDIR)/$(BUILD) python3 Tests/Stress/stress.py

stress-long: ## 10,000,000 operations of the same on the ledger alone, on every core, most of an hour: STRESS_OPERATIONS, STRESS_SEED
	@Scripts/install.sh stress
	@CODITECT_ROOMS=seat-desk swift build -c release --product seat-desk --scratch-path .build-stress
	@SEAT_DESK=$(CURDIR)/.build-stress/release/seat-desk python3 Tests/Stress/marathon.py

drill: build ## lose a server and its disk, and come back: from a backup, a standby and to a moment; recovery time and loss, a few minutes
	@Scripts/install.sh chaos
	@CODITECT_BUILD=$(CURDIR)/$(BUILD) /usr/bin/python3 Tests/Stress/drill.py

chaos: build ## the world falls down under load: Redis, PostgreSQL with fail-over, the pooler, disk, clocks, lines, frozen and killed servers; some five minutes
	@Scripts/install.sh chaos
	@CODITECT_BUILD=$(CURDIR)/$(BUILD) /usr/bin/python3 Tests/Stress/chaos.py

bench: ## measure ours and its yardstick in one run, as ratios
	@Scripts/install.sh bench
	@Scripts/bench.sh

bench-peers: ## the seat service beside FastAPI and nginx with Lua, strict and fast, some 20 minutes
	@Scripts/install.sh bench
	@Scripts/bench-peers.sh

lint: ## swift format lint --strict
	swift format lint --strict --recursive --parallel Package.swift Sources Tests plugins examples Benchmarks

format: ## rewrite to the house style
	swift format --in-place --recursive --parallel Package.swift Sources Tests plugins examples Benchmarks

check: lint test ## what CI runs, without the heavy peers

docs: build ## write the generated reference pages and editor stubs
	$(BUILD)/coditectd reference --policies policies --output docs/reference --stubs policies/_meta

new-feature: ## a furnished room: make new-feature NAME=Projects
	@Scripts/new-feature.sh "$(NAME)"

clean: ## remove what was built; data stays
	rm -rf dist .build .build-room .build-stress .build-new-feature plugins/*/.build

.PHONY: help run build plugins test room fuzz interop release release-check plugin-mutants stress stress-long drill chaos bench bench-peers lint format check docs new-feature clean
