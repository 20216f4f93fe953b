#!/usr/bin/env bash
# A real broker on loopback, for tests: one node, free ports, everything in a directory of its own.
#
#   broker.sh run          runs until its stdin closes; prints the port once it listens. The tests use this: the broker
#                          ends with the process that holds the other end of the pipe, however that process ends.
#   broker.sh start [DIR]  the same in the background; prints the port. DIR keeps its pid and log.
#   broker.sh stop [DIR]   ends that broker, and nothing else.
#   broker.sh nodes DIR [FORMAT ARGUMENT...]
#                          formats and runs a node for each NUMBER.properties in DIR, and says "ready" once all listen.
#                          Then takes orders, one a line, and says "done" after each: "kill N" (-9), "pause N", "resume
#                          N", "start N". When its stdin closes it ends the nodes and removes DIR. If there is a
#                          DIR/certificates, certificates.sh fills it first.
#
# DIR is tests/kafka/target/broker by default.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

free_port() {
    local port
    while :; do
        port=$((20000 + RANDOM % 12000))
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return; }
    done
}

# broker PROPERTIES LOG: a broker in the background; its process id is in $!. It is small and starts quickly; who measures
# something sets DOCKSIDE_BROKER_JAVA instead.
broker() {
    local java=${DOCKSIDE_BROKER_JAVA:--Xms64m -Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1}
    # shellcheck disable=SC2086
    java $java -Dorg.slf4j.simpleLogger.defaultLogLevel=warn \
        -cp "$libs/*" kafka.Kafka "$1" >>"$2" 2>&1 </dev/null &
}

# format PROPERTIES LOG [ARGUMENT...]
format() {
    local properties=$1 log=$2
    shift 2
    # Any cluster id will do: nobody else knows this one.
    java -XX:TieredStopAtLevel=1 -cp "$libs/*" kafka.tools.StorageTool format -t 4L6g3nShT-eMCtK--X86sw -c "$properties" "$@" >"$log" 2>&1 ||
        { cat "$log" >&2; exit 1; }
}

# listens PORT PID LOG: waits for it. Nobody gives orders meanwhile, so that a readable stdin is a closed one.
listens() {
    until (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; do
        kill -0 "$2" 2>/dev/null || { cat "$3" >&2; exit 1; }
        ! read -r -t 0 || exit 1
        sleep 0.1
    done
}

run() {
    local port controller
    # Not local: the trap outlives this function.
    dir=$(mktemp -d)
    pid=
    trap 'if [ -n "$pid" ]; then kill -KILL "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; fi; rm -rf "$dir"' EXIT
    trap 'exit 1' HUP INT PIPE TERM
    port=$(free_port)
    controller=$(free_port)
    sed -e "s#@PORT@#$port#g" -e "s#@CONTROLLER@#$controller#g" -e "s#@DIR@#$dir/data#g" \
        "$here/server.properties" >"$dir/server.properties"
    format "$dir/server.properties" "$dir/broker.log"
    broker "$dir/server.properties" "$dir/broker.log"
    pid=$!
    listens "$port" "$pid" "$dir/broker.log"
    echo "$port"
    exec >/dev/null
    cat >/dev/null
}

start_node() {
    broker "$dir/$1.properties" "$dir/$1.log"
    pids[$1]=$!
}

# The last line of a property counts.
node_listens() {
    local port
    port=$(sed -n 's#^listeners=PLAINTEXT://127.0.0.1:\([0-9]*\).*#\1#p' "$dir/$1.properties" | tail -n 1)
    listens "$port" "${pids[$1]}" "$dir/$1.log"
}

end_nodes() {
    kill -KILL "${pids[@]}" 2>/dev/null || true
    wait 2>/dev/null || true
    rm -rf "$dir"
}

nodes() {
    local order node job jobs=()
    # Not local: the trap outlives this function.
    dir=$1
    pids=()
    shift
    trap end_nodes EXIT
    trap 'exit 1' HUP INT PIPE TERM
    libs=$("$here/fetch.sh")
    if [ -d "$dir/certificates" ]; then "$here/certificates.sh" "$dir/certificates" >/dev/null; fi
    local all=("$dir"/*.properties)
    all=("${all[@]##*/}")
    all=("${all[@]%.properties}")
    for node in "${all[@]}"; do
        format "$dir/$node.properties" "$dir/$node.log" "$@" &
        jobs+=($!)
    done
    for job in "${jobs[@]}"; do wait "$job"; done
    for node in "${all[@]}"; do start_node "$node"; done
    for node in "${all[@]}"; do node_listens "$node"; done
    echo ready
    while read -r order node; do
        case $order in
        kill)
            kill -KILL "${pids[$node]}"
            wait "${pids[$node]}" 2>/dev/null || true
            ;;
        pause)
            kill -STOP "${pids[$node]}"
            # The signal is sent; the node is paused when each of its threads has got it.
            while [[ -n $(grep -h ^State: /proc/"${pids[$node]}"/task/*/status 2>/dev/null | grep -v 'T (stopped)') ]]; do
                sleep 0.01
            done
            ;;
        resume) kill -CONT "${pids[$node]}" ;;
        start)
            start_node "$node"
            node_listens "$node"
            ;;
        *)
            echo "no such order: $order" >&2
            exit 2
            ;;
        esac
        echo done
    done
}

libs=
state=${2:-$here/target/broker}
case ${1:-} in
run)
    libs=$("$here/fetch.sh")
    run
    ;;
nodes)
    shift
    nodes "$@"
    ;;
start)
    mkdir -p "$state"
    if [ -e "$state/pid" ] && kill -0 "$(cat "$state/pid")" 2>/dev/null; then
        echo "a broker of $state runs already: $0 stop" >&2
        exit 1
    fi
    : >"$state/port"
    # Its stdin stays open as long as it runs.
    setsid bash -c 'exec "$0" run < <(exec sleep infinity)' "${BASH_SOURCE[0]}" >"$state/port" 2>"$state/log" &
    echo $! >"$state/pid"
    until [ -s "$state/port" ]; do
        kill -0 "$(cat "$state/pid")" 2>/dev/null || { cat "$state/log" >&2; exit 1; }
        sleep 0.1
    done
    cat "$state/port"
    ;;
stop)
    pid=$(cat "$state/pid")
    # A whole session of its own: the shell, the broker, and what holds the stdin.
    kill -TERM -- "-$pid" 2>/dev/null || true
    while kill -0 "$pid" 2>/dev/null; do sleep 0.1; done
    rm -f "$state/pid" "$state/port"
    ;;
*)
    sed -n '2,14s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
    exit 2
    ;;
esac
