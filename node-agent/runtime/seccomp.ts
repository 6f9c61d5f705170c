/**
 * The `RuntimeDefault` seccomp profile: which system calls a container may make. What is allowed is what containerd
 * allows, since that is what unmodified manifests expect; the table below says it by subject rather than by alphabet.
 * Everything not named fails with EPERM; `clone3` fails with ENOSYS, so that libc falls back to `clone`, whose flags a
 * filter can see.
 */

/** The part of an OCI runtime spec's `linux.seccomp` that we use. */
export interface SeccompSpec {
  readonly defaultAction: string;
  readonly defaultErrnoRet?: number;
  readonly architectures: readonly string[];
  readonly syscalls: readonly SeccompRule[];
}

/** One rule; all conditions in `args` must hold. */
export interface SeccompRule {
  readonly names: readonly string[];
  readonly action: string;
  readonly errnoRet?: number;
  readonly args?: readonly {
    readonly index: number;
    readonly value: number;
    readonly valueTwo?: number;
    readonly op: string;
  }[];
}

const words = (text: string): readonly string[] => text.trim().split(/\s+/);

const ALWAYS: readonly string[] = words(`
  read readv pread64 preadv preadv2 write writev pwrite64 pwritev pwritev2 sendfile sendfile64 splice tee vmsplice
  copy_file_range readahead fadvise64 fadvise64_64 arm_fadvise64_64 sync sync_file_range sync_file_range2
  arm_sync_file_range syncfs fsync fdatasync fallocate truncate truncate64 ftruncate ftruncate64 lseek _llseek
  cachestat

  open openat openat2 creat close close_range dup dup2 dup3 fcntl fcntl64 flock pipe pipe2 memfd_create memfd_secret
  name_to_handle_at
  access faccessat faccessat2 stat stat64 lstat lstat64 fstat fstat64 fstatat64 newfstatat oldfstat oldlstat oldstat
  statx statfs statfs64 fstatfs fstatfs64 ustat
  link linkat symlink symlinkat unlink unlinkat rename renameat renameat2 readlink readlinkat mkdir mkdirat rmdir
  getdents getdents64 readdir getcwd chdir fchdir mknod mknodat umask utime utimes utimensat utimensat_time64 futimesat
  chmod fchmod fchmodat fchmodat2 chown chown32 fchown fchown32 fchownat lchown lchown32
  getxattr lgetxattr fgetxattr getxattrat listxattr llistxattr flistxattr listxattrat
  setxattr lsetxattr fsetxattr setxattrat removexattr lremovexattr fremovexattr removexattrat
  inotify_init inotify_init1 inotify_add_watch inotify_rm_watch fanotify_mark

  brk mmap mmap2 munmap mremap mprotect madvise mincore msync mlock mlock2 mlockall munlock munlockall remap_file_pages
  membarrier pkey_alloc pkey_free pkey_mprotect map_shadow_stack process_mrelease mseal

  execve execveat exit exit_group fork vfork wait4 waitid waitpid kill tkill tgkill getpid getppid gettid getpgid
  getpgrp setpgid getsid setsid set_tid_address set_robust_list get_robust_list set_thread_area get_thread_area
  futex futex_time64 futex_waitv futex_wait futex_wake futex_requeue rseq restart_syscall prctl seccomp
  pidfd_open pidfd_send_signal capget capset
  getuid getuid32 geteuid geteuid32 getgid getgid32 getegid getegid32 getresuid getresuid32 getresgid getresgid32
  setuid setuid32 setgid setgid32 setreuid setreuid32 setregid setregid32 setresuid setresuid32 setresgid setresgid32
  setfsuid setfsuid32 setfsgid setfsgid32 getgroups getgroups32 setgroups setgroups32
  getpriority setpriority ioprio_get ioprio_set getrlimit ugetrlimit setrlimit prlimit64 getrusage
  sched_getaffinity sched_setaffinity sched_getattr sched_setattr sched_getparam sched_setparam sched_getscheduler
  sched_setscheduler sched_get_priority_max sched_get_priority_min sched_rr_get_interval sched_rr_get_interval_time64
  sched_yield getcpu

  rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait
  rt_sigtimedwait_time64 rt_tgsigqueueinfo sigaction sigaltstack signal signalfd signalfd4 sigpending sigprocmask
  sigreturn sigsuspend pause alarm
  time times gettimeofday clock_gettime clock_gettime64 clock_getres clock_getres_time64 clock_nanosleep
  clock_nanosleep_time64 clock_adjtime clock_adjtime64 adjtimex nanosleep getitimer setitimer
  timer_create timer_delete timer_getoverrun timer_gettime timer_gettime64 timer_settime timer_settime64
  timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64
  select _newselect pselect6 pselect6_time64 poll ppoll ppoll_time64 epoll_create epoll_create1 epoll_ctl
  epoll_ctl_old epoll_wait epoll_wait_old epoll_pwait epoll_pwait2 eventfd eventfd2
  io_setup io_destroy io_submit io_cancel io_getevents io_pgetevents io_pgetevents_time64

  socketcall socketpair bind listen accept accept4 connect shutdown getsockname getpeername getsockopt setsockopt
  send sendto sendmsg sendmmsg recv recvfrom recvmsg recvmmsg recvmmsg_time64
  ipc msgctl msgget msgrcv msgsnd semctl semget semop semtimedop semtimedop_time64 shmat shmctl shmdt shmget
  mq_open mq_unlink mq_getsetattr mq_notify mq_timedsend mq_timedsend_time64 mq_timedreceive mq_timedreceive_time64

  ioctl uname sysinfo getrandom landlock_create_ruleset landlock_add_rule landlock_restrict_self
  lsm_get_self_attr lsm_set_self_attr lsm_list_modules uretprobe
`);

/** Allowed in addition to a holder of the capability. */
const BY_CAPABILITY: Readonly<Record<string, readonly string[]>> = {
  CAP_DAC_READ_SEARCH: words('open_by_handle_at'),
  CAP_SYS_ADMIN: words(`
    bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie mount mount_setattr move_mount
    open_tree perf_event_open quotactl quotactl_fd setdomainname sethostname setns syslog umount umount2 unshare`),
  CAP_SYS_BOOT: words('reboot'),
  CAP_SYS_CHROOT: words('chroot'),
  CAP_SYS_MODULE: words('delete_module init_module finit_module'),
  CAP_SYS_PACCT: words('acct'),
  CAP_SYS_PTRACE: words('kcmp pidfd_getfd process_madvise process_vm_readv process_vm_writev'),
  CAP_SYS_RAWIO: words('iopl ioperm'),
  CAP_SYS_TIME: words('settimeofday stime clock_settime clock_settime64'),
  CAP_SYS_TTY_CONFIG: words('vhangup'),
  CAP_SYS_NICE: words('get_mempolicy mbind set_mempolicy set_mempolicy_home_node'),
  CAP_SYSLOG: words('syslog'),
  CAP_BPF: words('bpf'),
  CAP_PERFMON: words('perf_event_open'),
};

const BY_ARCH: Readonly<Record<string, readonly string[]>> = {
  x64: words('arch_prctl modify_ldt'),
  ia32: words('modify_ldt'),
  arm: words('arm_fadvise64_64 arm_sync_file_range sync_file_range2 breakpoint cacheflush set_tls'),
  arm64: words('arm_fadvise64_64 arm_sync_file_range sync_file_range2 breakpoint cacheflush set_tls'),
  riscv64: words('riscv_flush_icache riscv_hwprobe'),
  s390x: words('s390_pci_mmio_read s390_pci_mmio_write s390_runtime_instr'),
  ppc64: words('sync_file_range2 swapcontext'),
};

/** Each architecture with the ones whose programs it also runs. */
const ARCHITECTURES: Readonly<Record<string, readonly string[]>> = {
  x64: ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86', 'SCMP_ARCH_X32'],
  ia32: ['SCMP_ARCH_X86'],
  arm: ['SCMP_ARCH_ARM'],
  arm64: ['SCMP_ARCH_AARCH64', 'SCMP_ARCH_ARM'],
  riscv64: ['SCMP_ARCH_RISCV64'],
  s390x: ['SCMP_ARCH_S390X', 'SCMP_ARCH_S390'],
  ppc64: ['SCMP_ARCH_PPC64LE'],
};

const EPERM = 1;
const ENOSYS = 38;
const AF_VSOCK = 40;
/** PER_LINUX, PER_BSD-like PER_LINUX32 with and without UNAME26, and "only tell me". */
const PERSONALITIES = [0x0, 0x8, 0x20000, 0x20008, 0xffffffff];
/** CLONE_NEWNS | NEWCGROUP | NEWUTS | NEWIPC | NEWUSER | NEWPID | NEWNET. */
const NEW_NAMESPACE_FLAGS = 0x7e020000;

/** The profile for a container that holds `capabilities` on a machine of `arch` (as in `process.arch`). Pure. */
export function runtimeDefaultSeccomp(arch: string, capabilities: readonly string[]): SeccompSpec {
  const held = new Set(capabilities);
  const allowed = new Set([...ALWAYS, 'ptrace', ...(BY_ARCH[arch] ?? [])]);
  for (const [capability, names] of Object.entries(BY_CAPABILITY)) {
    if (held.has(capability)) {
      for (const name of names) {
        allowed.add(name);
      }
    }
  }
  const rules: SeccompRule[] = [{ names: [...allowed].sort(), action: 'SCMP_ACT_ALLOW' }];
  for (const value of PERSONALITIES) {
    rules.push({
      names: ['personality'],
      action: 'SCMP_ACT_ALLOW',
      args: [{ index: 0, value, op: 'SCMP_CMP_EQ' }],
    });
  }
  rules.push({
    names: ['socket'],
    action: 'SCMP_ACT_ALLOW',
    args: [{ index: 0, value: AF_VSOCK, op: 'SCMP_CMP_NE' }],
  });
  if (!held.has('CAP_SYS_ADMIN')) {
    rules.push({
      names: ['clone'],
      action: 'SCMP_ACT_ALLOW',
      // s390 takes the flags as its second argument.
      args: [{ index: arch === 's390x' ? 1 : 0, value: NEW_NAMESPACE_FLAGS, valueTwo: 0, op: 'SCMP_CMP_MASKED_EQ' }],
    });
    rules.push({ names: ['clone3'], action: 'SCMP_ACT_ERRNO', errnoRet: ENOSYS });
  }
  return {
    defaultAction: 'SCMP_ACT_ERRNO',
    defaultErrnoRet: EPERM,
    architectures: ARCHITECTURES[arch] ?? [],
    syscalls: rules,
  };
}
