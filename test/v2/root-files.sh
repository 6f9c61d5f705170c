# Functions of run.sh: what the machine's disk and its start-up archive are made of. Everything is copied from this host.

# Programs that the product runs (bin/host-tools.txt and what its scripts call), with coreutils; what else a shell needs is busybox.
programs=(node etcd crun conmon skopeo nft haproxy conntrack ip nsenter unshare setsid mount umount tar zstd dash socat
  sync stty sleep cat mkdir rm mv cp ln ls date dd echo env head tail readlink realpath touch chmod chown kill)

# copy_program <file> <root>: the file with the libraries it is linked to, at the same paths.
copy_program() {
  local file
  for file in "$1" $(ldd "$1" 2>/dev/null | grep -oE '/[^ ]+'); do
    local folder=$2${file%/*}
    mkdir -p "$folder"
    [ -e "$2$file" ] || cp -L --preserve=mode "$file" "$2$file" || return 1
  done
}

# make_root <root> <modules folder>
make_root() {
  local root=$1 modules=$2 name path applet
  rm -rf "$root"
  mkdir -p "$root"/{usr/{bin,sbin,lib/modules,lib64},etc,dev,proc,sys,run,tmp,root,var/{lib,log,tmp}}
  for name in bin sbin lib lib64; do ln -s "usr/$name" "$root/$name"; done
  for name in "${programs[@]}"; do
    path=$(PATH=$PATH:/usr/sbin:/sbin type -P "$name") || { echo "error: $name is missing" >&2; return 1; }
    copy_program "$path" "$root" || return 1
  done
  ln -sf dash "$root/usr/bin/sh"
  for path in /usr/lib/cni/*; do copy_program "$path" "$root" || return 1; done
  cp -L "$(command -v busybox)" "$root/usr/bin/busybox"
  for applet in $("$root/usr/bin/busybox" --list); do
    [ -e "$root/usr/bin/$applet" ] || [ -e "$root/usr/sbin/$applet" ] || ln -s busybox "$root/usr/bin/$applet"
  done
  ln -sf ../bin/busybox "$root/usr/sbin/modprobe" # where the kernel looks for it
  cp -a /etc/containers "$root/etc/" 2>/dev/null
  printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n' >"$root/etc/passwd"
  printf 'root:x:0:\ntty:x:5:\nnogroup:x:65534:\n' >"$root/etc/group"
  printf '127.0.0.1 localhost v2\n' >"$root/etc/hosts"
  printf 'v2\n' >"$root/etc/hostname"
  printf '0123456789abcdef0123456789abcdef\n' >"$root/etc/machine-id"
  cp -a "$modules" "$root/usr/lib/modules/"
  rm -rf "$root/usr/lib/modules/${modules##*/}/kernel/"{sound,drivers/{gpu,media,infiniband,net/ethernet,scsi,usb}}
  "$root/usr/bin/busybox" depmod -b "$root" "${modules##*/}"
}

# make_initramfs <folder> <root> <release> <archive>: just enough to find the disk.
make_initramfs() {
  local folder=$1 root=$2 modules=$2/usr/lib/modules/$3 name path
  rm -rf "$folder"
  mkdir -p "$folder"/{bin,dev,proc,new,modules}
  cp "$root/usr/bin/busybox" "$folder/bin/busybox"
  ln -s busybox "$folder/bin/sh"
  {
    echo '#!/bin/sh'
    echo '/bin/busybox mount -t devtmpfs dev /dev'
    for name in virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci virtio_blk; do
      path=$(find "$modules" -name "$name.ko" | head -n 1)
      [ -n "$path" ] || continue # built in
      cp "$path" "$folder/modules/"
      echo "/bin/busybox insmod /modules/$name.ko"
    done
    echo 'n=0; while [ ! -b /dev/vda ] && [ $n -lt 20 ]; do /bin/busybox sleep 1; n=$((n + 1)); done'
    echo '/bin/busybox mount -t ext4 /dev/vda /new && exec /bin/busybox switch_root /new /sbin/init'
    echo '/bin/busybox reboot -f'
  } >"$folder/init"
  chmod 755 "$folder/init"
  (cd "$folder" && find . | busybox cpio -o -H newc 2>/dev/null | gzip -1) >"$4"
}
