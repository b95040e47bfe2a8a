#!/usr/bin/env bash
# Installs what a build or a test run needs and is not there yet. Safe to run again.
#   ./setup.sh run    what `make run` needs: a C compiler and libclang, Postgres 15 or newer, the WASM target, the V8 archive
#   ./setup.sh test   the above and Node.js with the clients that the end-to-end tests drive
#   ./setup.sh bench  the above and the peers that `make bench` compares with
set -euo pipefail
cd "$(dirname "$0")"
want=${1:-run}

say() { printf '\033[2m[setup]\033[0m %s\n' "$*" >&2; }
fail() { printf '[setup] error: %s\n' "$*" >&2; exit 1; }
has() { command -v "$1" >/dev/null 2>&1; }

# Debian's packages, all missing ones in one go.
apt_missing=()
need_package() { # command-or-file package…
    local probe=$1; shift
    has "$probe" || [ -e "$probe" ] || apt_missing+=("$@")
}
postgres_found() {
    has postgres || ls /usr/lib/postgresql/1[5-9]/bin/postgres /usr/lib/postgresql/[2-9][0-9]/bin/postgres >/dev/null 2>&1 \
        || { has pg_config && [ -x "$(pg_config --bindir)/postgres" ]; }
}

# A build script reads C headers with it; the library of C++ tools beside it is another one.
libclang_found() {
    local where=(/usr/lib /usr/local/lib)
    [ -n "${LIBCLANG_PATH:-}" ] \
        || [ -n "$(find "${where[@]}" \( -name 'libclang.so*' -o -name 'libclang-[0-9]*.so*' \) -print -quit 2>/dev/null)" ]
}

has cargo || fail "cargo was not found. Install Rust with rustup, open a new shell, and run this again."
need_package cc build-essential
need_package curl curl
postgres_found || apt_missing+=(postgresql)
libclang_found || apt_missing+=(libclang-dev)
if [ "$want" != run ]; then
    need_package node nodejs npm
    need_package git git
fi
if [ "$want" = bench ]; then
    need_package wrk wrk
    need_package pgbench postgresql-contrib
fi
if [ ${#apt_missing[@]} -gt 0 ]; then
    has apt-get || fail "these are missing and only Debian's apt-get is known here: ${apt_missing[*]}. Install them and run this again."
    sudo=; [ "$(id -u)" = 0 ] || { has sudo || fail "run as root, or install: ${apt_missing[*]}"; sudo=sudo; }
    say "installing ${apt_missing[*]}"
    $sudo apt-get update -qq
    # Debian's postgresql package would start a server of its own; we only want its programs.
    [ -e /etc/postgresql-common/createcluster.conf ] || {
        $sudo mkdir -p /etc/postgresql-common
        echo 'create_main_cluster = false' | $sudo tee /etc/postgresql-common/createcluster.conf >/dev/null
    }
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${apt_missing[@]}" >&2
fi

if has rustup; then
    # The toolchain file names the version and the targets; asking for the version makes rustup fetch both.
    rustup target list --installed 2>/dev/null | grep -qx wasm32-wasip2 || { say "adding the wasm32-wasip2 target"; rustup target add wasm32-wasip2; }
elif ! ls "$(rustc --print sysroot)/lib/rustlib/wasm32-wasip2" >/dev/null 2>&1; then
    fail "the wasm32-wasip2 target is missing and rustup is not here to add it. Install Rust with rustup."
fi

bash runtime/v8/archive/find.sh

# npm leaves its own copy of the lock file beside what it installed from it.
if [ "$want" != run ] && [ tests/clients/package-lock.json -nt tests/clients/node_modules/.package-lock.json ]; then
    say "installing the JavaScript clients of the end-to-end tests"
    npm --prefix tests/clients ci --no-audit --no-fund --loglevel=error >&2
fi
if [ "$want" = bench ]; then
    if [ ! -d tests/bench/peers/node_modules/@supabase/lite ]; then
        say "installing the peers to compare with (deno, workerd, @supabase/lite)"
        npm --prefix tests/bench/peers ci --no-audit --no-fund --loglevel=error >&2
    fi
    bash tests/bench/wasmtime.sh || say "going on without wasmtime"
fi
say "ready"
