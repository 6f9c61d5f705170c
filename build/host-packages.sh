#!/usr/bin/env bash
# Installs the Debian packages Skiff stands on, if any is missing; says what it will install first. Nothing is installed when
# everything is there. Usage: host-packages.sh [--test] [--check]
#   --test   also what only the tests need (a registry, skopeo's peers)
#   --check  only say what is missing; exit 1 when anything is
set -uo pipefail
cd "$(dirname "$0")/.."
mapfile -t need < <(grep -v '^#' bin/host-tools.txt)
check_only=no
for arg in "$@"; do
  case "$arg" in
    --test) need+=('docker-registry docker-registry' 'runc runc' 'socat socat' 'git git' '/usr/sbin/nginx nginx-light' 'redis-server redis-server'
      'arping iputils-arping' 'iptables iptables' 'curl curl'
      '/usr/lib/postgresql/15/bin/postgres postgresql-15') ;;
    --check) check_only=yes ;;
    *) echo "error: unknown option $arg" >&2; exit 2 ;;
  esac
done
PATH=$PATH:/usr/sbin:/sbin
missing=()
for row in "${need[@]}"; do
  read -r tool package <<<"$row"
  case "$tool" in
    /*) [ -e "$tool" ] || missing+=("$package") ;;
    *) command -v "$tool" >/dev/null || missing+=("$package") ;;
  esac
done
[ ${#missing[@]} -eq 0 ] && exit 0
echo "Missing Debian packages: ${missing[*]}"
[ "$check_only" = yes ] && exit 1
if ! command -v apt-get >/dev/null; then
  echo "error: this is no Debian or Ubuntu machine; install these by hand: ${missing[*]}" >&2
  exit 1
fi
sudo=""
if [ "$(id -u)" != 0 ]; then
  command -v sudo >/dev/null || { echo "error: not root and no sudo; as root run: apt-get install ${missing[*]}" >&2; exit 1; }
  sudo=sudo
fi
echo "Installing them with apt-get."
# No service of these packages may start by itself: Skiff runs its own etcd.
policy=/usr/sbin/policy-rc.d
made_policy=no
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' | $sudo tee "$policy" >/dev/null && $sudo chmod 755 "$policy" && made_policy=yes
fi
status=0
log=$(mktemp)
$sudo apt-get update -q >"$log" 2>&1
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}" >>"$log" 2>&1 || status=1
[ "$made_policy" = yes ] && $sudo rm -f "$policy"
[ $status = 0 ] || { tail -n 15 "$log" >&2; echo "error: apt-get could not install ${missing[*]}" >&2; }
rm -f "$log"
exit $status
