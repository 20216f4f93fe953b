#!/usr/bin/env bash
# The test command: installs what is missing, then checks and tests everything. Works from a fresh Debian 12 machine
# with Rust, as root or with sudo. With CI=true nothing is skipped for want of a component: it fails and says which.
set -euo pipefail
cd "$(dirname "$0")"

readonly BOLD=$'\e[1m' PLAIN=$'\e[0m'
DONE=()
SKIPPED=()

say() { if [[ -t 1 && -z "${NO_COLOR:-}" ]]; then printf '%s== %s%s\n' "$BOLD" "$*" "$PLAIN"; else printf '== %s\n' "$*"; fi; }
fail() { printf 'test.sh: %s\n' "$*" >&2; exit 1; }
in_ci() { [[ "${CI:-}" == true || "${CI:-}" == 1 ]]; }

# What is not there is skipped on a developer's machine, and an error in CI.
missing() {
    in_ci && fail "$1 is not there, and CI=true skips nothing. $2"
    SKIPPED+=("$1 ($2)")
}

step() {
    local name=$1
    shift
    say "$name"
    "$@" || fail "$name failed: $*"
    DONE+=("$name")
}

as_root() {
    if [[ $EUID -eq 0 ]]; then "$@"; elif command -v sudo >/dev/null; then sudo "$@"; else return 1; fi
}

# install PROBE PACKAGE…: installs the packages unless the probe succeeds.
APT_UPDATED=no
install() {
    local probe=$1
    shift
    if eval "$probe" >/dev/null 2>&1; then return 0; fi
    command -v apt-get >/dev/null || return 1
    say "installing $*"
    if [[ $APT_UPDATED == no ]]; then
        as_root apt-get update -qq || true
        APT_UPDATED=yes
    fi
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null || return 1
    eval "$probe" >/dev/null 2>&1
}

# 1. Tools. The C compiler, make and perl build the Kafka client and its TLS library from their vendored sources.
command -v cargo >/dev/null || { [[ -f "$HOME/.cargo/env" ]] && . "$HOME/.cargo/env"; }
command -v cargo >/dev/null || fail "cargo is not there: install Rust with rustup, then run this again"
install 'command -v cc && command -v c++ && command -v make' build-essential || fail "a C compiler and make are needed: install build-essential"
install 'command -v pkg-config' pkg-config || fail "pkg-config is needed"
install 'perl -MIPC::Cmd -MFindBin -MFile::Compare -e 1' perl || fail "perl is needed to build the vendored TLS library"
cargo fmt --version >/dev/null 2>&1 || rustup component add rustfmt || fail "rustfmt is needed: rustup component add rustfmt"
cargo clippy --version >/dev/null 2>&1 || rustup component add clippy || fail "clippy is needed: rustup component add clippy"

# 2. A real broker, from its Maven jars on Java 17, with throwaway certificates.
install 'command -v openssl' openssl || missing openssl "install openssl"
if [[ -x tests/kafka/fetch.sh ]]; then
    if install 'java -version' openjdk-17-jdk-headless && install 'mvn --version' maven; then
        if in_ci; then
            step "broker jars" tests/kafka/fetch.sh
        elif tests/kafka/fetch.sh; then
            DONE+=("broker jars")
        else
            missing "the broker's jars" "tests/kafka/fetch.sh could not fetch them"
        fi
    else
        missing "Java 17 and Maven" "install openjdk-17-jdk-headless and maven"
    fi
fi

# What the image's root is put together with: a list of what the binary is made of, and authorities' certificates.
install 'command -v python3' python3 || missing python3 "install python3"
install '[[ -f /etc/ssl/certs/ca-certificates.crt ]]' ca-certificates || missing "authorities' certificates" "install ca-certificates"

# 3. The code: form, the border of the core, lints, and then everything that can be run.
step "format" cargo fmt --check
step "core purity" cargo check --locked --lib --no-default-features
step "lints" cargo clippy --locked --all-targets -- -D warnings
step "tests" cargo test --locked

# 4. What stands beside the code.
# lint.sh says what of this is not there; with CI=true it then fails.
docker compose version >/dev/null 2>&1 || install 'docker-compose version' docker-compose || true
install 'command -v systemd-analyze' systemd || true
install 'python3 -c "import venv, ensurepip"' python3 python3-venv || true
step "deployment files" deploy/lint.sh
if cargo deny --version >/dev/null 2>&1; then
    step "licences and advisories" cargo deny check
else
    # Not for want of a component of the product: building it takes longer than all tests together.
    SKIPPED+=("licences and advisories (cargo install --locked cargo-deny)")
fi
if cargo vet --version >/dev/null 2>&1; then
    # Nothing is fetched: what others vouch for is in the repository too.
    step "crates that are known" cargo vet --locked --frozen
else
    SKIPPED+=("crates that are known (cargo install --locked cargo-vet)")
fi

if cargo +nightly miri --version >/dev/null 2>&1; then
    # Small sizes: the tests know that they run there.
    step "unsafe code under Miri" env MIRIFLAGS=-Zmiri-disable-isolation cargo +nightly miri test --locked --no-default-features --lib -- index:: decode::lanes
else
    SKIPPED+=("unsafe code under Miri (rustup +nightly component add miri)")
fi

say "summary"
printf 'passed   %s\n' "${DONE[@]}"
if ((${#SKIPPED[@]})); then printf 'skipped  %s\n' "${SKIPPED[@]}"; fi
printf 'all is well\n'
