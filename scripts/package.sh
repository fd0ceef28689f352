#!/usr/bin/env bash
# Makes target/package/s4: the programs, and the tests that can run on a GPU, for a Linux machine
# that has libtorch or PyTorch but no Rust.
#
#   scripts/package.sh            the folder
#   scripts/package.sh archive    and target/s4-package.tar.xz
set -euo pipefail
cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-target}
programs=(lra-bench sashimi robustness audio-data gpu-check)
folder=target/package/s4
archive=target/s4-package.tar.xz

say() { echo "package: $*" >&2; }

# --- build --------------------------------------------------------------------------------------

# The whole workspace: what `make build` and `make test` have built is used again.
cargo build --workspace --bins

# Programs of tests that have these words.
programs_with() {
    grep -rlE --include='*.rs' --exclude-dir=support "$1" */tests |
        sed -E 's#[^/]+/tests/([^/.]+).*#\1#' | sort -u
}

# Tests that can run on another device ask the crate `parity` which one it is; those that run kernels
# on the CPU want a compiler. Lines of crate, name and file.
tests() {
    local names
    names=$(comm -23 <(programs_with 'parity::.*(device|for_each_case)') <(programs_with 'cuda::host'))
    # shellcheck disable=SC2046
    cargo test --workspace --no-run --message-format json-render-diagnostics \
        $(printf -- '--test %s\n' $names) |
        sed -nE 's#.*"manifest_path":"[^"]*/([^/"]+)/Cargo.toml".*"kind":\["test"\].*"name":"([^"]+)".*"executable":"([^"]+)".*#\1 \2 \3#p'
}
tests=$(tests)

rm -rf "$folder"
mkdir -p "$folder"/{bin,tests,configs,corpus}
for program in "${programs[@]}"; do
    strip -o "$folder/bin/$program" "$target/debug/$program"
done
while read -r crate name file; do
    strip -o "$folder/tests/$crate-$name" "$file"
done <<<"$tests"

# --- what they read -----------------------------------------------------------------------------

install -m 755 scripts/s4 "$folder/s4"
sed -i "s/@VERSION@/$(awk '$2 == "torch" { print $3; exit }' scripts/libtorch-wheels.txt)/" "$folder/s4"
cp -r parity/fixtures "$folder/fixtures"
cp -r configs/audio configs/lra "$folder/configs"
cp -r sashimi/corpus/spoken-digits "$folder/corpus"
cp LICENSE-APACHE LICENSE-MIT "$folder"

say "$folder: $(du -sh "$folder" | cut -f 1)," \
    "$(find "$folder/bin" -type f | wc -l) programs, $(find "$folder/tests" -type f | wc -l) of tests"
[ "${1-}" = archive ] || exit 0

# The programs have most of their code in common: a dictionary that holds all of them at once.
tar -C target/package --sort=name --owner=0 --group=0 -cf - s4 |
    xz -T 2 --lzma2=preset=9,dict=256MiB >"$archive.partial"
mv "$archive.partial" "$archive"
say "$archive: $(du -h "$archive" | cut -f 1)." \
    "There: tar xf $(basename "$archive") && s4/s4 gpu-check"
