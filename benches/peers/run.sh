#!/usr/bin/env bash
# The same scans through dockside and through other programs, on one throwaway broker, each in its turn: a table of how
# fast they were, and whether they came to the same.
#
#   benches/peers/run.sh [--scans N] [--boxes N] [--seed S] [--partitions P] [--workers W] [--only NAME,NAME...]
#                        [--figures FILE]
#
# The names are count, dockside, obvious, streams-memory and streams-rocksdb, and two that do less: station and streams-station,
# the latter behind streams-memory, whose registrations it takes. Into FILE go name, wall seconds, CPU seconds and
# peak MiB of each, separated by tabs. Wants cargo, Java 17 and Maven, and about
# 5 GB of memory. README.md beside it says what each program does.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)

# shellcheck source=common.sh
source "$here/common.sh"
scans=500000 boxes=35000 seed=1 partitions=8 workers=$(nproc)
only=count,dockside,obvious,streams-memory,streams-rocksdb figures=
set_arguments scans boxes seed partitions workers only figures -- "$@"
wants() { [[ ,$only, == *,$1,* ]]; }

# 1. The programs.
build --bin dockside --example peer-count --example peer-obvious --example peer-station --example peer-referee
if [[ $only == *streams* ]]; then build_streams; fi

# 2. A broker that ends with this script, however it ends: its stdin closes.
dir=$(mktemp -d)
broker=
cleanup() {
    exec 7>&- || true
    if [[ -n $broker ]]; then wait "$broker" 2>/dev/null || true; fi
    rm -rf "$dir"
}
trap cleanup EXIT
trap 'exit 1' HUP INT TERM
mkfifo "$dir/stdin"
DOCKSIDE_BROKER_JAVA="-Xms1g -Xmx1g -XX:+UseG1GC" "$root/tests/kafka/broker.sh" run <"$dir/stdin" >"$dir/port" &
broker=$!
exec 7>"$dir/stdin"
say "starting a broker"
until [[ -s $dir/port ]]; do
    kill -0 "$broker" 2>/dev/null || { echo "the broker did not start" >&2; exit 1; }
    sleep 0.1
done
bootstrap=127.0.0.1:$(cat "$dir/port")

# 3. The inputs, once for all.
cat >"$dir/dockside.toml" <<TOML
[kafka]
bootstrap_servers = "$bootstrap"
topic_prefix = "peers."
group_id = "peers.dockside"
instance = "peers"
replication = 1

[engine]
partitions = $partitions
workers = $workers
# Time is the world's: the ticks are among the commands.
clock = "input"

# The world's days may be long ago.
[retention]
scans_days = 0
commands_days = 0
hops_days = 0
command_results_days = 0
dead_letters_days = 0

[http]
listen = ""
TOML
say "generating $scans scans of about $boxes boxes"
"$built/dockside" topics apply -c "$dir/dockside.toml" >/dev/null
"$built/dockside" generate -c "$dir/dockside.toml" --scans "$scans" --plain "$boxes" --seed "$seed" >&2

# 4. One program after the other.
# measure NAME REFEREE-ARGUMENT... -- COMMAND...
measure() {
    local name=$1
    shift
    say "running $name"
    referee watch --name "$name" "$@" 2>"$dir/$name.log" >>"$dir/figures" || { tail -n 40 "$dir/$name.log" >&2; exit 1; }
}
# came_to NAME REFEREE-ARGUMENT...
came_to() {
    local name=$1
    shift
    printf '%s\t%s\n' "$name" "$(referee transitions --list "$dir/$name.list" "$@")" >>"$dir/transitions"
}

: >"$dir/figures"
: >"$dir/transitions"
if wants count; then
    measure count -- "$built/examples/peer-count" --bootstrap "$bootstrap" --inputs peers.
    grep -qx "$scans" "$dir/count.log" || { echo "it counted $(cat "$dir/count.log") scans" >&2; exit 1; }
fi
if wants dockside; then
    measure dockside --group peers.dockside --topics peers.commands,peers.scans,peers.hops \
        --outputs peers.shipments,peers.receiving-plan,peers.arrivals,peers.problems,peers.accounts \
        --ticks peers.commands -- \
        "$built/dockside" run -c "$dir/dockside.toml"
    came_to dockside --shipments peers.shipments
fi
if wants obvious; then
    for name in box-events receiving-plan; do topic "peers.obvious.$name"; done
    measure obvious -- "$built/examples/peer-obvious" --bootstrap "$bootstrap" --inputs peers. \
        --outputs peers.obvious. --workers "$workers"
    came_to obvious --box-events peers.obvious.box-events
fi
for store in memory rocksdb; do
    name=streams-$store
    wants "$name" || continue
    for output in registrations box-events receiving-plan; do topic "peers.$name.$output"; done
    measure "$name" --group "peers.$name." \
        --topics "peers.commands,peers.scans,peers.$name.registrations,peers.$name.box-events" \
        --outputs "peers.$name.receiving-plan" -- \
        "${STREAMS[@]}" "$bootstrap" peers. "peers.$name." "$workers" "$store" "$dir/stores"
    came_to "$name" --box-events "peers.$name.box-events"
done

if wants station; then
    # The same world once more: its hops and its state are its own.
    sed -e 's/"peers\."/"station."/' -e 's/"peers\.dockside"/"station"/' "$dir/dockside.toml" >"$dir/station.toml"
    "$built/dockside" topics apply -c "$dir/station.toml" >/dev/null
    "$built/dockside" generate -c "$dir/station.toml" --scans "$scans" --plain "$boxes" --seed "$seed" >&2
    measure station --group station --topics station.commands,station.scans --outputs station.hops,station.state -- \
        "$built/examples/peer-station" --bootstrap "$bootstrap" --prefix station. --workers "$workers"
    came_to station --hops station.hops --commands station.commands
fi
if wants streams-station; then
    wants streams-memory || { echo "streams-station wants streams-memory before it" >&2; exit 2; }
    topic peers.streams-station.box-events
    measure streams-station --group peers.streams-station. \
        --topics peers.scans,peers.streams-memory.registrations --outputs peers.streams-station.box-events -- \
        "${STREAMS[@]}" "$bootstrap" peers. peers.streams-station. "$workers" memory "$dir/stores" \
        station peers.streams-memory.registrations
    came_to streams-station --box-events peers.streams-station.box-events
fi

# 5. The table, and the verdict.
awk -F '\t' -v scans="$scans" '
    NR == FNR { told[$1] = $2; different[$1] = $3; digest[$1] = $4; next }
    FNR == 1 {
        row = "%-16s %8s %10s %8s %12s %9s %12s %10s  %s\n"
        printf row, "program", "wall s", "scans/s", "CPU s", "scans/CPU-s", "peak MiB", "transitions", "different", "digest"
    }
    {
        rate = sprintf("%.0f", scans / $2); per_cpu = sprintf("%.0f", scans / $3)
        printf row, $1, $2, rate, $3, per_cpu, $4, told[$1], different[$1], digest[$1]
    }' "$dir/transitions" "$dir/figures"
first=
while IFS=$'\t' read -r name told different _; do
    if ((told != different)); then
        echo "$name told transitions more than once" >&2
        exit 1
    fi
    first=${first:-$name}
    if ! diff -q "$dir/$first.list" "$dir/$name.list" >/dev/null; then
        echo "$first (<) and $name (>) came to something else:" >&2
        { diff "$dir/$first.list" "$dir/$name.list" || true; } | sed -n '1,20p' >&2
        exit 1
    fi
done <"$dir/transitions"
say "all came to the same box transitions"
if [[ -n $figures ]]; then cp "$dir/figures" "$figures"; fi
