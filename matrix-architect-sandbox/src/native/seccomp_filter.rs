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
    // Mounts that are looked at, and roots that are left.
    libc::SYS_chroot,
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

/// Calls that are denied whatever their arguments, once what holds a command has been made by them.
const MAKING: &[libc::c_long] = &[
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_setns,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_sethostname,
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

/// A compiled program.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filters(BpfProgram);

impl Filters {
    /// The whole filter in one program.
    #[cfg(any(feature = "bwrap", test))]
    pub(crate) fn compile() -> Result<Self, Fault> {
        Self::of(&[DENIED, MAKING], both_rules, YOUNG)
    }

    /// What processes that make sessions do without, and all that they start.
    pub(super) fn compile_for_makers() -> Result<Self, Fault> {
        Self::of(&[DENIED], rules_for_makers, YOUNG)
    }

    /// The rest of the filter.
    pub(super) fn compile_rest() -> Result<Self, Fault> {
        Self::of(&[MAKING], rules_for_the_rest, ALLOW)
    }

    /// The same for where nobody counts memory that belongs to no process: without files in
    /// memory, which live as long as somebody has them open.
    pub(super) fn compile_rest_without_memory_files() -> Result<Self, Fault> {
        Self::of(&[MAKING, MEMORY_FILES], rules_for_the_rest, ALLOW)
    }

    /// The same for where nobody bounds the ipc namespace either: without message queues and
    /// semaphores, which are the kernel's own memory until the session ends. Shared segments are
    /// counted by the watch over memory.
    pub(super) fn compile_rest_without_kernel_memory() -> Result<Self, Fault> {
        Self::of(&[MAKING, MEMORY_FILES, KERNEL_MEMORY], rules_for_the_rest, ALLOW)
    }

    fn of(
        denied: &[&[libc::c_long]],
        rules: fn() -> Result<Rules, seccompiler::BackendError>,
        young: ByNumber,
    ) -> Result<Self, Fault> {
        let made = rules().and_then(|rules| program(&denied.concat(), rules, young));
        made.map(Self).map_err(|cause| {
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

const MEMORY_FILES: &[libc::c_long] = &[libc::SYS_memfd_create, libc::SYS_memfd_secret];
const KERNEL_MEMORY: &[libc::c_long] = &[libc::SYS_msgget, libc::SYS_semget];

/// How a program compiled from rules begins: it loads the architecture, goes on if it is the right
/// one, and ends the process otherwise.
const ENTRY: usize = 3;

/// One program, because each one is looked through at every call whose arguments count. Numbers alone
/// decide first; only those calls go through the rules.
fn program(
    denied: &[libc::c_long],
    rules: Rules,
    young: ByNumber,
) -> Result<BpfProgram, seccompiler::BackendError> {
    let errno = SeccompAction::Errno(libc::EPERM.cast_unsigned());
    let arch = TargetArch::try_from(std::env::consts::ARCH)?;
    let numbers = by_number(rules.keys().copied(), denied.iter().copied(), young);
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, errno, arch)?;
    let mut program: BpfProgram = filter.try_into()?;
    program.splice(ENTRY..ENTRY, numbers);
    Ok(program)
}

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

#[cfg(any(feature = "bwrap", test))]
fn both_rules() -> Result<Rules, seccompiler::BackendError> {
    let mut rules = rules_for_makers()?;
    rules.extend(rules_for_the_rest()?);
    Ok(rules)
}

fn word(argument: u8, op: Op, value: u64) -> Result<SeccompCondition, seccompiler::BackendError> {
    SeccompCondition::new(argument, Length::Dword, op, value)
}

fn number(value: libc::c_int) -> u64 {
    u64::from(value.cast_unsigned())
}

/// Flags with which commands make no namespaces.
fn rules_for_the_rest() -> Result<Rules, seccompiler::BackendError> {
    let mut rules = Rules::new();
    for call in [libc::SYS_clone, libc::SYS_unshare] {
        let flags = NAMESPACE_FLAGS.map(number);
        let any = flags.map(|flag| SeccompRule::new(vec![word(0, Op::MaskedEq(flag), flag)?]));
        rules.insert(call, any.into_iter().collect::<Result<_, _>>()?);
    }
    Ok(rules)
}

/// Calls that are denied for some of their arguments, to whoever makes them.
fn rules_for_makers() -> Result<Rules, seccompiler::BackendError> {
    let mut rules = Rules::new();
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

/// What a call's number alone decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ByNumber {
    Answer(u32),
    /// Its arguments count: the rules decide.
    Inspect,
}

const ALLOW: ByNumber = ByNumber::Answer(libc::SECCOMP_RET_ALLOW);
const DENY: ByNumber = ByNumber::Answer(libc::SECCOMP_RET_ERRNO | libc::EPERM.cast_unsigned());
const ABSENT: ByNumber = ByNumber::Answer(libc::SECCOMP_RET_ERRNO | libc::ENOSYS.cast_unsigned());
/// What calls younger than [`NEWEST`] answer where they have not been answered already.
const YOUNG: ByNumber = ABSENT;
const KILL: ByNumber = ByNumber::Answer(libc::SECCOMP_RET_KILL_PROCESS);

/// The bit of x32's calls on x86-64; elsewhere no call has it.
const X32: u32 = 0x4000_0000;

/// Judges the call's number: a search tree over ranges of numbers, so that eight steps decide where a
/// list would take a hundred. The kernel walks a new filter once for every call there is
/// (`seccomp_cache_prepare` of Linux 5.11 and newer), so the start of a command pays for each step
/// 470 times.
fn by_number(
    inspected: impl Iterator<Item = libc::c_long>,
    denied: impl Iterator<Item = libc::c_long>,
    young: ByNumber,
) -> BpfProgram {
    let number = |call: libc::c_long| u32::try_from(call).unwrap_or(u32::MAX);
    let mut verdicts: BTreeMap<u32, ByNumber> = denied.map(|call| (number(call), DENY)).collect();
    verdicts.extend(inspected.map(|call| (number(call), ByNumber::Inspect)));
    verdicts.insert(number(libc::SYS_clone3), young);
    let mut ranges = vec![(0, ALLOW)];
    let mut begin = |from, verdict| match ranges.last_mut() {
        Some((_, last)) if *last == verdict => {}
        Some((start, last)) if *start == from => *last = verdict,
        _ => ranges.push((from, verdict)),
    };
    for (call, verdict) in verdicts {
        begin(call, verdict);
        begin(call + 1, ALLOW);
    }
    begin(NEWEST + 1, young);
    begin(X32, KILL);
    let mut program = vec![instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0)];
    grow(&ranges, &mut program);
    let end = program.len();
    for (place, step) in program.iter_mut().enumerate() {
        if u32::from(step.code) == libc::BPF_JMP | libc::BPF_JA {
            step.k = u32::try_from(end - place - 1).unwrap_or(0);
        }
    }
    program
}

/// Adds the tree that tells `ranges`, each given by its first number, apart.
fn grow(ranges: &[(u32, ByNumber)], program: &mut BpfProgram) {
    if let [(_, verdict)] = ranges {
        program.push(match verdict {
            ByNumber::Answer(answer) => instruction(libc::BPF_RET | libc::BPF_K, 0, 0, *answer),
            // How far it is to the end is filled in when all is there.
            ByNumber::Inspect => instruction(libc::BPF_JMP | libc::BPF_JA, 0, 0, 0),
        });
        return;
    }
    let (below, above) = ranges.split_at(ranges.len() / 2);
    let fork = program.len();
    let at_least = libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K;
    program.push(instruction(at_least, 0, 0, above[0].0));
    grow(below, program);
    // A tree of n ranges has 2n - 1 steps, of which the lower half are jumped over: a byte holds it
    // up to 256 ranges, and there are half as many.
    program[fork].jt = u8::try_from(program.len() - fork - 1).unwrap_or(u8::MAX);
    grow(above, program);
}

fn instruction(code: u32, jt: u8, jf: u8, k: u32) -> sock_filter {
    sock_filter { code: u16::try_from(code).unwrap_or(0), jt, jf, k }
}

#[cfg(test)]
mod tests;
