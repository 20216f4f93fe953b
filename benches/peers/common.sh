# What the scripts beside it share; sourced by them, with `here` and `root` set.

# Errors say enough.
export RUST_BACKTRACE=0

# set_arguments NAME... -- ARGUMENT...: each --NAME VALUE sets the variable of that name. Others tell what can be said: the head
# of the script.
set_arguments() {
    local names=" "
    while [[ $1 != -- ]]; do
        names+="$1 "
        shift
    done
    shift
    while (($#)); do
        if [[ $1 != --* || $names != *" ${1#--} "* ]]; then
            sed -n '2,/^set -/{/^#/s/^# \{0,1\}//p}' "$0" >&2
            exit 2
        fi
        (($# > 1)) || { echo "$1 needs a value" >&2; exit 2; }
        printf -v "${1#--}" '%s' "$2"
        shift 2
    done
}

say() { printf '== %s\n' "$*" >&2; }

# build PROGRAM...: TLS is left out, as the broker is on this machine.
build() {
    say "building"
    (cd "$root" && cargo build -q --release --locked --no-default-features --features edge "$@")
    built=${CARGO_TARGET_DIR:-$root/target}/release
    libs=$("$root/tests/kafka/fetch.sh")
}

build_streams() {
    mvn -q -B -Dstyle.color=never -f "$here/streams/pom.xml" compile dependency:copy-dependencies >&2
}

# topic NAME: one for a peer's outputs. The world's times may lie ahead of the broker's clock.
topic() {
    java -XX:TieredStopAtLevel=1 -Dorg.slf4j.simpleLogger.defaultLogLevel=error -cp "$libs/*" \
        org.apache.kafka.tools.TopicCommand --bootstrap-server "$bootstrap" --create --topic "$1" \
        --partitions "$partitions" --replication-factor 1 --config compression.type=producer \
        --config retention.ms=-1 --config message.timestamp.after.max.ms=9223372036854775807 >/dev/null
}

referee() { "$built/examples/peer-referee" --bootstrap "$bootstrap" "$@"; }

# How Kafka Streams is started: its arguments follow.
readonly STREAMS=(java -Xms1g -Xmx4g -XX:+UseParallelGC -Dorg.slf4j.simpleLogger.defaultLogLevel=warn
    -cp "$here/streams/target/classes:$here/streams/target/libs/*" peers.Main)
