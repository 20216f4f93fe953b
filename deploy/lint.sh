#!/usr/bin/env bash
# Judges the deployment files: compose, Kubernetes, Prometheus, Grafana, systemd. Nothing is started, and nothing is
# installed outside of target/lint. What is not there is left out and said; with CI=true that is an error.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly HOME_OF_TOOLS=target/lint
SKIPPED=()

fail() { printf 'deploy/lint.sh: %s\n' "$*" >&2; exit 1; }
missing() {
    if [[ "${CI:-}" == true || "${CI:-}" == 1 ]]; then fail "$1 is not there, and CI=true skips nothing. $2"; fi
    SKIPPED+=("$1 ($2)")
}
# Runs a check, and shows what it says only if it fails.
check() {
    local name=$1 said
    shift
    said=$("$@" 2>&1) || fail "$name"$'\n'"$said"
    printf 'good     %s\n' "$name"
}
# The other way round: a tool that finds nothing in what is broken is not looking.
refuses() {
    local name=$1
    shift
    if "$@" >/dev/null 2>&1; then fail "$name: what is broken was taken"; fi
}

# A virtual environment of its own, made again when the wanted versions change.
make_venv() {
    local wanted=deploy/lint-requirements.txt venv=$HOME_OF_TOOLS/venv
    if ! cmp -s "$wanted" "$venv/installed.txt"; then
        rm -rf "$venv"
        python3 -m venv "$venv" >/dev/null 2>&1 || return 1
        "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$wanted" || return 1
        cp "$wanted" "$venv/installed.txt"
    fi
}

# From the path, or unpacked from Debian's package: installing that would also start a server.
find_promtool() {
    PROMTOOL=$(type -P promtool || true)
    if [[ -n $PROMTOOL ]]; then return 0; fi
    PROMTOOL=$PWD/$HOME_OF_TOOLS/prometheus/usr/bin/promtool
    if [[ -x $PROMTOOL ]]; then return 0; fi
    command -v apt-get >/dev/null && command -v dpkg >/dev/null || return 1
    (
        cd "$HOME_OF_TOOLS"
        fetch() { apt-get download -qq -o APT::Sandbox::User="$(id -un)" prometheus >/dev/null 2>&1; }
        # A fresh machine has no package lists yet.
        fetch || { [[ $EUID -eq 0 ]] && apt-get update -qq && fetch; } || exit 1
        dpkg -x prometheus_*.deb prometheus
        rm -f prometheus_*.deb
    ) && [[ -x $PROMTOOL ]]
}

# Unknown keys are warnings to systemd, which also tells what it thinks of other units.
verify_unit() {
    local said
    said=$(systemd-analyze verify "$1" 2>&1) || { printf '%s\n' "$said"; return 1; }
    ! grep -F "${1##*/}" <<<"$said"
}

compose() { if docker compose version >/dev/null 2>&1; then docker compose "$@"; else docker-compose "$@"; fi; }

mkdir -p "$HOME_OF_TOOLS"

if docker compose version >/dev/null 2>&1 || docker-compose version >/dev/null 2>&1; then
    check "compose, as it is" compose config -q
    for profiles in single cluster obs "single obs" "cluster obs"; do
        # shellcheck disable=SC2086 # one word per profile
        check "compose, $profiles" compose $(printf -- '--profile %s ' $profiles) config -q
    done
    sed 's#image:#imagee:#' docker-compose.yml >"$HOME_OF_TOOLS/broken-compose.yml"
    refuses "compose" compose -f "$HOME_OF_TOOLS/broken-compose.yml" config -q
else
    missing "docker compose" "install the compose plugin, or Debian's docker-compose"
fi

if make_venv; then
    bin=$HOME_OF_TOOLS/venv/bin
    check "form of YAML" "$bin/yamllint" --strict -c deploy/.yamllint docker-compose.yml deploy
    check "manifests, dashboards, alerts, keys" "$bin/python" -B deploy/lint.py "$HOME_OF_TOOLS/dashboard-rules.yml"
    check "what is broken is refused" "$bin/python" -B deploy/lint_test.py
    check "list of what the binary is made of" "$bin/python" -B deploy/sbom_test.py
else
    missing "Python with venv and $(paste -sd' ' deploy/lint-requirements.txt)" "install python3-venv; needs PyPI"
fi

if find_promtool; then
    check "Prometheus's configuration and rules" "$PROMTOOL" check config deploy/prometheus/prometheus.yml
    check "alerts fire when they should" "$PROMTOOL" test rules deploy/prometheus/alerts.test.yml
    sed 's#sum by#sum sum by#' deploy/prometheus/alerts.yml >"$HOME_OF_TOOLS/broken-rules.yml"
    refuses "Prometheus's rules" "$PROMTOOL" check rules "$HOME_OF_TOOLS/broken-rules.yml"
    if [[ -f $HOME_OF_TOOLS/dashboard-rules.yml ]]; then
        check "queries of the dashboards" "$PROMTOOL" check rules "$HOME_OF_TOOLS/dashboard-rules.yml"
    fi
else
    missing "promtool" "install prometheus, or have apt-get with package lists"
fi

if command -v systemd-analyze >/dev/null; then
    # A program that exists stands in for the one that is not installed here.
    unit=$HOME_OF_TOOLS/dockside.service
    sed "s#/usr/local/bin/dockside#$(command -v true)#" deploy/systemd/dockside.service >"$unit"
    check "systemd unit" verify_unit "$unit"
    { cat "$unit" && printf '[Service]\nProtectSystm=strict\n'; } >"$HOME_OF_TOOLS/broken.service"
    refuses "systemd unit" verify_unit "$HOME_OF_TOOLS/broken.service"
    # Of 100: 0 is sealed, 100 is open.
    check "systemd unit's exposure" systemd-analyze security --offline=true --threshold=20 "$unit"
else
    missing "systemd-analyze" "install systemd"
fi

if ((${#SKIPPED[@]})); then printf 'skipped  %s\n' "${SKIPPED[@]}"; fi
