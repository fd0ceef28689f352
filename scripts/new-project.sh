#!/usr/bin/env bash
# Begins a project of your own, outside of this workspace, on its crates: template/ with the way
# here filled in, and the versions that are tested here.
#
#   scripts/new-project.sh DIR     the last part of DIR becomes the name of the crate
set -euo pipefail

dir=${1-}
[ -n "$dir" ] || {
    echo "which folder? make project DIR=../my-project" >&2
    exit 2
}
here=$(cd "$(dirname "$0")/.." && pwd)
name=$(basename "$dir")
[[ $name =~ ^[a-zA-Z][a-zA-Z0-9_-]*$ ]] || {
    echo "$name cannot be the name of a crate: a letter, then letters, digits, - and _" >&2
    exit 1
}
[ ! -e "$dir" ] || {
    echo "$dir is there already; choose another folder" >&2
    exit 1
}
mkdir -p "$dir/.cargo"
cp -R "$here/template/." "$dir"
cp "$here/Cargo.lock" "$dir"
sed -i.bak -e "s|\"\.\./|\"$here/|" -e "s|^name = .*|name = \"$name\"|" "$dir/Cargo.toml"
sed -e "s|value = \"|value = \"$here/|" -e 's|, relative = true||' "$here/.cargo/config.toml" \
    >"$dir/.cargo/config.toml"
rm "$dir/Cargo.toml.bak"
echo "$dir is ready: cd there, and cargo run" >&2
