#!/usr/bin/env bash
# `npm run up`: from a clean clone to a running cluster with the hello application. Installs the missing Debian packages, builds what
# is not built, and hands over to `skiff up`. Usage: npm run up [-- <options of skiff up>]
set -euo pipefail
cd "$(dirname "$0")/.."

major=$(node -p 'process.versions.node.split(".")[0]')
if [ "$major" -lt 20 ]; then
  echo "error: Node.js 20 or newer is needed; this is $(node --version)" >&2
  exit 1
fi
if [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null; then
  echo "error: a cluster needs root and there is no sudo here: run this as root" >&2
  exit 1
fi
bash build/host-packages.sh
if [ ! -d node_modules/esbuild ]; then
  echo "Installing the npm packages of the build."
  npm ci --no-fund --no-audit --loglevel=error
fi
if [ ! -e dist/cli.cjs ] || [ -n "$(find proto/skiff lib control-plane node-agent cli build package-lock.json -newer dist/cli.cjs -type f ! -name '*.test.ts' -print -quit)" ]; then
  echo "Building."
  npm run --silent build
fi
if [ "$(id -u)" != 0 ]; then
  # The admin configuration belongs to the person, not to root.
  exec sudo --preserve-env=PATH,SKIFF_CONFIG,NO_COLOR bin/skiff up --config-owner "$(id -un)" "$@"
fi
exec bin/skiff up "$@"
