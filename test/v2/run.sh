#!/usr/bin/env bash
# Proves Skiff on a pure cgroup v2 machine, whatever this one has: boots a Debian kernel in an emulated machine with the host's own
# programs and the built product, runs test/v2/checks.ts in it, and ends with the line `N passed, N failed`. Without a way to get the
# emulator or the kernel it says so and counts one skip. Usage: test/v2/run.sh [<word in a check's name> …]
# Everything it makes is under .cache/v2; packages come from apt, and the kernel is unpacked there, never installed.
set -uo pipefail
cd "$(dirname "$0")/../.."
readonly cache=$PWD/.cache/v2 here=$PWD/test/v2
readonly boot_timeout_seconds=${SKIFF_V2_TIMEOUT:-1200}
root=$cache/root

skip() { echo "skipped: a cgroup v2 machine ($1)"; echo "0 passed, 0 failed, 1 skipped"; exit 0; }
fail() { echo "not ok: $1"; echo "0 passed, 1 failed"; exit 1; }

# 1. The emulator and a kernel.
[ "$(uname -m)" = x86_64 ] || skip "the emulated machine is made for x86_64 hosts only"
mkdir -p "$cache"
if ! qemu-system-x86_64 --version >/dev/null 2>&1; then
  [ "$(id -u)" = 0 ] || skip "qemu-system-x86_64 is missing and only root can install it: apt-get install qemu-system-x86"
  command -v apt-get >/dev/null || skip "qemu-system-x86_64 is missing and there is no apt-get"
  echo "Installing qemu-system-x86."
  DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends qemu-system-x86 >"$cache/apt.log" 2>&1 ||
    { apt-get update -q >>"$cache/apt.log" 2>&1 &&
      DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends qemu-system-x86 >>"$cache/apt.log" 2>&1; } ||
    skip "apt-get could not install qemu-system-x86: $(tail -n 1 "$cache/apt.log")"
fi
if ! compgen -G "$cache/kernel/boot/vmlinuz-*" >/dev/null; then
  package=$(apt-cache depends linux-image-cloud-amd64 2>/dev/null | sed -n 's/^ *Depends: \(linux-image-.*\)/\1/p' | head -n 1)
  [ -n "$package" ] || skip "apt knows no linux-image-cloud-amd64"
  echo "Downloading $package."
  rm -rf "$cache/kernel" "$cache/download" && mkdir -p "$cache/download"
  (cd "$cache/download" && apt-get download "$package") >>"$cache/apt.log" 2>&1 || skip "apt-get could not download $package"
  dpkg -x "$cache"/download/linux-image-*.deb "$cache/kernel.new" && mv "$cache/kernel.new" "$cache/kernel"
  rm -rf "$cache/download"
fi
kernel=$(compgen -G "$cache/kernel/boot/vmlinuz-*" | tail -n 1)
release=${kernel##*/vmlinuz-}

# 2. The product, the image of the containers, the checks.
bash build/host-packages.sh --check || bash build/host-packages.sh || fail "the host programs that go into the machine are missing"
[ -d node_modules/esbuild ] || npm ci --no-fund --no-audit || fail "npm ci"
npm run --silent build || fail "the build"
mkdir -p "$cache/images"
node dist/demo-images.cjs --out "$cache/images" busybox >/dev/null || fail "the busybox image"

# 3. The machine's root file system.
. "$here/root-files.sh"
make_root "$root" "$cache/kernel/lib/modules/$release" || fail "the machine's root file system"
mkdir -p "$root/opt/skiff" "$root/opt/images"
cp -a bin dist manifests package.json "$root/opt/skiff/" && cp "$cache/images/busybox.tar" "$root/opt/images/"
npx esbuild "$here/guest/main.ts" --bundle --platform=node --target=node20 --format=esm --log-level=warning \
  --outfile="$root/opt/checks.mjs" || fail "bundling the checks"
install -m 755 "$here/guest/init.sh" "$root/sbin/init"
printf '%s\n' "$@" >"$root/opt/only"
rm -f "$cache/root.ext4"
mke2fs -q -t ext4 -d "$root" -L skiff-v2 "$cache/root.ext4" 3G >/dev/null || fail "the disk image"
make_initramfs "$cache/initramfs" "$root" "$release" "$cache/initrd.gz" || fail "the start-up archive"

# 4. Boot, each time from the same disk, under a hard deadline and without a network; 5. count what the checks said.
passed=0 failed=0
boot() { # boot <name of the console's file> [word for the kernel …]
  local console=$cache/$1.log
  shift
  echo "Booting Linux $release${1:+ with $*} in software emulation; this takes some minutes. Console: ${console#"$PWD/"}"
  : >"$console"
  timeout --signal=KILL "$boot_timeout_seconds" nice -n 5 qemu-system-x86_64 -accel tcg,thread=multi -cpu max -m 2048 -smp 2 \
    -nographic -no-reboot -nic none -kernel "$kernel" -initrd "$cache/initrd.gz" -snapshot \
    -drive "file=$cache/root.ext4,format=raw,if=virtio,cache=unsafe" \
    -append "console=ttyS0 panic=-1 quiet loglevel=4 random.trust_cpu=on $*" </dev/null 2>"$cache/qemu.err" |
    sed -u 's/\r//g' | tee "$console" | grep --line-buffered -E '^(ok|not ok|    ): '
  passed=$((passed + $(grep -c '^ok: ' "$console")))
  failed=$((failed + $(grep -c '^not ok: ' "$console")))
  grep -q '^checks done$' "$console" && return
  failed=$((failed + 1))
  echo "not ok: the machine ended before its checks did; the end of its console:"
  tail -q -n 15 "$console" "$cache/qemu.err" | sed 's/^/    : /'
}
boot console
boot console-without-memory cgroup_disable=memory
rm -rf "$root" "$cache/root.ext4" "$cache/initramfs" "$cache/initrd.gz" "$cache/images"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
