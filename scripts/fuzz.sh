#!/usr/bin/env bash
# Runs coverage-guided fuzzers, and keeps what they have found.
#
#   scripts/fuzz.sh build          builds every target
#   scripts/fuzz.sh run [TARGET]   runs one target or all; what is new goes to tests/fuzz/libfuzzer/corpus/TARGET
#   scripts/fuzz.sh keep [TARGET]  keeps the smallest of that which reach something new, in tests/fuzz/found/TARGET.zip
#
# FUZZ_SECONDS and FUZZ_RUNS bound each run, FUZZ_LENGTH the bytes of an input: a whole pack of evidence is so large that some
# hundred run in a second, of small ones some ten thousand. FUZZ_KEEP is how many bytes a kept corpus has at most, before it is
# packed. With a nightly toolchain that one builds; without, the compiler that is there, which is told to allow what libFuzzer
# needs (RUSTC_BOOTSTRAP). FUZZ_TOOLCHAIN names another one of rustup's.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly seconds=${FUZZ_SECONDS:-600} runs=${FUZZ_RUNS:-10000000} length=${FUZZ_LENGTH:-0} most=${FUZZ_KEEP:-200000}
readonly place=tests/fuzz/libfuzzer

if [ -z "${FUZZ_TOOLCHAIN:-}" ] && cargo +nightly --version > /dev/null 2>&1; then
  FUZZ_TOOLCHAIN=nightly
fi
cargo=(cargo ${FUZZ_TOOLCHAIN:+"+$FUZZ_TOOLCHAIN"})
case ${FUZZ_TOOLCHAIN:-} in
  nightly*) ;;
  *) export RUSTC_BOOTSTRAP=1 ;;
esac
"${cargo[@]}" fuzz --version > /dev/null 2>&1 || {
  echo "cargo-fuzz is missing: cargo install --locked cargo-fuzz" >&2
  exit 1
}

# Without a sanitizer, which costs most of the time: what is fuzzed has no `unsafe` in which one could find anything.
fuzz() {
  "${cargo[@]}" fuzz "$1" --fuzz-dir "$place" --sanitizer none "${@:2}"
}

build() {
  fuzz build
}

run() {
  echo "== $1"
  mkdir -p "$place/corpus/$1"
  unpack "$1" "$place/corpus/$1"
  fuzz run "$1" "$place/corpus/$1" "tests/fuzz/corpus/$1" -- -max_total_time="$seconds" -runs="$runs" -max_len="$length"
}

# What was kept, as the files that the fuzzer made.
unpack() {
  local kept=tests/fuzz/found/$1.zip
  if [ -e "$kept" ]; then python3 -m zipfile -e "$kept" "$2"; fi
}

keep() {
  local seeds=tests/fuzz/corpus/$1 all least
  [ -d "$seeds" ] || { echo "there is no target $1" >&2; exit 1; }
  all=$(mktemp -d)
  least=$(mktemp -d)
  unpack "$1" "$all"
  if [ -d "$place/corpus/$1" ]; then find "$place/corpus/$1" -type f -exec cp -t "$all" {} +; fi
  # `cargo fuzz cmin` does the same, with no place for inputs that are to stay.
  cp "$seeds"/* "$least/"
  fuzz run "$1" "$least" "$all" -- -merge=1 > "$all.log" 2>&1 || { cat "$all.log" >&2; exit 1; }
  find "$all" -type f | wc -l | xargs echo "$1: inputs that were found:"
  python3 scripts/fuzz-keep.py "tests/fuzz/found/$1.zip" "$least" "$most"
  rm -rf "$all" "$all.log" "$least"
}

what=${1:-}
case $what in
  build) build ;;
  run | keep)
    targets=${2:-$(fuzz list)}
    for target in $targets; do
      "$what" "$target"
    done
    ;;
  *)
    sed -n '2,/^set/p' "$0" | sed '$d; s/^# \{0,1\}//' >&2
    exit 2
    ;;
esac
