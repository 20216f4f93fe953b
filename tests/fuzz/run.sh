#!/usr/bin/env bash
# Fuzzes the decoder of JSON with libFuzzer, on a stable compiler: the flags are those that cargo-fuzz gives, without a
# sanitizer.
#
#   tests/fuzz/run.sh [SECONDS]        60 if not given
#
# The corpus grows in target/fuzz of the repository; what fails is left there, and run again by giving it to the program.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
seconds=${1:-60}
[[ $seconds =~ ^[0-9]+$ ]] || { echo "usage: tests/fuzz/run.sh [SECONDS]" >&2; exit 2; }
work=$here/../../target/fuzz
mkdir -p "$work/corpus"

# Seeds: one scan with all fields, an array, lines.
scan='{"scan_id":"a-1","carrier":"UPS","tracking_id":"1Z5R89390357567127","code":"I","event_time":"2026-11-05T09:12:00Z","location":{"city":"Wichita","state":"KS","postal_code":"67202","country":"US","fc":"ICT2"},"reason":"A","eta":"2026-11-06T09:12:00Z","appointment":{"start":"2026-11-06T09:00:00Z","end":"2026-11-06T10:00:00Z"},"retracts":["b"],"description":"x"}'
printf '%s' "$scan" >"$work/corpus/object"
printf '[%s,%s]' "$scan" "$scan" >"$work/corpus/array"
printf '%s\n%s\n' "$scan" "$scan" >"$work/corpus/lines"
printf '%s\0%s' "$scan" "${scan/UPS/FEDEX}" >"$work/corpus/two"

export RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1"
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$here/../../target}/fuzz-build
# With a target named, build scripts and macros are built without these flags.
target=$(rustc -vV | sed -n 's/^host: //p')
cargo build -q --release --locked --target "$target" --manifest-path "$here/Cargo.toml"
cd "$work"
exec "$CARGO_TARGET_DIR/$target/release/decode" -max_total_time="$seconds" -max_len=4096 -print_final_stats=1 corpus
