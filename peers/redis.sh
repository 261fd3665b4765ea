#!/usr/bin/env bash
# A real Redis server judges the shared token store: one on a socket of its own, with a password, without persistence,
# started and stopped by the judge. Installs Debian's redis-server where it is missing, which needs root.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v redis-server >/dev/null || ! command -v redis-cli >/dev/null; then
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "redis-server and redis-cli are missing: install the package redis-server" >&2
    exit 1
  fi
  apt-get update -qq
  # No service is to be started by the package: the judge starts its own.
  RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends redis-server >/dev/null
fi

cargo run --quiet -p peers --bin redis_judge
