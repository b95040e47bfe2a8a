#!/usr/bin/env bash
# Installs wasmtime's command line, which `make bench` compares with, into a folder of its own: no package has it.
# Compiles for some minutes the first time and does nothing afterwards.
#   ISOBASE_WASMTIME   where it goes   [~/.cache/isobase-wasmtime]
set -euo pipefail
version=48.0.8
folder=${ISOBASE_WASMTIME:-${XDG_CACHE_HOME:-$HOME/.cache}/isobase-wasmtime}

if [ "$("$folder/bin/wasmtime" --version 2>/dev/null | cut -d' ' -f2)" = "$version" ]; then
    exit 0
fi
echo "[bench] compiling wasmtime $version (about six minutes on two cores, once) into $folder" >&2
mkdir -p "$folder"
# A target folder of its own: the workspace's profiles and toolchain variables are not meant for it.
CARGO_TARGET_DIR=$folder/target cargo install wasmtime-cli --version "$version" --locked --quiet --root "$folder" \
    --no-default-features \
    --features serve,run,compile,cranelift,pooling-allocator,parallel-compilation,component-model,component-model-async,cache \
    || { echo "[bench] error: wasmtime $version could not be compiled; the bench leaves it out" >&2; exit 1; }
rm -rf "$folder/target"
