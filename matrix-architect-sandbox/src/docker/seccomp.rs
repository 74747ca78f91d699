//! The system call profile of our containers, in the form that the engine takes: a list of what is
//! allowed. What is not in it is answered with `EPERM`, and what is younger than the list with
//! `ENOSYS`, which runc adds by itself. Calls through another architecture's entry end the process.
//!
//! It comes with each container, because an engine's own default may be an old one: that of Docker
//! 20.10 lets vsock and `io_uring` through.

use std::collections::BTreeSet;

use serde_json::{Value, json};

/// Calls that are allowed whatever their arguments; of all Linux architectures.
const ALLOWED: &str = "
accept accept4 access alarm arch_prctl bind brk capget capset chdir chmod chown clock_getres
clock_gettime clock_nanosleep close close_range connect copy_file_range creat dup dup2 dup3
epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait
epoll_wait_old eventfd eventfd2 execve execveat exit exit_group faccessat faccessat2 fadvise64
fallocate fchdir fchmod fchmodat fchmodat2 fchown fchownat fcntl fdatasync fgetxattr flistxattr
flock fork fremovexattr fsetxattr fstat fstatfs fsync ftruncate futex futex_waitv futimesat
get_robust_list get_thread_area getcpu getcwd getdents getdents64 getegid geteuid getgid
getgroups getitimer getpeername getpgid getpgrp getpid getppid getpriority getrandom getresgid
getresuid getrlimit getrusage getsid getsockname getsockopt gettid gettimeofday getuid getxattr
inotify_add_watch inotify_init inotify_init1 inotify_rm_watch io_cancel io_destroy io_getevents
io_setup io_submit ioprio_get ioprio_set kill landlock_add_rule landlock_create_ruleset
landlock_restrict_self lchown lgetxattr link linkat listen listxattr llistxattr lremovexattr
lseek lsetxattr lstat madvise membarrier memfd_create memfd_secret mincore mkdir mkdirat mknod
mknodat mlock mlock2 mlockall mmap mprotect mq_getsetattr mq_notify mq_open mq_timedreceive
mq_timedsend mq_unlink mremap mseal msgctl msgget msgrcv msgsnd msync munlock munlockall munmap
nanosleep newfstatat open openat openat2 pause pidfd_open pidfd_send_signal pipe pipe2
pkey_alloc pkey_free pkey_mprotect poll ppoll prctl pread64 preadv preadv2 prlimit64 pselect6
pwrite64 pwritev pwritev2 read readahead readlink readlinkat readv recvfrom recvmmsg recvmsg
remap_file_pages removexattr rename renameat renameat2 restart_syscall rmdir rseq rt_sigaction
rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait
rt_tgsigqueueinfo sched_get_priority_max sched_get_priority_min sched_getaffinity sched_getattr
sched_getparam sched_getscheduler sched_rr_get_interval sched_setaffinity sched_setattr
sched_setparam sched_setscheduler sched_yield seccomp select semctl semget semop semtimedop
sendfile sendmmsg sendmsg sendto set_robust_list set_thread_area set_tid_address setfsgid
setfsuid setgid setgroups setitimer setpgid setpriority setregid setresgid setresuid setreuid
setrlimit setsid setsockopt setuid setxattr shmat shmctl shmdt shmget shutdown sigaltstack
signalfd signalfd4 splice stat statfs statx symlink symlinkat sync sync_file_range syncfs
sysinfo tee tgkill time timer_create timer_delete timer_getoverrun timer_gettime timer_settime
timerfd_create timerfd_gettime timerfd_settime times tkill truncate umask uname unlink unlinkat
utime utimensat utimes vfork vmsplice wait4 waitid write writev
";

/// IP of both versions.
const INTERNET: [u32; 2] = [2, 10];
/// What is spoken over IP: the family's own choice, ICMP, TCP and UDP, as streams or datagrams.
/// Others, such as SCTP, DCCP, L2TP and SMC, are modules that the kernel loads for whoever asks, in
/// any network namespace.
const PROTOCOLS: [u32; 5] = [0, 1, 6, 17, 58];
const KINDS: [u32; 2] = [1, 2];
/// The part of a socket's type that is not a flag.
const KIND: u32 = 0xf;
/// Netlink, only to ask for one's own addresses, as `getifaddrs` does.
const NETLINK: u32 = 16;
const NETLINK_ROUTE: u32 = 0;
const UNIX: u32 = 1;

/// Typing into the terminal of whoever looks at the output: `TIOCSTI` and `TIOCLINUX`.
const TYPING: [u32; 2] = [0x5412, 0x541c];

/// Every flag by which `clone` makes namespaces, and that of time, which only `unshare` takes.
const NAMESPACES: u32 = 0x7e02_0000;
const NEW_TIME: u32 = 0x80;

/// `personality` values that ask or that old programs use.
const PERSONALITIES: [u32; 5] = [0, 0x0008, 0x0002_0000, 0x0002_0008, 0xffff_ffff];

const EPERM: u32 = 1;
const ENOSYS: u32 = 38;

/// The profile as the engine's `seccomp=` option takes it.
pub(super) fn profile() -> String {
    let mut calls = vec![json!({
        "names": ALLOWED.split_ascii_whitespace().collect::<Vec<_>>(),
        "action": "SCMP_ACT_ALLOW",
    })];
    calls.push(allow("socket", &[equal(0, UNIX)]));
    for family in INTERNET {
        for kind in KINDS {
            let one = |protocol| {
                allow("socket", &[equal(0, family), masked(1, KIND, kind), equal(2, protocol)])
            };
            calls.extend(PROTOCOLS.map(one));
        }
    }
    calls.push(allow("socket", &[equal(0, NETLINK), equal(2, NETLINK_ROUTE)]));
    calls.push(allow("socketpair", &[equal(0, UNIX)]));
    let other_requests = other_than(1, &TYPING);
    calls.extend(other_requests.map(|request| allow("ioctl", &[request])));
    calls.extend(PERSONALITIES.map(|value| allow("personality", &[equal(0, value)])));
    calls.push(allow("clone", &[none_of(0, NAMESPACES)]));
    calls.push(allow("unshare", &[none_of(0, NAMESPACES | NEW_TIME)]));
    // Its flags lie in memory that a filter cannot read; every libc then uses `clone`.
    calls.push(json!({
        "names": ["clone3"],
        "action": "SCMP_ACT_ERRNO",
        "errnoRet": ENOSYS,
    }));
    json!({
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": EPERM,
        "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64"],
        "syscalls": calls,
    })
    .to_string()
}

fn allow(call: &str, arguments: &[Value]) -> Value {
    json!({ "names": [call], "action": "SCMP_ACT_ALLOW", "args": arguments })
}

fn equal(argument: u32, value: u32) -> Value {
    json!({ "index": argument, "value": value, "op": "SCMP_CMP_EQ" })
}

fn masked(argument: u32, mask: u32, value: u32) -> Value {
    json!({ "index": argument, "value": mask, "valueTwo": value, "op": "SCMP_CMP_MASKED_EQ" })
}

/// Conditions of which every value but these meets one. Of an `ioctl` the kernel looks at 32 bits,
/// and the engine has no inequality under a mask: each condition holds the first bits, up to one in
/// which a value is none of these.
fn other_than(argument: u32, values: &[u32]) -> impl Iterator<Item = Value> {
    let mut beginnings = BTreeSet::new();
    for value in values {
        for mask in (0..u32::BITS).map(|bit| u32::MAX << bit) {
            let last = mask & mask.wrapping_neg();
            let other = (value ^ last) & mask;
            if values.iter().all(|value| value & mask != other) {
                beginnings.insert((mask, other));
            }
        }
    }
    beginnings.into_iter().map(move |(mask, value)| masked(argument, mask, value))
}

fn none_of(argument: u32, flags: u32) -> Value {
    masked(argument, flags, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is a way out, or a way in to somebody else's process.
    const DANGEROUS: &str = "
    _sysctl acct add_key adjtimex afs_syscall bpf chroot clock_adjtime clock_settime delete_module
    fanotify_init fanotify_mark finit_module fsconfig fsmount fsopen fspick get_mempolicy getpmsg
    init_module io_uring_enter io_uring_register io_uring_setup ioperm iopl kcmp kexec_file_load
    kexec_load keyctl lookup_dcookie mbind migrate_pages modify_ldt mount mount_setattr move_mount
    move_pages name_to_handle_at nfsservctl open_by_handle_at open_tree perf_event_open pidfd_getfd
    pivot_root process_madvise process_mrelease process_vm_readv process_vm_writev ptrace putpmsg
    quotactl quotactl_fd reboot request_key security set_mempolicy set_mempolicy_home_node
    setdomainname sethostname setns settimeofday swapoff swapon sysfs syslog tuxcall umount2 uselib
    userfaultfd ustat vhangup vserver listmount open_tree_attr statmount
";

    /// Whether a rule of the profile lets an `ioctl` through.
    fn lets_through(request: u64) -> bool {
        let profile: Value = serde_json::from_str(&profile()).unwrap();
        let rules = profile["syscalls"].as_array().unwrap().iter();
        let mut rules =
            rules.filter(|rule| rule["names"].as_array().unwrap().contains(&json!("ioctl")));
        rules.any(|rule| {
            let argument = &rule["args"][0];
            let (mask, value) = (argument["value"].as_u64(), argument["valueTwo"].as_u64());
            assert_eq!(
                (argument["index"].as_u64(), argument["op"].as_str()),
                (Some(1), Some("SCMP_CMP_MASKED_EQ"))
            );
            request & mask.unwrap() == value.unwrap()
        })
    }

    #[test]
    fn every_request_but_typing_is_let_through() {
        for request in TYPING.map(u64::from) {
            for request in [request, request | 1 << 32, request | u64::MAX << 32] {
                assert!(!lets_through(request), "{request:#x}");
            }
            for bit in 0..u32::BITS {
                assert!(lets_through(request ^ 1 << bit), "{request:#x} but for bit {bit}");
            }
        }
        for request in [0, 0x5401, 0x5413, 0x541b, 0x8004_5430, 0xffff_ffff_8004_5430] {
            assert!(lets_through(request), "{request:#x}");
        }
    }

    #[test]
    fn nothing_dangerous_is_allowed() {
        let allowed: Vec<_> = ALLOWED.split_ascii_whitespace().collect();
        for call in DANGEROUS.split_ascii_whitespace().chain(["clone", "clone3", "ioctl", "socket"])
        {
            assert!(!allowed.contains(&call), "{call}");
        }
        assert!(allowed.is_sorted(), "sorted, so that a reader finds a call");
    }
}
