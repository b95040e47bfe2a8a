#!/usr/bin/env bash
# Builds the V8 library from the v8 crate's own source with Debian's packages, and puts it where cargo looks.
# Asks nothing; a run that was interrupted goes on where it was.
#
#   ISOBASE_V8_BUILD        work folder (3 GB)              [~/.cache/isobase-v8]
#   ISOBASE_V8_DESTINATION  where the archive goes          [$CARGO_HOME/.rusty_v8]
#   ISOBASE_V8_JOBS         compilers at once               [one per core, as far as memory goes]
#
# Steps: packages → sources (cargo) → GN (gn.sh) → compiler wrapper (compiler.sh) → gn gen (args.gn) → V8's generated
# sources → precompiled headers (precompile.py) → the library → archive. Each has its log in the work folder.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../../.." && pwd)

# The clang that Debian 12 and later have. V8 asks for a newer one; compiler.sh bridges the difference.
export ISOBASE_CLANG_VERSION=19
# The crate with ICU's data for the ICU in V8's source: its minor version is ICU's version.
icudata=0.77.0
packages=(clang-19 lld-19 libclang-rt-19-dev ninja-build patchelf python3 binutils)
memory_per_job=1500 # MB: a compiler with a precompiled header in memory.
disk_needed=4000    # MB

say() { printf '[v8] %s\n' "$*" >&2; }
fail() { printf '[v8] error: %s\n' "$*" >&2; exit 1; }

version=$(awk '/^name = "v8"$/ { getline; gsub(/[^0-9.]/, ""); print; exit }' "$root/Cargo.lock")
[ -n "$version" ] || fail "Cargo.lock names no v8 crate; run cargo generate-lockfile"
[ "$(uname -sm)" = "Linux x86_64" ] || fail "this recipe is known to work on x86_64 Linux only, and this is $(uname -sm). \
Set RUSTY_V8_ARCHIVE to an archive you have, or V8_FROM_SOURCE=1 to let the v8 crate build with its own tools."
target=x86_64-unknown-linux-gnu
work=${ISOBASE_V8_BUILD:-$HOME/.cache/isobase-v8}/$version
destination=${ISOBASE_V8_DESTINATION:-${CARGO_HOME:-$HOME/.cargo}/.rusty_v8}
# The crate names its cache entry after the address of the release, every other character an underscore.
entry=https___github_com_denoland_rusty_v8_releases_download_v${version//./_}_librusty_v8_simdutf_release_${target//-/_}_a_gz
source=$work/source out=$work/out logs=$work/logs
mkdir -p "$logs" "$out"

exec 9>"$work/lock"
flock --nonblock 9 || fail "another build works in $work; wait for it, or set ISOBASE_V8_BUILD to another folder"

# step NAME COMMAND…: runs quietly; on failure says which step, the end of its log, and where the log is.
step() {
    local name=$1; shift
    "$@" >"$logs/$name.log" 2>&1 || failed "$name"
}
failed() {
    tail -n 15 "$logs/$1.log" | cut -c 1-240 | sed 's/^/[v8]   /' >&2
    ! grep -qi 'killed' "$logs/$1.log" || say "a program was killed, often for lack of memory; ISOBASE_V8_JOBS=1 needs the least"
    fail "the step '$1' failed; its log: $logs/$1.log. Run make v8 again to go on from here."
}

# Ninja's step counter: one line that moves at a terminal, else one line per two percent.
counter() {
    local line text percent next=0 tty=
    [ ! -t 2 ] || tty=1
    while IFS= read -r line; do
        [[ $line =~ ^\[([0-9]+)/([0-9]+)\ ([0-9]+) ]] || continue
        percent=$((100 * BASH_REMATCH[1] / BASH_REMATCH[2]))
        text="[v8]   ${BASH_REMATCH[1]} of ${BASH_REMATCH[2]} steps ($percent %), $((BASH_REMATCH[3] / 60)) min"
        if [ -n "$tty" ]; then
            printf '\r\033[K%s' "$text" >&2
        elif [ "$percent" -ge "$next" ]; then
            printf '%s\n' "$text" >&2
            next=$((percent + 2))
        fi
    done
    [ -z "$tty" ] || printf '\r\033[K' >&2
}
run_ninja() {
    local name=$1; shift
    (cd "$out" && NINJA_STATUS='[%f/%t %es] ' ninja -j "$jobs" "$@" 2>&1) | tee "$logs/$name.log" | counter || failed "$name"
}

install_packages() {
    local missing=() package sudo=
    for package in "${packages[@]}"; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    command -v apt-get >/dev/null || fail "only Debian's packages are known here; install: ${missing[*]}"
    [ "$(id -u)" = 0 ] || { command -v sudo >/dev/null || fail "run as root, or install: ${missing[*]}"; sudo=sudo; }
    say "installing ${missing[*]}"
    step apt-update $sudo apt-get update
    step apt-install $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}"
}

# The crate carries V8; ICU's data comes from a crate of its own. Cargo fetches and checks both.
lay_out_source() {
    [ ! -e "$source/BUILD.gn" ] || return 0
    say "laying out the source of V8 from the v8 crate $version"
    mkdir -p "$work/fetch/src"
    : >"$work/fetch/src/lib.rs"
    printf '[package]\nname = "fetch"\nversion = "0.0.0"\nedition = "2024"\n[workspace]\n[dependencies]\nv8 = "=%s"\ndeno_core_icudata = "=%s"\n' \
        "$version" "$icudata" >"$work/fetch/Cargo.toml"
    step fetch cargo fetch --manifest-path "$work/fetch/Cargo.toml"
    step metadata cargo metadata --offline --format-version 1 --manifest-path "$work/fetch/Cargo.toml"
    local crate data
    crate=$(crate_folder v8) data=$(crate_folder deno_core_icudata)
    rm -rf "$source.new"
    step copy cp -r "$crate" "$source.new"
    mkdir -p "$source.new/third_party/icu/common"
    step copy-icu cp "$data/src/icudtl.dat" "$source.new/third_party/icu/common/icudtl.dat"
    mv "$source.new" "$source"
}
crate_folder() {
    grep -o '"manifest_path":"[^"]*/'"$1"'-[0-9][^"/]*/Cargo.toml"' "$logs/metadata.log" | head -n 1 | sed 's/.*:"//; s|/Cargo.toml"||'
}

# A folder that looks like the clang which V8's build would download.
lay_out_compiler() {
    local clang=$work/clang runtime
    runtime=/usr/lib/llvm-$ISOBASE_CLANG_VERSION/lib/clang/$ISOBASE_CLANG_VERSION/lib/linux/libclang_rt.builtins-x86_64.a
    [ -e "$runtime" ] || fail "libclang-rt-$ISOBASE_CLANG_VERSION-dev brought no $runtime"
    mkdir -p "$clang/bin" "$clang/lib/clang/$ISOBASE_CLANG_VERSION/lib/$target"
    ln -sfn "$runtime" "$clang/lib/clang/$ISOBASE_CLANG_VERSION/lib/$target/libclang_rt.builtins.a"
    ln -sfn "$here/compiler.sh" "$clang/bin/clang"
    ln -sfn "$here/compiler.sh" "$clang/bin/clang++"
    ln -sfn "$(command -v ar)" "$clang/bin/llvm-ar"
    ln -sfn "$(command -v nm)" "$clang/bin/llvm-nm"
    sed -e "s|@CLANG@|$clang|; s|@VERSION@|$ISOBASE_CLANG_VERSION|" "$here/args.gn" >"$work/args.gn"
}

configure() {
    # Only when something changed: a new build.ninja makes ninja look at every step again.
    cmp -s "$work/args.gn" "$out/args.gn" && [ -e "$out/build.ninja" ] && return 0
    say "configuring"
    cp "$work/args.gn" "$out/args.gn"
    step gn-gen "$gn" --root="$source" --script-executable="$(command -v python3)" gen "$out"
}

precompile() {
    local group groups=()
    [ ! -e "$out/precompiled/done" ] || return 0
    for group in torque_generated_initializers v8_initializers v8_compiler v8_base_without_compiler; do
        # What ninja makes before the first file of the group.
        groups+=("phony/v8/$group.inputdeps")
    done
    say "building V8's code generators and what they write"
    run_ninja generated-sources "${groups[@]}"
    say "precompiling the headers that most of V8's files share"
    (cd "$out" && python3 "$here/precompile.py") 2>&1 | tee "$logs/precompile.log" >&2 || failed precompile
}

pack() {
    local archive=$out/obj/librusty_v8.a
    [ -s "$archive" ] || fail "ninja ended well and left no $archive"
    say "packing"
    mkdir -p "$destination"
    step pack sh -c 'gzip -9 -c "$1" >"$2.tmp" && mv "$2.tmp" "$2"' pack "$archive" "$destination/$entry"
    say "done: $destination/$entry. cargo build finds it there. $work can be deleted."
}

memory=$(awk '/^MemAvailable/ { print int($2 / 1024) }' /proc/meminfo)
jobs=${ISOBASE_V8_JOBS:-$(nproc)}
most=$((memory / memory_per_job)); [ "$most" -ge 1 ] || most=1
[ "$jobs" -le "$most" ] || { say "memory for $most compilers at once, not $jobs"; jobs=$most; }
disk=$(df -Pm "$work" | awk 'NR == 2 { print $4 }')
[ "$disk" -ge "$disk_needed" ] || [ -e "$out/build.ninja" ] || fail "$work has $disk MB free and $disk_needed are needed; set ISOBASE_V8_BUILD to another folder"
say "V8 for the v8 crate $version: about $((130 / jobs)) minutes with $jobs of $(nproc) cores, less what an earlier run has done. Work folder: $work"

install_packages
lay_out_source
gn=$work/gn/usr/bin/gn
[ -x "$gn" ] || { say "fetching GN"; step gn bash "$here/gn.sh" "$work/gn"; }
lay_out_compiler
configure
precompile
say "compiling V8"
run_ninja rusty_v8 rusty_v8
pack
