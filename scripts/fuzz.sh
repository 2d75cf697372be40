#!/usr/bin/env bash
# Runs coverage-guided fuzzers, and keeps what they have found.
#
#   scripts/fuzz.sh build          builds every target
#   scripts/fuzz.sh run [TARGET]   runs one target or all; what is new goes to tests/fuzz/libfuzzer/corpus/TARGET
#   scripts/fuzz.sh keep [TARGET]  adds to tests/fuzz/corpus/TARGET the smallest of that which reach something new
#
# FUZZ_SECONDS and FUZZ_RUNS bound each run, FUZZ_KEEP is how many bytes a kept corpus has at most. With a nightly toolchain that
# one builds; without, the compiler that is there, which is told to allow what libFuzzer needs (RUSTC_BOOTSTRAP). FUZZ_TOOLCHAIN
# names another one of rustup's.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly seconds=${FUZZ_SECONDS:-600} runs=${FUZZ_RUNS:-10000000} most=${FUZZ_KEEP:-400000}
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

fuzz() {
  "${cargo[@]}" fuzz "$1" --fuzz-dir "$place" "${@:2}"
}

build() {
  fuzz build
}

run() {
  echo "== $1"
  mkdir -p "$place/corpus/$1"
  fuzz run "$1" "$place/corpus/$1" "tests/fuzz/corpus/$1" -- -max_total_time="$seconds" -runs="$runs"
}

# What the fuzzer itself has named is found anew each time; what somebody has named stays.
is_found() {
  [[ $(basename "$1") =~ ^[0-9a-f]{40}$ ]]
}

keep() {
  local kept=tests/fuzz/corpus/$1 all named before file size total
  [ -d "$kept" ] || { echo "there is no target $1" >&2; exit 1; }
  all=$(mktemp -d)
  named=$(mktemp -d)
  mkdir -p "$place/corpus/$1"
  for file in "$kept"/*; do
    if is_found "$file"; then cp "$file" "$all/"; else cp "$file" "$named/"; fi
  done
  find "$place/corpus/$1" -type f -exec cp {} "$all/" \;
  before=$(find "$all" -type f | wc -l)
  # `cargo fuzz cmin` does the same, with no place for inputs that are to stay.
  fuzz run "$1" "$named" "$all" -- -merge=1 > "$all.log" 2>&1 || { cat "$all.log" >&2; exit 1; }
  for file in "$kept"/*; do
    if is_found "$file"; then rm "$file"; fi
  done
  total=$(cat "$kept"/* | wc -c)
  while read -r size file; do
    if [ ! -e "$kept/$(basename "$file")" ] && is_found "$file" && [ $((total + size)) -le "$most" ] && ! grep -qaE '/(root|home)/' "$file"; then
      cp "$file" "$kept/"
      total=$((total + size))
    fi
  done < <(find "$named" -type f -printf '%s %p\n' | sort -n)
  echo "$1: $(find "$kept" -type f | wc -l) inputs of $total bytes are kept; $before were found"
  rm -rf "$all" "$all.log" "$named"
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
