#!/usr/bin/env bash
# Builds and runs a project made from template/, as one outside of this workspace, without compiling
# anything but itself: cargo reuses what was compiled for `cargo test --workspace` where package,
# version, features and profile are the same.
set -euo pipefail
cd "$(dirname "$0")/.."

project=target/template/my-project
rm -rf "$project"
scripts/new-project.sh "$project"

# The same features: those of everything that the workspace depends on. Not as dependencies, so that
# the project's own are still checked to be enough. (cc is for build scripts.)
{
    echo '[dev-dependencies]'
    sed -n '/^\[workspace.dependencies\]/,/^\[/p' Cargo.toml | grep -v -e '^\[' -e '^cc =' |
        sed "s|path = \"|path = \"$PWD/|"
} >>"$project/Cargo.toml"

# The same profile. What is said there of all packages does not hold for members, which the crates
# of this workspace are not there.
profile=$PWD/target/template/profile.toml
sed -n '/^\[profile.dev\]/,$p' Cargo.toml >"$profile"
arguments=(--config "$profile")
debug=$(sed -n '/^\[profile.dev\]/,/^$/s/^debug = //p' Cargo.toml)
for crate in */Cargo.toml; do
    crate=$(dirname "$crate")
    [ "$crate" = template ] || arguments+=(--config "profile.dev.package.$crate.debug=$debug")
done

export CARGO_TARGET_DIR=$PWD/target
cd "$project"
cargo fmt --check
cargo build --bins --tests --features cuda/host "${arguments[@]}" "$@"
"$CARGO_TARGET_DIR/debug/my-project"
