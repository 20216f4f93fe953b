#!/usr/bin/env bash
# A real broker on loopback, for tests: one node, free ports, everything in a directory of its own.
#
#   broker.sh run          runs until its stdin closes; prints the port once it listens. The tests use this: the broker
#                          ends with the process that holds the other end of the pipe, however that process ends.
#   broker.sh start [DIR]  the same in the background; prints the port. DIR keeps its pid and log.
#   broker.sh stop [DIR]   ends that broker, and nothing else.
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

run() {
    local libs port controller
    libs=$("$here/fetch.sh")
    # Not local: the trap outlives this function.
    dir=$(mktemp -d)
    pid=
    trap 'if [ -n "$pid" ]; then kill -KILL "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; fi; rm -rf "$dir"' EXIT
    trap 'exit 1' HUP INT TERM
    port=$(free_port)
    controller=$(free_port)
    sed -e "s#@PORT@#$port#g" -e "s#@CONTROLLER@#$controller#g" -e "s#@DIR@#$dir/data#g" \
        "$here/server.properties" >"$dir/server.properties"
    # Any cluster id will do: nobody else knows this one.
    java -cp "$libs/*" kafka.tools.StorageTool format -t 4L6g3nShT-eMCtK--X86sw -c "$dir/server.properties" >"$dir/broker.log" 2>&1 ||
        { cat "$dir/broker.log" >&2; exit 1; }
    java -Xms64m -Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Dorg.slf4j.simpleLogger.defaultLogLevel=warn \
        -cp "$libs/*" kafka.Kafka "$dir/server.properties" >>"$dir/broker.log" 2>&1 </dev/null &
    pid=$!
    until (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do
        kill -0 "$pid" 2>/dev/null || { cat "$dir/broker.log" >&2; exit 1; }
        sleep 0.1
    done
    echo "$port"
    exec >/dev/null
    cat >/dev/null
}

state=${2:-$here/target/broker}
case ${1:-} in
run) run ;;
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
    sed -n '2,9s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
    exit 2
    ;;
esac
