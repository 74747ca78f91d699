//! The system call filter: what no build or test needs and what has been a way out of a sandbox.
//!
//! Denied calls answer `EPERM`, so that programs which only try go on; `clone3` answers `ENOSYS`,
//! because its flags lie in memory that a filter cannot read and every libc then uses `clone`.
//! Calls younger than [`NEWEST`] answer `ENOSYS`, as on the kernel they were not there yet. Calls
//! through another architecture's entry, i386 and x32, end the process.

use std::{collections::BTreeMap, io};

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as Length, SeccompCmpOp as Op, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch, sock_filter,
};

use super::fault::Fault;

/// The last call that was looked at: `file_setattr` of Linux 6.17, the same on all architectures.
const NEWEST: u32 = 469;

/// Calls that are denied whatever their arguments.
const DENIED: &[libc::c_long] = &[
    // Other processes' secrets, and the kernel's.
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_kcmp,
    libc::SYS_syslog,
    libc::SYS_name_to_handle_at,
    libc::SYS_open_by_handle_at,
    libc::SYS_fanotify_init,
    libc::SYS_lookup_dcookie,
    // Large and young interfaces.
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    // Mounts and namespaces.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_setns,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    STATMOUNT,
    LISTMOUNT,
    OPEN_TREE_ATTR,
    // The machine.
    libc::SYS_kexec_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_vhangup,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_kexec_file_load,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_iopl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ioperm,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_modify_ldt,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_uselib,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_sysfs,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ustat,
];

// Younger than the libc crate's tables; numbers since 5.1 are the same on all architectures.
const STATMOUNT: libc::c_long = 457;
const LISTMOUNT: libc::c_long = 458;
const OPEN_TREE_ATTR: libc::c_long = 467;

/// Every flag by which `clone` and `unshare` make namespaces.
const NAMESPACE_FLAGS: [libc::c_int; 8] = [
    libc::CLONE_NEWNS,
    libc::CLONE_NEWCGROUP,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
    0x80, // CLONE_NEWTIME
];

/// Socket families that work without leaving the sandbox. Netlink only to ask for one's own
/// addresses, as `getifaddrs` does.
const FAMILIES: [libc::c_int; 4] = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];

/// What is spoken over IP: the family's own choice, ICMP, TCP and UDP. Others, such as
/// SCTP, DCCP, L2TP and SMC, are modules that the kernel loads for whoever asks, in any network
/// namespace.
const PROTOCOLS: [libc::c_int; 5] =
    [0, libc::IPPROTO_ICMP, libc::IPPROTO_TCP, libc::IPPROTO_UDP, libc::IPPROTO_ICMPV6];

/// The part of a socket's type that is not a flag.
const SOCKET_KIND: u64 = 0xf;
/// Types for which those modules are the family's own choice: reliable datagrams, sequenced
/// packets, DCCP, and raw frames by their old name.
const OTHER_KINDS: [u64; 4] = [4, 5, 6, 10];

/// `personality` values that ask or that debuggers and old programs use.
const PERSONALITIES: [u64; 5] = [0, 0x0008, 0x0002_0000, 0x0002_0008, 0xffff_ffff];

/// The compiled program.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filters(BpfProgram);

impl Filters {
    pub(crate) fn compile() -> Result<Self, Fault> {
        Self::of(BTreeMap::new())
    }

    /// The same for where nobody counts memory that belongs to no process: without files in
    /// memory, which live as long as somebody has them open.
    pub(crate) fn compile_without_memory_files() -> Result<Self, Fault> {
        let calls = [libc::SYS_memfd_create, libc::SYS_memfd_secret];
        Self::of(calls.map(|call| (call, Vec::new())).into())
    }

    fn of(more: Rules) -> Result<Self, Fault> {
        program(more).map(Self).map_err(|cause| {
            Fault::new("compiling the system call filter", &io::Error::other(cause))
        })
    }

    /// The program as other loaders take it: `struct sock_filter` after `struct sock_filter`, in
    /// the machine's byte order.
    #[cfg(feature = "bwrap")]
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let bytes = |filter: &sock_filter| {
            let [code, more] = filter.code.to_ne_bytes();
            let [a, b, c, d] = filter.k.to_ne_bytes();
            [code, more, filter.jt, filter.jf, a, b, c, d]
        };
        self.0.iter().flat_map(bytes).collect()
    }

    /// Puts the calling thread under the filter for good.
    pub(super) fn apply(&self) -> Result<(), Fault> {
        seccompiler::apply_filter(&self.0).map_err(|cause| {
            Fault::new("applying the system call filter", &io::Error::other(cause))
        })
    }
}

/// How a compiled program begins: it loads the architecture, goes on if it is the right one, and
/// ends the process otherwise.
const ENTRY: usize = 3;

/// One program, because each one is looked through at every call.
fn program(more: Rules) -> Result<BpfProgram, seccompiler::BackendError> {
    let errno = SeccompAction::Errno(libc::EPERM.cast_unsigned());
    let arch = TargetArch::try_from(std::env::consts::ARCH)?;
    let mut rules = denied()?;
    rules.extend(more);
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, errno, arch)?;
    let mut program: BpfProgram = filter.try_into()?;
    program.splice(ENTRY..ENTRY, numbers());
    Ok(program)
}

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

fn denied() -> Result<Rules, seccompiler::BackendError> {
    let word = |argument, op, value: u64| SeccompCondition::new(argument, Length::Dword, op, value);
    let number = |value: libc::c_int| u64::from(value.cast_unsigned());
    let mut rules: Rules = DENIED.iter().map(|call| (*call, Vec::new())).collect();
    for call in [libc::SYS_clone, libc::SYS_unshare] {
        let flags = NAMESPACE_FLAGS.map(number);
        let any = flags.map(|flag| SeccompRule::new(vec![word(0, Op::MaskedEq(flag), flag)?]));
        rules.insert(call, any.into_iter().collect::<Result<_, _>>()?);
    }
    let none_of = FAMILIES.map(|family| word(0, Op::Ne, number(family)));
    let other_family = SeccompRule::new(none_of.into_iter().collect::<Result<_, _>>()?)?;
    let other_netlink = SeccompRule::new(vec![
        word(0, Op::Eq, number(libc::AF_NETLINK))?,
        word(2, Op::Ne, number(libc::NETLINK_ROUTE))?,
    ])?;
    let mut sockets = vec![other_family, other_netlink];
    for family in [libc::AF_INET, libc::AF_INET6].map(number) {
        let mut others = vec![word(0, Op::Eq, family)?];
        for protocol in PROTOCOLS.map(number) {
            others.push(word(2, Op::Ne, protocol)?);
        }
        sockets.push(SeccompRule::new(others)?);
        for kind in OTHER_KINDS {
            let kind = word(1, Op::MaskedEq(SOCKET_KIND), kind)?;
            sockets.push(SeccompRule::new(vec![word(0, Op::Eq, family)?, kind])?);
        }
    }
    rules.insert(libc::SYS_socket, sockets);
    let unix = SeccompRule::new(vec![word(0, Op::Ne, number(libc::AF_UNIX))?])?;
    rules.insert(libc::SYS_socketpair, vec![unix]);
    let none_of = PERSONALITIES.map(|value| word(0, Op::Ne, value));
    let other = SeccompRule::new(none_of.into_iter().collect::<Result<_, _>>()?)?;
    rules.insert(libc::SYS_personality, vec![other]);
    // Typing into the terminal of whoever looks at the output.
    let inject = [libc::TIOCSTI, libc::TIOCLINUX]
        .map(|request| SeccompRule::new(vec![word(1, Op::Eq, request & 0xffff_ffff)?]));
    rules.insert(libc::SYS_ioctl, inject.into_iter().collect::<Result<_, _>>()?);
    Ok(rules)
}

/// Judges the call's number alone: x32's bit ends the process, unknown numbers and `clone3` are
/// absent.
fn numbers() -> BpfProgram {
    const X32: u32 = 0x4000_0000;
    let instruction =
        |code: u32, jt, jf, k| sock_filter { code: u16::try_from(code).unwrap_or(0), jt, jf, k };
    let load = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
    let at_least = libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K;
    let equal = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
    let answer = libc::BPF_RET | libc::BPF_K;
    let clone3 = u32::try_from(libc::SYS_clone3).unwrap_or(u32::MAX);
    vec![
        // The number is the first word of `struct seccomp_data`.
        instruction(load, 0, 0, 0),
        instruction(at_least, 0, 1, X32),
        instruction(answer, 0, 0, libc::SECCOMP_RET_KILL_PROCESS),
        instruction(at_least, 1, 0, NEWEST + 1),
        instruction(equal, 0, 1, clone3),
        instruction(answer, 0, 0, libc::SECCOMP_RET_ERRNO | libc::ENOSYS.cast_unsigned()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compiled_program_begins_with_the_architecture_alone() {
        let Filters(program) = Filters::compile().unwrap();
        let codes: Vec<_> = program[..=ENTRY].iter().map(|step| u32::from(step.code)).collect();
        let load = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
        let equal = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
        let answer = libc::BPF_RET | libc::BPF_K;
        assert_eq!(codes, [load, equal, answer, load]);
        assert_eq!((program[0].k, program[ENTRY].k), (4, 0), "architecture, then number");
        assert_eq!((program[1].jt, program[1].jf), (1, 0));
        assert_eq!(program[2].k, libc::SECCOMP_RET_KILL_PROCESS);
    }
}
