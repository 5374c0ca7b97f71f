# nPanel: build, test and show it. `make help` lists the targets.
#
# Everything costly is kept outside the checkout, in $NPANEL_CACHE (default: ~/.cache/npanel).

NPANEL_CACHE ?= $(if $(XDG_CACHE_HOME),$(XDG_CACHE_HOME),$(HOME)/.cache)/npanel
CARGO_TARGET_DIR ?= $(NPANEL_CACHE)/target
export NPANEL_CACHE CARGO_TARGET_DIR
export PATH := $(HOME)/.cargo/bin:$(PATH)

FLEET := $(CARGO_TARGET_DIR)/debug/npanel-fleet

.PHONY: help setup build demo demo-down test torture power-loss lint bench bench-scale

help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

setup: ## Check this machine and install the Debian packages that are missing (root, Debian 12)
	@tests/setup

build: setup ## Build all programs
	@cargo build --workspace --bins --locked

demo: build ## Boot three controllers and two nodes, host a site on them, and leave them running
	@$(FLEET) demo

demo-down: ## Stop the demo and remove all that it left (nothing is done if it is not up)
	@if [ -x "$(FLEET)" ]; then "$(FLEET)" down demo && echo "The demo is down."; \
	else echo "There is no demo here: $(FLEET) has not been built."; fi

test: setup ## Run every check and test, and say what each stage took
	@tests/stages test

torture: setup ## Faults of every kind in five controllers under load (MINUTES=10; SEED=… for the faults of a run again)
	@tests/stages bugs
	@cargo build --workspace --bins --locked
	@$(CARGO_TARGET_DIR)/debug/npanel-torture --seconds $$(( $(or $(MINUTES),10) * 60 )) $(if $(SEED),--seed $(SEED))

power-loss: build ## Cut the power of controllers again and again (MINUTES=10; SEED= of a run to try it again)
	@NPANEL_MINUTES=$(or $(MINUTES),10) NPANEL_SEED=$(SEED) cargo test --package npanel-e2e --test power-loss --locked

lint: setup ## Formatting, clippy and the rules about dependencies
	@tests/stages lint

bench: setup ## Measure speed and size against their gates and targets (STAGES="serving burst" for some)
	@cargo build --workspace --bins --release --locked
	@cargo run --quiet --release --package npanel-placement --example decisions --locked
	@$(CARGO_TARGET_DIR)/release/npanel-bench $(STAGES)

bench-scale: setup ## Measure three controllers with a million accounts beside a thousand (ACCOUNTS=100000 for fewer)
	@cargo build --workspace --bins --release --locked
	@$(CARGO_TARGET_DIR)/release/npanel-scale fleet --accounts $(or $(ACCOUNTS),1000000)
