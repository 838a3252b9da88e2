//! The filters of the modes: which calls are answered, and by whom.
//!
//! One program serves every system call table that the kernel may run us under: it looks at the
//! architecture first, then compares the number with that table's calls. A table the filter does
//! not know is left to the kernel.
//!
//! ```text
//! load arch
//! for each table:  not this one? skip the block
//!                  load number; one of ours? look at an argument, if need be -> verdict
//!                  allow
//! allow
//! ```

use ch_linux::Errno;
use ch_linux::seccomp::{Field, Instruction, Verdict};

use crate::calls::{Call, Concern, SOL_SOCKET, Table, X32_BIT};

/// `S_IFMT`: the bits of a mode that say what kind of file it is.
const FILE_TYPE: u32 = 0o170_000;
/// `S_IFCHR` and `S_IFBLK`: the kinds that only a privileged caller may make.
const DEVICES: [u32; 2] = [0o020_000, 0o060_000];

/// Of mode `seccomp`: calls that would fail for want of privileges succeed and do nothing.
pub(crate) fn pretend_success() -> Vec<Instruction> {
    program(|call| match call {
        Call::Mknod => Some(device_test(1)),
        Call::Mknodat => Some(device_test(2)),
        _ => is_privileged(call).then(|| vec![Instruction::answer(Verdict::Succeed)]),
    })
}

/// Of mode `supervisor`: calls that concern it are put to it.
pub(crate) fn ask() -> Vec<Instruction> {
    program(|call| Some(concern_test(call.concern())))
}

fn is_privileged(call: Call) -> bool {
    use Call::{
        Capset, Chown, Fchown, Fchownat, KexecLoad, Lchown, Setfsgid, Setfsuid, Setgid, Setgroups,
        Setregid, Setresgid, Setresuid, Setreuid, Setuid,
    };
    matches!(
        call,
        Chown
            | Lchown
            | Fchown
            | Fchownat
            | Setuid
            | Setgid
            | Setreuid
            | Setregid
            | Setresuid
            | Setresgid
            | Setfsuid
            | Setfsgid
            | Setgroups
            | Capset
            | KexecLoad
    )
}

/// The whole program, with what `of` makes of a call; the tests must end with an answer.
fn program(of: impl Fn(Call) -> Option<Vec<Instruction>>) -> Vec<Instruction> {
    let mut program = vec![Instruction::load(Field::Architecture)];
    for table in Table::ALL {
        let block = block(table, &of);
        program.push(Instruction::if_equal(table.architecture(), 1));
        program.push(Instruction::skip(long_distance(block.len())));
        program.extend(block);
    }
    program.push(Instruction::answer(Verdict::Allow));
    program
}

/// What is done for a call of `table`. Falls through to its end only if the call belongs to the table's
/// sibling with the same architecture (x86-64 and x32).
fn block(table: Table, of: &impl Fn(Call) -> Option<Vec<Instruction>>) -> Vec<Instruction> {
    let mut calls = Vec::new();
    for (number, call, _) in table.calls() {
        if let Some(test) = of(call) {
            calls.push(Instruction::unless_equal(number, distance(test.len())));
            calls.extend(test);
        }
    }
    calls.push(Instruction::answer(Verdict::Allow));

    let mut block = vec![Instruction::load(Field::Number)];
    let has_sibling = matches!(table, Table::X86_64 | Table::X32);
    if has_sibling {
        let ours = table == Table::X32;
        block.push(Instruction::if_bit_differs(X32_BIT, !ours, 1));
        block.push(Instruction::skip(long_distance(calls.len())));
    }
    block.extend(calls);
    if has_sibling {
        block.push(Instruction::load(Field::Architecture));
    }
    block
}

/// Succeeds if the mode in `argument` is a device's, else lets the kernel do it.
fn device_test(argument: u8) -> Vec<Instruction> {
    let mut test = vec![
        Instruction::load(Field::Argument(argument)),
        Instruction::and(FILE_TYPE),
    ];
    test.extend(one_of(&DEVICES, Verdict::Succeed));
    test
}

/// Asks if the call concerns the supervisor.
fn concern_test(concern: Concern) -> Vec<Instruction> {
    match concern {
        Concern::All => vec![Instruction::answer(Verdict::Ask)],
        Concern::Refused => vec![Instruction::answer(Verdict::Fail(
            Errno::NOSYS.raw_os_error(),
        ))],
        Concern::Bits(argument, bits) => vec![
            Instruction::load(Field::Argument(argument)),
            Instruction::if_bit_differs(bits, true, 1),
            Instruction::answer(Verdict::Ask),
            Instruction::answer(Verdict::Allow),
        ],
        Concern::OneOf(argument, values) => {
            let mut test = vec![Instruction::load(Field::Argument(argument))];
            test.extend(one_of(values, Verdict::Ask));
            test
        }
        Concern::SocketOption(options) => {
            let mut rest = vec![Instruction::load(Field::Argument(2))];
            rest.extend(one_of(options, Verdict::Ask));
            // To the answer at the end.
            let past = distance(rest.len() - 1);
            let mut test = vec![
                Instruction::load(Field::Argument(1)),
                Instruction::unless_equal(SOL_SOCKET, past),
            ];
            test.extend(rest);
            test
        }
    }
}

/// The verdict if the accumulator is one of `values`, else the kernel's answer.
fn one_of(values: &[u32], verdict: Verdict) -> Vec<Instruction> {
    let mut test = Vec::new();
    for value in values {
        test.push(Instruction::unless_equal(*value, 1));
        test.push(Instruction::answer(verdict));
    }
    test.push(Instruction::answer(Verdict::Allow));
    test
}

/// A jump over the few `instructions` of one call's test.
fn distance(instructions: usize) -> u8 {
    u8::try_from(instructions).expect("a test has fewer than 255 instructions")
}

/// A jump over all `instructions` of a table.
fn long_distance(instructions: usize) -> u32 {
    u32::try_from(instructions).expect("a program has at most 4096 instructions")
}

#[cfg(test)]
mod interpreter;
#[cfg(test)]
mod tests;
