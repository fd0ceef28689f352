#!/usr/bin/env bash
# Puts libtorch into libtorch/ of the workspace, from the wheels that libtorch-wheels.txt pins.
#
#   scripts/libtorch.sh           libtorch for the CPU (Linux x86-64), CPU and MPS (macOS arm64)
#   CUDA=1 scripts/libtorch.sh    with everything for NVIDIA GPUs, about 3 GB
#
# Wheels are kept in ${XDG_CACHE_HOME:-~/.cache}/s4/wheels: a second clone needs no network.
# A LIBTORCH or LIBTORCH_USE_PYTORCH of your own is only checked; nothing is fetched then.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
table=$root/scripts/libtorch-wheels.txt
dest=$root/libtorch
cache=${XDG_CACHE_HOME:-$HOME/.cache}/s4/wheels
host=${S4_WHEEL_HOST:-https://files.pythonhosted.org/packages}
version=$(awk '$2 == "torch" { print $3; exit }' "$table")

say() { echo "libtorch: $*" >&2; }
die() {
    say "$@"
    exit 1
}
has() { command -v "$1" >/dev/null 2>&1; }

platform() {
    case "$(uname -s) $(uname -m)" in
    "Linux x86_64") echo linux-x86_64 ;;
    "Darwin arm64") echo macos-arm64 ;;
    *) die "no ready-made libtorch for $(uname -sm). Install PyTorch $version yourself and" \
        "set LIBTORCH_USE_PYTORCH=1, or set LIBTORCH to a libtorch folder." ;;
    esac
}

# The rows to install. They double as the stamp of a finished install.
rows() {
    awk -v cpu="$1" -v cuda="${2:+$1-cuda}" '$1 == cpu || (cuda && $1 == cuda)' "$table"
}

# --- a libtorch of the user's own ---------------------------------------------------------------

check_own() {
    local found
    if [ -n "${LIBTORCH_USE_PYTORCH+set}" ]; then
        found=$("$(own_python)" -c 'import torch; print(torch.__version__)') ||
            die "LIBTORCH_USE_PYTORCH is set, but '$(own_python)' cannot import torch." \
                "Install torch==$version there or unset the variable."
    else
        found=$(sed -n 's/.*"\([0-9.]*\)".*/\1/p' \
            "${LIBTORCH_INCLUDE:-$LIBTORCH}/include/torch/headeronly/version.h" 2>/dev/null) ||
            die "LIBTORCH=$LIBTORCH is no libtorch $version (no include/torch/headeronly/version.h)." \
                "Unset it to have one installed here."
    fi
    [ "${found%%+*}" = "$version" ] || [ -n "${LIBTORCH_BYPASS_VERSION_CHECK+set}" ] ||
        die "yours is version $found, $version is needed. Unset LIBTORCH and" \
            "LIBTORCH_USE_PYTORCH to have it installed here."
    say "using yours, version $found"
}

# The one that torch-sys asks.
own_python() { if [ -n "${VIRTUAL_ENV:-}" ]; then echo python; else echo python3; fi; }

# --- wheels -------------------------------------------------------------------------------------

sha256() {
    if has sha256sum; then sha256sum "$1"; else shasum -a 256 "$1"; fi | cut -d ' ' -f 1
}

intact() { [ -f "$1" ] && [ "$(sha256 "$1")" = "$2" ]; }

run_pip() {
    if has python3 && python3 -m pip --version >/dev/null 2>&1; then
        python3 -m pip "$@"
    elif has pip3; then
        pip3 "$@"
    else
        return 1
    fi
}

# pip first: it knows the user's mirror, proxy and certificates.
fetch_by_pip() { # platform, package, version, sha256
    local tag tags=() status=0
    case $1 in
    linux-*) for tag in 2_28 2_27 2_25 2_18 2_17; do tags+=(--platform "manylinux_${tag}_x86_64"); done
        tags+=(--platform manylinux2014_x86_64) ;;
    macos-*) tags=(--platform macosx_11_0_arm64) ;;
    esac
    echo "$2==$3 --hash=sha256:$4" >"$work/requirement.txt"
    run_pip download --no-deps --require-hashes --only-binary=:all: --no-cache-dir \
        --disable-pip-version-check --python-version 3.12 --implementation cp "${tags[@]}" \
        --dest "$work" --requirement "$work/requirement.txt" >&2 || status=$?
    rm "$work/requirement.txt"
    return $status
}

# Without pip, the same file from PyPI's file host (or S4_WHEEL_HOST, a mirror of it), continued
# where an earlier attempt stopped. Tried with a local copy, not yet against the host itself.
fetch_by_url() { # url, file
    local part=$cache/$2.part
    if has curl; then
        # Where there is nothing to continue (the server refuses it), from the start.
        curl --fail --location --retry 3 --continue-at - --output "$part" "$1" || {
            [ $? = 22 ] && curl --fail --location --retry 3 --output "$part" "$1"
        }
    elif has wget; then
        wget --continue --output-document "$part" "$1"
    else
        return 1
    fi && mv "$part" "$work/$2"
}

fetch() { # row
    local file=${5##*/}
    intact "$cache/$file" "$4" && return
    say "fetching $2 $3"
    fetch_by_pip "$1" "$2" "$3" "$4" || fetch_by_url "$host/$5" "$file" ||
        die "cannot fetch $2 $3. Either install pip, curl or wget if none is here, or check the" \
            "network, then run this again; or put $file into $cache by hand."
    intact "$work/$file" "$4" || die "$file arrived damaged (its SHA-256 is not $4). Run this again."
    mv "$work/$file" "$cache/$file"
}

# --- installing ---------------------------------------------------------------------------------

unpack() { # wheel
    if has unzip; then
        unzip -q -o "$1" -d "$work/new"
    elif has python3; then
        python3 -m zipfile -e "$1" "$work/new"
    else
        die "neither unzip nor python3 is here to unpack wheels. Install one, then run this again."
    fi
}

# Leaves what programs are compiled and linked with. On the CPU no CUDA part of torch may stay:
# the linker would ask for all of CUDA.
prune() { # CUDA or nothing
    local torch=$work/new/torch
    find "$work/new" -mindepth 1 -maxdepth 1 ! -name torch ! -name nvidia -exec rm -rf {} +
    find "$torch" -mindepth 1 -maxdepth 1 ! -name lib ! -name include \
        ! -name version.py -exec rm -rf {} +
    rm -f "$torch"/lib/libtorch_python.* "$torch"/lib/libshm.*
    [ -n "$1" ] || rm -f "$torch"/lib/libtorch_cuda*.so "$torch"/lib/libtorch_nvshmem.so
}

# Everything happens in a folder aside and is then renamed: what is called libtorch/ is whole.
install() { # platform, CUDA or nothing
    local stamp
    stamp=$(rows "$1" "$2")
    mkdir -p "$cache" "$root/target"
    work=$(mktemp -d "$root/target/libtorch.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    trap 'exit 130' INT TERM
    # shellcheck disable=SC2086 # a row is its words
    while read -r row; do fetch $row </dev/null; done <<<"$stamp"
    say "unpacking"
    while read -r row; do unpack "$cache/${row##*/}"; done <<<"$stamp"
    prune "$2"
    echo "$stamp" >"$work/new/wheels.txt"
    sync
    [ ! -e "$dest" ] || mv "$dest" "$work/old"
    mv "$work/new" "$dest"
    say "libtorch $version is in ${dest#"$PWD"/}"
}

installed() { [ -f "$dest/wheels.txt" ] && [ "$(cat "$dest/wheels.txt")" = "$1" ]; }

main() {
    local cuda=${CUDA:-} here
    [ "$cuda" != 0 ] || cuda=
    if [ -n "${LIBTORCH_USE_PYTORCH+set}" ] || [ -n "${LIBTORCH:-}" ]; then
        check_own
        return
    fi
    here=$(platform)
    [ -z "$cuda" ] || rows "$here" cuda | grep -q -- -cuda || die "no CUDA on $here."
    # One with CUDA also serves where none is asked for.
    installed "$(rows "$here" cuda)" || { [ -z "$cuda" ] && installed "$(rows "$here" "")"; } ||
        install "$here" "$cuda"
}

main
