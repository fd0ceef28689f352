#!/usr/bin/env bash
# Builds and runs a project made from template/, and compiles nothing but the project itself: cargo
# takes the rest from what `cargo test --workspace` left in target/.
#
# It does so where a package has the same path below the workspace, the same features and the same
# profile; hence the links and the tables that are appended here.
set -euo pipefail
cd "$(dirname "$0")/.."

root=$PWD
project=target/template/my-project
rm -rf "$project"
scripts/new-project.sh "$project"
(cd "$project" && cargo fmt --check)

for manifest in */Cargo.toml; do
    ln -s "$root/${manifest%/*}" "$project/"
done
ln -s "$root/build" "$project/"
manifest=$project/Cargo.toml
sed -i.bak -e "s|$root/||" -e '/^\[profile/,$d' "$manifest"
{
    # All features; as what tests depend on, so that the project's own list still has to be enough.
    # cc is for build scripts.
    echo '[dev-dependencies]'
    sed -n '/^\[workspace.dependencies\]/,/^\[/s/^\([a-z0-9-]*\) = .*/\1.workspace = true/p' Cargo.toml |
        grep -v '^cc\.'
    sed -n '/^\[workspace.package\]/,$p' Cargo.toml
} >>"$manifest"

cd "$project"
CARGO_TARGET_DIR=$root/target cargo build --bins --tests --features cuda/host "$@"
"$root/target/debug/my-project"
