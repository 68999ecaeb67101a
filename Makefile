# Go tools are those of tests/lint/go.mod, so that they stay out of the charms' own.
GO ?= go
GOLANGCI_LINT := $(GO) tool -modfile=$(CURDIR)/tests/lint/go.mod golangci-lint
GOVULNCHECK := $(GO) tool -modfile=$(CURDIR)/tests/lint/go.mod govulncheck
MODULES := . tests tests/tools
ARCHS ?= amd64 arm64
COVERAGE ?= 85

.DEFAULT_GOAL := help
.PHONY: format lint docs unit integration test soak demo lab bench pack cover help deps scenarios vulncheck

format: ## Format the Go files and tidy the modules
	@set -e; for module in $(MODULES); do (cd $$module && $(GOLANGCI_LINT) fmt && $(GO) mod tidy); done

lint: ## Check format, style, the import law, the modules, the shell and the documents
	@set -e; for module in $(MODULES); do echo "lint $$module"; (cd $$module && $(GO) mod tidy -diff && $(GOLANGCI_LINT) run ./...); done
	cd tests && $(GO) vet -tags=integration ./integration
	shellcheck .ci/* tests/bed/standins/*/dispatch
	$(GO) run ./cmd/charmdoc -check

docs: ## Write the reference pages of docs/ that come from charmcraft.yaml and pkg/status
	$(GO) run ./cmd/charmdoc

unit: ## Run the tests of the charms' own module, with the race detector
	$(GO) test -race ./...

integration: ## Run scenarios on the current Juju controller, with the charms in build/ (GARM_IMAGE and GARM_ROCK name images, GITHUB_ADDRESS this machine)
	cd tests && $(GO) test -tags=integration -count=1 -timeout=120m ./integration

test: deps pack lint unit scenarios ## Run everything that needs no controller

soak: deps ## Let SOAK_EVENTS (200) mixed events happen in the order that SOAK_SEED decides (root)
	@$(call need-root,$@)
	cd tests && SOAK_EVENTS=$${SOAK_EVENTS:-200} SOAK_SEED=$${SOAK_SEED:-1} $(GO) test -count=1 -timeout=20m -run='^TestSoak$$' -v .

demo: deps ## Show both charms at work, from deploy to a running job, with the real GARM (root)
	@$(call need-root,$@)
	@echo "Compiling the test bed with Juju's agents in it: minutes the first time, seconds afterwards."
	@cd tests && $(GO) run ./cmd/lab demo

lab: deps ## Open a prompt on the same model as the demo, to type juju commands at (root)
	@$(call need-root,$@)
	@echo "Compiling the test bed with Juju's agents in it: minutes the first time, seconds afterwards."
	@cd tests && $(GO) run ./cmd/lab lab

bench: ## Run the benchmarks
	$(GO) test -run='^$$' -bench=. -benchmem ./...
	cd tests && $(GO) test -run='^$$' -bench=. -benchmem ./...

pack: ## Write both charms into build/, for each architecture in ARCHS
	@.ci/pack $(ARCHS)

cover: ## Print the unit tests' coverage of pkg/, and fail below COVERAGE percent
	@mkdir -p build
	$(GO) test -coverpkg=$$($(GO) list ./pkg/... | grep -v 'test$$' | paste -sd,) -coverprofile=build/cover.out ./... >build/cover.log || { cat build/cover.log; exit 1; }
	@$(GO) tool cover -func=build/cover.out | awk -v least=$(COVERAGE) ' \
		$$1 != "total:" { next } \
		{ printf "pkg/ is covered to %s, at least %s %% are wanted\n", $$3, least; exit ($$3 + 0 < least) }'

help: ## Print this
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

deps:
	@.ci/deps

scenarios:
	cd tests && $(GO) test -count=1 -timeout=60m -parallel=3 ./...

vulncheck:
	@set -e; for module in $(MODULES); do (cd $$module && $(GOVULNCHECK) ./...); done

need-root = [ "$$(id -u)" = 0 ] || { echo "make $(1) makes network and mount namespaces: run it as root (sudo make $(1))" >&2; exit 1; }
