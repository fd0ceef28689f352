# `make` lists what there is to do. Every target that compiles puts libtorch in place first.

ARGS ?=
CUDA ?=
# Runs that are cut short do not replace what is kept.
OUT ?= $(if $(ARGS),target/bench,docs/results/bench)

LRA := cargo run --package lra-bench --
SASHIMI := cargo run --package sashimi --

.PHONY: help libtorch build test template project fuzz kills digits path-x smnist sashimi bench package gpu-check clippy fmt doc tools clean-libtorch

help: ## this list
	@awk -F ':.*## ' '/^[a-z].*## / { printf "%-16s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)

libtorch: ## libtorch into libtorch/, once; CUDA=1 with the libraries for NVIDIA GPUs (3 GB)
	@CUDA=$(CUDA) scripts/libtorch.sh

build: tools libtorch ## all programs
	cargo build --workspace

# Crates that are built and tested where there is no libtorch.
LEAVES := audio-data datasets dsp loader measure pathfinder program report s4-stream torch-file transformations

# Tests run side by side, one per core: more threads in each of them would only get in the way.
test: tools libtorch ## all tests
	@for crate in $(LEAVES); do ! cargo tree --package $$crate | grep -qE ' (tch|torch-sys) v' || \
	    { echo "$$crate depends on libtorch, which it must not" >&2; exit 1; }; done
	@if S4_TEST_PYTHON=$${S4_TEST_PYTHON:-$$(scripts/test-venv.sh)}; \
	then export S4_TEST_PYTHON; else unset S4_TEST_PYTHON; fi; \
	for file in target/test-venv/lib/python3*/site-packages/nvidia/cu13/lib/libnvrtc.so.13; \
	do [ ! -e "$$file" ] || export S4_NVRTC=$${S4_NVRTC:-$$PWD/$$file}; done; \
	OMP_NUM_THREADS=$${OMP_NUM_THREADS:-1} cargo test --workspace $(ARGS)

template: tools libtorch ## build and run a project made from template/, with what `make test` compiled
	scripts/test-template.sh

project: libtorch ## begin a project of your own on these crates: make project DIR=../my-project
	@scripts/new-project.sh "$(DIR)"

KILLS ?= 50

kills: tools libtorch ## kill trainings, and one of two processes, KILLS=50 times at random moments; resume
	S4_KILLS=$(KILLS) OMP_NUM_THREADS=1 cargo test --package lra-bench --package sashimi \
	    --test reliability killed

digits: STEPS ?= 700
digits: tools libtorch ## train a small model to tell spoken digits apart, in a minute
	$(LRA) train --max-steps $(STEPS) $(if $(wildcard runs/fsdd/make/config.toml), \
	    --resume runs/fsdd/make, --config configs/lra/digits.toml --run-dir runs/fsdd/make)
	$(LRA) evaluate runs/fsdd/make
	@echo
	@echo "Ten digits: guessing would be right one time in ten."
	@echo "To watch how it learned:                      tensorboard --logdir runs"
	@echo "To hear a model of the same recordings:       make sashimi"
	@echo "Sounds of your own, in one folder per class:  $(LRA) train --task folder --data DIR"
	@echo "All there is to set:                          $(LRA) config --task fsdd"

path-x smnist: STEPS ?= 200
path-x smnist: tools libtorch ## train a small model for STEPS=200 steps, then evaluate it
	$(LRA) train --max-steps $(STEPS) $(if $(wildcard runs/$@/make/config.toml), \
	    --resume runs/$@/make, --task $@ --preset small --run-dir runs/$@/make)
	$(LRA) evaluate runs/$@/make
	@echo
	@echo "That was a taste. To go on where it stopped:  make $@ STEPS=$$((10 * $(STEPS)))"
	@echo "To watch it:                                  tensorboard --logdir runs"
	@echo "All there is to set:                          $(LRA) train --help"

sashimi: STEPS ?= 600
sashimi: tools libtorch ## train a small model of spoken digits for STEPS=600 steps, generate, listen
	$(SASHIMI) train --max-steps $(STEPS) $(if $(wildcard runs/audio/make/config.toml), \
	    --resume runs/audio/make, --data sashimi/corpus/spoken-digits --preset small \
	    --run-dir runs/audio/make)
	$(SASHIMI) evaluate runs/audio/make --baselines
	$(SASHIMI) generate runs/audio/make --seconds 2 --count 2 --overwrite
	@echo
	@echo "New audio, for any player:                    runs/audio/make/samples"
	@echo "To hear how it learned:                       tensorboard --logdir runs/audio/make"
	@echo "To go on where it stopped:                    make sashimi STEPS=$$((4 * $(STEPS)))"
	@echo "Longer or other samples, or to continue one:  $(SASHIMI) generate --help"
	@echo "Audio of your own, and all there is to set:   $(SASHIMI) train --help"

# RUSTC_BOOTSTRAP lets the stable compiler take the fuzzer's flags. libtorch is not made for the
# address sanitizer, and is found by its path: what a crate's build script says ends with the crate.
fuzz: SECONDS ?= 600
fuzz: export RUSTC_BOOTSTRAP := 1
fuzz: tools libtorch ## fuzz every reader of strangers' files, for SECONDS=600 each; needs cargo-fuzz
	@export LD_LIBRARY_PATH="$${LIBTORCH:-$(CURDIR)/libtorch/torch}/lib"; \
	for crate in audio-data datasets training; do \
	    cd $(CURDIR)/$$crate; sanitizer=address; [ $$crate != training ] || sanitizer=none; \
	    for target in $$(cargo fuzz list); do \
	        mkdir -p fuzz/corpus/$$target; seeds=fuzz/seeds/$$target; [ -e $$seeds ] || seeds=; \
	        cargo fuzz run --sanitizer $$sanitizer $$target fuzz/corpus/$$target $$seeds -- \
	            -max_total_time=$(SECONDS) -timeout=10 -max_len=32768 -rss_limit_mb=1024 || exit 1; \
	    done; \
	done

BENCHES := kernels convolution block adamw training_step processes audio_processes generation pathfinder

bench: tools libtorch ## all benchmarks, in 20 minutes, to docs/results/bench; ARGS=--quick to try them
	cargo bench --workspace --profile dev $(BENCHES:%=--bench %) -- --out $(OUT) $(ARGS)

package: tools libtorch ## all programs and tests for a machine without Rust, target/s4-package.tar.xz
	@scripts/package.sh archive

gpu-check: tools libtorch ## check and time everything on a GPU; ARGS="--device cpu --quick" to try it
	@scripts/package.sh
	@LIBTORCH=$${LIBTORCH-$(CURDIR)/libtorch} target/package/s4/s4 gpu-check $(ARGS)

clippy: tools libtorch ## lints; warnings are errors
	cargo clippy --workspace --all-targets -- -D warnings

fmt: tools ## format the code
	cargo fmt --all

doc: tools libtorch ## the libraries' documentation, in target/doc
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

clean-libtorch: ## remove libtorch/; the downloaded wheels stay in the cache
	rm -rf libtorch

tools:
	@command -v cargo >/dev/null || { echo "No cargo here. Get Rust from https://rustup.rs"; exit 1; } >&2
	@command -v $${CXX:-c++} >/dev/null || { echo "No C++ compiler here, which tch needs." \
	    "Debian: apt install g++; Fedora: dnf install gcc-c++; macOS: xcode-select --install"; exit 1; } >&2
