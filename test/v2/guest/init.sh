#!/bin/sh
# PID 1 of the machine: what an ordinary v2 machine has mounted, then the checks, then off.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root NO_COLOR=1
mount -t proc -o nosuid,nodev,noexec proc /proc
mount -t sysfs -o nosuid,nodev,noexec sysfs /sys
mount -t devtmpfs -o mode=755 dev /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts -o mode=620,ptmxmode=666 devpts /dev/pts
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
mount -t tmpfs -o mode=755 tmpfs /run
mount -t tmpfs -o mode=1777 tmpfs /tmp
mount -t cgroup2 -o nosuid,nodev,noexec,nsdelegate cgroup2 /sys/fs/cgroup
mount --make-rshared /
hostname v2
ip link set lo up
echo 1 >/proc/sys/net/ipv4/ip_forward
# Swap, as a Raspberry Pi has: a memory limit must hold all the same.
dd if=/dev/zero of=/swap bs=1M count=128 2>/dev/null && chmod 600 /swap && mkswap /swap >/dev/null && swapon /swap

# As under systemd: whoever starts Skiff sits in a cgroup of a service, not in the root of the tree.
mkdir -p /sys/fs/cgroup/system.slice/operator.service
echo $$ >/sys/fs/cgroup/system.slice/operator.service/cgroup.procs

echo
node /opt/checks.mjs $(cat /opt/only)
echo "checks ended with $?"
sync
reboot -f
