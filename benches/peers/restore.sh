#!/usr/bin/env bash
# How soon Kafka Streams has its in-memory stores back, when all that it knows are the boxes that commands on a broker
# registered: takes them up, ends, and starts again.
#
#   benches/peers/restore.sh --bootstrap HOST:PORT --inputs PREFIX [--partitions P] [--workers W]
#
# Prints how many entries its stores read back, and the seconds that took, separated by a tab. The inputs are dockside's,
# below PREFIX: `dockside bench` calls this. Wants cargo, Java 17 and Maven, and about 5 GB of memory.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)

# shellcheck source=common.sh
source "$here/common.sh"
bootstrap='' inputs='' partitions=4 workers=1
set_arguments bootstrap inputs partitions workers -- "$@"
[[ -n $bootstrap && -n $inputs ]] || { echo "--bootstrap and --inputs are wanted" >&2; exit 2; }

build --example peer-referee
build_streams

own=${inputs}streams.
for output in registrations box-events receiving-plan; do topic "$own$output"; done
stores=$(mktemp -d)
trap 'rm -rf "$stores"' EXIT
streams=("${STREAMS[@]}" "$bootstrap" "$inputs" "$own" "$workers" memory "$stores")

say "taking the boxes up"
referee watch --name streams --group "$own" \
    --topics "${inputs}commands,${inputs}scans,${own}registrations,${own}box-events" \
    --outputs "${own}receiving-plan" -- "${streams[@]}" >&2
say "reading them back"
"${streams[@]}" restore
