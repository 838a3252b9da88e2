//! The filter of mode `seccomp`: calls that would fail for want of privileges succeed and do nothing.
//!
//! One program serves every system call table that the kernel may run us under: it looks at the
//! architecture first, then compares the number with that table's faked calls. A table the filter does
//! not know is left to the kernel.
//!
//! ```text
//! load arch
//! for each table:  not this one? skip the block
//!                  load number; faked? -> success
//!                  mknod, mknodat: load mode; device? -> success
//!                  allow
//! allow
//! ```

mod tables;

use ch_linux::seccomp::{Field, Instruction, Verdict};

use tables::{TABLES, Table};

/// `S_IFMT`: the bits of a mode that say what kind of file it is.
const FILE_TYPE: u32 = 0o170_000;
/// `S_IFCHR` and `S_IFBLK`: the kinds that only a privileged caller may make.
const DEVICES: [u32; 2] = [0o020_000, 0o060_000];

/// The whole program.
pub(crate) fn pretend_success() -> Vec<Instruction> {
    let mut program = vec![Instruction::load(Field::Architecture)];
    for table in TABLES {
        let block = block(table);
        program.push(Instruction::unless_equal(
            table.architecture,
            distance(block.len()),
        ));
        program.extend(block);
    }
    program.push(Instruction::answer(Verdict::Allow));
    program
}

/// What is done for a call of `table`. Falls through to its end only if the call belongs to the table's
/// sibling with the same architecture (x86-64 and x32).
fn block(table: &Table) -> Vec<Instruction> {
    let mut calls = Vec::new();
    for &number in table.faked {
        calls.push(Instruction::unless_equal(number | table.bit, 1));
        calls.push(Instruction::answer(Verdict::Succeed));
    }
    for &(number, argument) in table.mknod {
        let test = device_test(argument);
        calls.push(Instruction::unless_equal(
            number | table.bit,
            distance(test.len()),
        ));
        calls.extend(test);
    }
    calls.push(Instruction::answer(Verdict::Allow));

    let mut block = vec![Instruction::load(Field::Number)];
    if let Some(sibling) = table.sibling_bit {
        let ours = table.bit == sibling;
        block.push(Instruction::if_bit_differs(
            sibling,
            ours,
            distance(calls.len()),
        ));
    }
    block.extend(calls);
    if table.sibling_bit.is_some() {
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
    for device in DEVICES {
        test.push(Instruction::unless_equal(device, 1));
        test.push(Instruction::answer(Verdict::Succeed));
    }
    test.push(Instruction::answer(Verdict::Allow));
    test
}

/// A jump over `instructions`.
fn distance(instructions: usize) -> u8 {
    u8::try_from(instructions).expect("the largest table's block has fewer than 255 instructions")
}

#[cfg(test)]
mod interpreter;
#[cfg(test)]
mod tests;
