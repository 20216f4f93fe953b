# What the scripts beside it share; sourced by them, with `here` and `root` set.

# Errors say enough.
export RUST_BACKTRACE=0

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
