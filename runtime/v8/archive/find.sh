#!/usr/bin/env bash
# Puts the prebuilt V8 library where the v8 crate's build script looks first: cargo's home. After this, plain
# `cargo build` works without any variable. Tried in this order: already there; ../shared/v8 beside the checkout;
# the v8 project's release page, which is also what the crate itself would ask. If all fail, `make v8` builds it.
set -euo pipefail
root=$(cd "$(dirname "$0")/../../.." && pwd)
version=$(awk '/^name = "v8"$/ { getline; gsub(/[^0-9.]/, ""); print; exit }' "$root/Cargo.lock")
[ -n "$version" ] || { echo "[v8] error: Cargo.lock names no v8 crate; run cargo generate-lockfile" >&2; exit 1; }
[ -z "${RUSTY_V8_ARCHIVE:-}" ] || { [ -e "$RUSTY_V8_ARCHIVE" ] && exit 0; echo "[v8] RUSTY_V8_ARCHIVE names a missing file: $RUSTY_V8_ARCHIVE" >&2; exit 1; }

target=$(rustc -vV | sed -n 's/^host: //p')
file=librusty_v8_simdutf_release_$target.a.gz
url=https://github.com/denoland/rusty_v8/releases/download/v$version/$file
home=${CARGO_HOME:-$HOME/.cargo}/.rusty_v8
# The crate names its cache entry after the URL, every other character an underscore.
entry=$home/$(printf %s "$url" | sed 's/[^A-Za-z0-9]/_/g')
tried=()

whole() { gzip -t "$1" 2>/dev/null; }

if [ -e "$entry" ]; then
    whole "$entry" && exit 0
    rm -f "$entry"; tried+=("cargo's home had a broken archive, now removed: $entry")
else
    tried+=("cargo's home: nothing at $entry")
fi
mkdir -p "$home"

shared=$root/../shared/v8
if [ -e "$shared/$file" ]; then
    if [ -e "$shared/SHA256SUMS" ] && ! (cd "$shared" && sha256sum --quiet --check --ignore-missing SHA256SUMS >&2); then
        tried+=("$shared/$file: its checksum does not match SHA256SUMS")
    else
        cp "$shared/$file" "$entry.tmp" && chmod 644 "$entry.tmp" && mv "$entry.tmp" "$entry"
        echo "[v8] archive taken from $shared" >&2
        exit 0
    fi
else
    tried+=("beside the checkout: no $shared/$file")
fi

echo "[v8] downloading the prebuilt library (30 MB)" >&2
if curl --fail --location --connect-timeout 15 --progress-bar --output "$entry.tmp" "$url" && whole "$entry.tmp"; then
    mv "$entry.tmp" "$entry"
    exit 0
fi
rm -f "$entry.tmp"
tried+=("download: $url could not be fetched")

{
    echo "[v8] error: no prebuilt V8 library for v8 $version on $target. Tried:"
    printf '[v8]   - %s\n' "${tried[@]}"
    echo "[v8] Either set RUSTY_V8_ARCHIVE to an archive you have, or run \`make v8\`, which builds it from the crate's"
    echo "[v8] own source with Debian's packages: about an hour on two cores."
} >&2
exit 1
