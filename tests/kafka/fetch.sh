#!/usr/bin/env bash
# Copies the jars of the test broker into ${DOCKSIDE_KAFKA_LIBS:-tests/kafka/libs}, once; prints that directory.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
libs=${DOCKSIDE_KAFKA_LIBS:-$here/libs}

for tool in java mvn; do
    command -v "$tool" >/dev/null || {
        echo "$tool is missing: apt-get install -y openjdk-17-jdk-headless maven" >&2
        exit 3
    }
done

mkdir -p "$libs"
libs=$(cd "$libs" && pwd)
exec 9>"$libs/lock" && flock 9
# The stamp is written last: an interrupted copy is repeated, a changed pom fetched anew.
if ! cmp -s "$here/pom.xml" "$libs/fetched-for.xml"; then
    rm -f "$libs"/*.jar
    mvn -q -B -Dstyle.color=never -f "$here/pom.xml" dependency:copy-dependencies -DoutputDirectory="$libs" >&2
    cp "$here/pom.xml" "$libs/fetched-for.xml"
fi
echo "$libs"
