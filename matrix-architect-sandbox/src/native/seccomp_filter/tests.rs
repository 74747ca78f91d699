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

/// Walks a program as the kernel does, for a call without arguments.
fn walk(program: &[sock_filter], number: u32) -> (u32, usize) {
    let (mut place, mut loaded, mut steps) = (0, 0, 0);
    loop {
        let step = &program[place];
        let code = u32::from(step.code);
        steps += 1;
        place += 1;
        let jump = |taken| usize::from(if taken { step.jt } else { step.jf });
        if code == libc::BPF_RET | libc::BPF_K {
            return (step.k, steps);
        } else if code == libc::BPF_LD | libc::BPF_W | libc::BPF_ABS {
            loaded = match step.k {
                0 => number,
                4 => AUDIT_ARCH,
                _ => 0,
            };
        } else if code == libc::BPF_JMP | libc::BPF_JA {
            place += usize::try_from(step.k).unwrap();
        } else if code == libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K {
            place += jump(loaded == step.k);
        } else if code == libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K {
            place += jump(loaded >= step.k);
        } else if code == libc::BPF_JMP | libc::BPF_JGT | libc::BPF_K {
            place += jump(loaded > step.k);
        } else if code == libc::BPF_ALU | libc::BPF_AND | libc::BPF_K {
            loaded &= step.k;
        } else {
            panic!("an instruction of another kind: {code:#x}");
        }
    }
}

#[cfg(target_arch = "x86_64")]
const AUDIT_ARCH: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const AUDIT_ARCH: u32 = 0xc000_00b7;

/// What a list of rules would say.
fn expected(number: u32, more: &[libc::c_long]) -> Option<u32> {
    let ByNumber::Answer(denied) = DENY else { unreachable!() };
    let ByNumber::Answer(absent) = ABSENT else { unreachable!() };
    let call = libc::c_long::from(number);
    if number >= X32 {
        Some(libc::SECCOMP_RET_KILL_PROCESS)
    } else if number > NEWEST || call == libc::SYS_clone3 {
        Some(absent)
    } else if DENIED.contains(&call) || MAKING.contains(&call) || more.contains(&call) {
        Some(denied)
    } else {
        let inspected = both_rules().unwrap().contains_key(&call);
        (!inspected).then_some(libc::SECCOMP_RET_ALLOW)
    }
}

/// What the kernel makes of several programs: the answer of the first in this order.
fn together(programs: &[&Filters], number: u32) -> u32 {
    let order = [libc::SECCOMP_RET_KILL_PROCESS, libc::SECCOMP_RET_ERRNO, libc::SECCOMP_RET_ALLOW];
    let rank = |answer: &u32| {
        order.iter().position(|action| answer & libc::SECCOMP_RET_ACTION_FULL == *action).unwrap()
    };
    programs.iter().map(|Filters(program)| walk(program, number).0).min_by_key(rank).unwrap()
}

#[test]
fn every_number_is_judged_as_the_lists_say_and_soon() {
    let strictest = [MEMORY_FILES, KERNEL_MEMORY].concat();
    let makers = Filters::compile_for_makers().unwrap();
    let filters = [
        (Filters::compile(), &[][..]),
        (Filters::compile_rest(), &[][..]),
        (Filters::compile_rest_without_memory_files(), MEMORY_FILES),
        (Filters::compile_rest_without_kernel_memory(), &strictest),
    ];
    for (place, (filters, more)) in filters.into_iter().enumerate() {
        let filters = filters.unwrap();
        let is_whole = place == 0;
        let programs = if is_whole { vec![&filters] } else { vec![&filters, &makers] };
        let edges = [X32 - 1, X32, X32 + 1, u32::MAX];
        for number in (0..2048).chain(edges) {
            if let Some(expected) = expected(number, more) {
                assert_eq!(together(&programs, number), expected, "call {number}");
                for Filters(program) in &programs {
                    let (_, steps) = walk(program, number);
                    assert!(steps <= 16, "{steps} steps for call {number}");
                }
            }
        }
    }
}

#[test]
fn both_parts_have_all_rules_and_none_twice() {
    let (makers, rest) = (rules_for_makers().unwrap(), rules_for_the_rest().unwrap());
    assert_eq!(both_rules().unwrap().len(), makers.len() + rest.len());
    assert!(MAKING.iter().all(|call| !DENIED.contains(call)));
}
