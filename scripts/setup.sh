#!/usr/bin/env bash
# Installs what Daybook needs besides Rust, and only what is missing: PostgreSQL's server programs, a C compiler,
# bubblewrap for the sandbox of workflows and umoci for their images, and a Python environment in .venv with pinned
# packages. Run it again at any time; when nothing is missing it does nothing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Never build the environment with the Python of the environment.
PATH=${PATH//"$PWD/.venv/bin:"/}

minimum_postgresql=15
requirements=tests/python/requirements.txt

has_postgresql() {
  local initdb version
  for initdb in /usr/lib/postgresql/*/bin/initdb "$(command -v initdb || true)"; do
    [ -x "$initdb" ] && [ -x "${initdb%initdb}postgres" ] || continue
    version=$("$initdb" --version | sed -E 's/^[^0-9]*([0-9]+).*/\1/')
    [ "$version" -ge "$minimum_postgresql" ] && return 0
  done
  return 1
}

# The first Python that can make an environment; the user's own one is asked before Debian's.
find_python() {
  local python
  for python in "$(command -v python3 || true)" /usr/bin/python3; do
    if [ -x "$python" ] && "$python" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      echo "$python"
      return 0
    fi
  done
  return 1
}

has_compiler() {
  echo 'int main(void) { return 0; }' | cc -x c -o /dev/null - 2>/dev/null
}

as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  else
    sudo "$@"
  fi
}

# Package tools are talkative; what they said is shown only when they fail.
apt_install() {
  local log
  log=$(mktemp)
  if ! as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 \
    -o DPkg::Lock::Timeout=120 install -y --no-install-recommends "$@" >"$log" 2>&1; then
    cat "$log" >&2
    rm -f "$log"
    echo "setup: apt-get could not install $*" >&2
    exit 1
  fi
  rm -f "$log"
}

packages=()
has_postgresql || packages+=(postgresql)
find_python >/dev/null || packages+=(python3-venv)
has_compiler || packages+=(gcc libc6-dev)
command -v pkg-config >/dev/null || packages+=(pkg-config)
command -v setpriv >/dev/null || packages+=(util-linux)
# The register is tested in a real browser.
command -v chromium >/dev/null || packages+=(chromium)
command -v node >/dev/null || packages+=(nodejs)
command -v npm >/dev/null || packages+=(npm)
# One test puts hub, relay and runner on machines of their own, which only root can.
if [ "$(id -u)" = 0 ]; then
  [ -x "$(PATH=$PATH:/usr/sbin:/sbin command -v ip)" ] || packages+=(iproute2)
  [ -x "$(PATH=$PATH:/usr/sbin:/sbin command -v nft)" ] || packages+=(nftables)
fi
command -v bwrap >/dev/null || packages+=(bubblewrap)
command -v umoci >/dev/null || packages+=(umoci)

if [ "${#packages[@]}" -gt 0 ]; then
  echo "setup: installing ${packages[*]}" >&2
  if ! command -v apt-get >/dev/null; then
    echo "setup: this is no Debian; install these yourself (PostgreSQL $minimum_postgresql or later), then run again" >&2
    exit 1
  fi
  if [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null; then
    echo "setup: neither root nor sudo; as root, run: apt-get install ${packages[*]}" >&2
    exit 1
  fi
  as_root apt-get -qq update
  for package in "${packages[@]}"; do
    if [ "$package" = postgresql ]; then
      # Daybook runs a server of its own. Debian's package would start another on port 5432 unless told not to,
      # before it is installed.
      apt_install postgresql-common
      conf=/etc/postgresql-common/createcluster.conf
      as_root sed -i -E 's/^#?[[:space:]]*create_main_cluster[[:space:]]*=.*/create_main_cluster = false/' "$conf"
      grep -q '^create_main_cluster = false' "$conf" ||
        echo 'create_main_cluster = false' | as_root tee -a "$conf" >/dev/null
    fi
  done
  apt_install "${packages[@]}"
  if ! has_postgresql; then
    echo "setup: this distribution's PostgreSQL is older than $minimum_postgresql; see https://apt.postgresql.org" >&2
    exit 1
  fi
fi

python=$(find_python) || {
  echo "setup: no Python 3.11 or later with the modules venv and ensurepip" >&2
  exit 1
}
wanted=$({ cat "$requirements"; "$python" --version; } | sha256sum)
if [ "$(cat .venv/.stamp 2>/dev/null || true)" != "$wanted" ]; then
  echo "setup: making the Python environment in .venv" >&2
  "$python" -m venv --clear .venv
  .venv/bin/python -m pip --quiet --disable-pip-version-check install --requirement "$requirements"
  # Written last, so that an interrupted set-up is done again.
  echo "$wanted" >.venv/.stamp
fi

browser=tests/browser
if ! cmp -s "$browser/package-lock.json" "$browser/node_modules/.stamp"; then
  echo "setup: fetching what the browser tests need" >&2
  npm ci --prefix "$browser" --ignore-scripts --no-audit --no-fund --silent
  cp "$browser/package-lock.json" "$browser/node_modules/.stamp"
fi
