//! The filter, run by an interpreter of the instructions it uses.

use ch_linux::seccomp::Verdict;

use super::interpreter::{Call, NOT_THERE};
use super::{ask, pretend_success};

const AUDIT_X86_64: u32 = 0xC000_003E;
const AUDIT_I386: u32 = 0x4000_0003;
const AUDIT_AARCH64: u32 = 0xC000_00B7;
const AUDIT_ARM: u32 = 0x4000_0028;
const AUDIT_RISCV64: u32 = 0xC000_00F3;

/// What the filter says to one call.
fn verdict(architecture: u32, number: u32, arguments: [u64; 6]) -> Verdict {
    Call {
        architecture,
        number,
        arguments,
    }
    .judge(&pretend_success())
    .expect("a valid program")
}

/// name, architecture, number, arguments, whether it is faked
type Row = (&'static str, u32, u32, [u64; 6], bool);

const CHARACTER: u64 = 0o020_666;
const BLOCK: u64 = 0o060_660;
const FIFO: u64 = 0o010_644;
const REGULAR: u64 = 0o100_644;
const UNTYPED: u64 = 0o644;
/// The kernel looks at 16 bits of a mode; what a program leaves above them means nothing.
const CHARACTER_WITH_RUBBISH: u64 = 0xdead_0000_0000_0000 | CHARACTER;

const ROWS: &[Row] = &[
    ("x86_64 chown", AUDIT_X86_64, 92, [0; 6], true),
    ("x86_64 fchownat", AUDIT_X86_64, 260, [0; 6], true),
    ("x86_64 setgroups", AUDIT_X86_64, 116, [0; 6], true),
    ("x86_64 setresuid", AUDIT_X86_64, 117, [0; 6], true),
    ("x86_64 capset", AUDIT_X86_64, 126, [0; 6], true),
    ("x86_64 kexec_load", AUDIT_X86_64, 246, [0; 6], true),
    ("x86_64 read", AUDIT_X86_64, 0, [0; 6], false),
    ("x86_64 openat", AUDIT_X86_64, 257, [0; 6], false),
    ("x86_64 getuid", AUDIT_X86_64, 102, [0; 6], false),
    ("x86_64 fchmodat", AUDIT_X86_64, 268, [0; 6], false),
    (
        "x86_64 number of x32's kexec_load",
        AUDIT_X86_64,
        528,
        [0; 6],
        false,
    ),
    (
        "x86_64 mknod, character device",
        AUDIT_X86_64,
        133,
        [0, CHARACTER, 0, 0, 0, 0],
        true,
    ),
    (
        "x86_64 mknod, block device",
        AUDIT_X86_64,
        133,
        [0, BLOCK, 0, 0, 0, 0],
        true,
    ),
    (
        "x86_64 mknod, fifo",
        AUDIT_X86_64,
        133,
        [0, FIFO, 0, 0, 0, 0],
        false,
    ),
    (
        "x86_64 mknod, file",
        AUDIT_X86_64,
        133,
        [0, REGULAR, 0, 0, 0, 0],
        false,
    ),
    (
        "x86_64 mknod, no type",
        AUDIT_X86_64,
        133,
        [0, UNTYPED, 0, 0, 0, 0],
        false,
    ),
    (
        "x86_64 mknod, rubbish",
        AUDIT_X86_64,
        133,
        [0, CHARACTER_WITH_RUBBISH, 0, 0, 0, 0],
        true,
    ),
    (
        "x86_64 mknodat, device",
        AUDIT_X86_64,
        259,
        [0, 0, CHARACTER, 0, 0, 0],
        true,
    ),
    (
        "x86_64 mknodat, mode elsewhere",
        AUDIT_X86_64,
        259,
        [0, CHARACTER, FIFO, 0, 0, 0],
        false,
    ),
    ("x32 chown", AUDIT_X86_64, 0x4000_0000 | 92, [0; 6], true),
    (
        "x32 kexec_load",
        AUDIT_X86_64,
        0x4000_0000 | 528,
        [0; 6],
        true,
    ),
    (
        "x32 number of x86_64's kexec_load",
        AUDIT_X86_64,
        0x4000_0000 | 246,
        [0; 6],
        false,
    ),
    (
        "x32 mknod, device",
        AUDIT_X86_64,
        0x4000_0000 | 133,
        [0, BLOCK, 0, 0, 0, 0],
        true,
    ),
    ("x32 read", AUDIT_X86_64, 0x4000_0000, [0; 6], false),
    ("i386 chown", AUDIT_I386, 182, [0; 6], true),
    ("i386 chown32", AUDIT_I386, 212, [0; 6], true),
    ("i386 setgroups32", AUDIT_I386, 206, [0; 6], true),
    (
        "i386 mknodat, device",
        AUDIT_I386,
        297,
        [0, 0, CHARACTER, 0, 0, 0],
        true,
    ),
    (
        "i386 number of x86_64's chown",
        AUDIT_I386,
        92,
        [0; 6],
        false,
    ),
    ("aarch64 fchownat", AUDIT_AARCH64, 54, [0; 6], true),
    ("aarch64 setgroups", AUDIT_AARCH64, 159, [0; 6], true),
    (
        "aarch64 mknodat, device",
        AUDIT_AARCH64,
        33,
        [0, 0, BLOCK, 0, 0, 0],
        true,
    ),
    (
        "aarch64 mknodat, file",
        AUDIT_AARCH64,
        33,
        [0, 0, REGULAR, 0, 0, 0],
        false,
    ),
    ("aarch64 fchmod", AUDIT_AARCH64, 52, [0; 6], false),
    ("arm fchownat", AUDIT_ARM, 325, [0; 6], true),
    (
        "arm mknodat, device",
        AUDIT_ARM,
        324,
        [0, 0, CHARACTER, 0, 0, 0],
        true,
    ),
    (
        "arm number of i386's fchownat",
        AUDIT_ARM,
        298,
        [0; 6],
        false,
    ),
    ("unknown architecture", AUDIT_RISCV64, 54, [0; 6], false),
];

#[test]
#[expect(
    clippy::print_stdout,
    reason = "the count of rows belongs in the test's output"
)]
fn privileged_calls_succeed_and_the_rest_is_native() {
    for &(name, architecture, number, arguments, faked) in ROWS {
        let expected = if faked {
            Verdict::Succeed
        } else {
            Verdict::Allow
        };
        assert_eq!(verdict(architecture, number, arguments), expected, "{name}");
    }
    println!("root-emulation.md seccomp mode: {} rows", ROWS.len());
}

/// Numbers of the faked calls, from the kernel's tables; `mknod` and its like aside.
const FAKED: [(u32, u32, &[u32]); 5] = [
    (
        AUDIT_X86_64,
        0,
        &[
            92, 93, 94, 260, 105, 106, 113, 114, 116, 117, 119, 122, 123, 126, 246,
        ],
    ),
    (
        AUDIT_X86_64,
        0x4000_0000,
        &[
            92, 93, 94, 260, 105, 106, 113, 114, 116, 117, 119, 122, 123, 126, 528,
        ],
    ),
    (
        AUDIT_I386,
        0,
        &[
            182, 95, 16, 212, 207, 198, 298, 23, 46, 70, 71, 81, 164, 170, 138, 139, 213, 214, 203,
            204, 206, 208, 210, 215, 216, 185, 283,
        ],
    ),
    (
        AUDIT_AARCH64,
        0,
        &[55, 54, 146, 144, 145, 143, 159, 147, 149, 151, 152, 91, 104],
    ),
    (
        AUDIT_ARM,
        0,
        &[
            182, 95, 16, 212, 207, 198, 325, 23, 46, 70, 71, 81, 164, 170, 138, 139, 213, 214, 203,
            204, 206, 208, 210, 215, 216, 185, 347,
        ],
    ),
];

#[test]
fn each_table_fakes_exactly_its_numbers() {
    for (architecture, bit, faked) in FAKED {
        for number in 0..600 {
            let expected = if faked.contains(&number) {
                Verdict::Succeed
            } else {
                Verdict::Allow
            };
            let said = verdict(architecture, number | bit, [0; 6]);
            assert_eq!(said, expected, "{architecture:x} {number}");
        }
    }
}

const CREATE: u64 = 0o101;
const TEMPORARY: u64 = 0o20_200_002;
const ASKED: [(&str, u32, u32, [u64; 6], Verdict); 22] = [
    ("read", AUDIT_X86_64, 0, [0; 6], Verdict::Allow),
    ("chown", AUDIT_X86_64, 92, [0; 6], Verdict::Ask),
    ("newfstatat", AUDIT_X86_64, 262, [0; 6], Verdict::Ask),
    ("plain openat", AUDIT_X86_64, 257, [0; 6], Verdict::Allow),
    (
        "creating openat",
        AUDIT_X86_64,
        257,
        [0, 0, CREATE, 0, 0, 0],
        Verdict::Ask,
    ),
    (
        "temporary openat",
        AUDIT_X86_64,
        257,
        [0, 0, TEMPORARY, 0, 0, 0],
        Verdict::Ask,
    ),
    (
        "O_DIRECTORY openat",
        AUDIT_X86_64,
        257,
        [0, 0, 0o200_000, 0, 0, 0],
        Verdict::Allow,
    ),
    (
        "creating open",
        AUDIT_X86_64,
        2,
        [0, CREATE, 0, 0, 0, 0],
        Verdict::Ask,
    ),
    (
        "open with a mode",
        AUDIT_X86_64,
        2,
        [0, 0, CREATE, 0, 0, 0],
        Verdict::Allow,
    ),
    ("openat2", AUDIT_X86_64, 437, [0; 6], Verdict::Ask),
    (
        "PR_SET_NAME",
        AUDIT_X86_64,
        157,
        [15, 0, 0, 0, 0, 0],
        Verdict::Allow,
    ),
    (
        "PR_SET_KEEPCAPS",
        AUDIT_X86_64,
        157,
        [8, 1, 0, 0, 0, 0],
        Verdict::Ask,
    ),
    (
        "PR_SET_TIMERSLACK",
        AUDIT_X86_64,
        157,
        [29, 1, 0, 0, 0, 0],
        Verdict::Ask,
    ),
    (
        "SO_PEERCRED",
        AUDIT_X86_64,
        55,
        [3, 1, 17, 0, 0, 0],
        Verdict::Ask,
    ),
    (
        "SO_ERROR",
        AUDIT_X86_64,
        55,
        [3, 1, 4, 0, 0, 0],
        Verdict::Allow,
    ),
    (
        "17 of another level",
        AUDIT_X86_64,
        55,
        [3, 6, 17, 0, 0, 0],
        Verdict::Allow,
    ),
    ("io_uring_setup", AUDIT_X86_64, 425, [0; 6], NOT_THERE),
    ("kexec_load", AUDIT_X86_64, 246, [0; 6], NOT_THERE),
    (
        "x32 execve",
        AUDIT_X86_64,
        0x4000_0000 | 520,
        [0; 6],
        Verdict::Ask,
    ),
    (
        "i386 socketcall getsockopt",
        AUDIT_I386,
        102,
        [15, 0, 0, 0, 0, 0],
        Verdict::Ask,
    ),
    (
        "i386 socketcall send",
        AUDIT_I386,
        102,
        [9, 0, 0, 0, 0, 0],
        Verdict::Allow,
    ),
    (
        "aarch64 openat",
        AUDIT_AARCH64,
        56,
        [0, 0, CREATE, 0, 0, 0],
        Verdict::Ask,
    ),
];

#[test]
fn the_supervisor_is_asked_about_what_concerns_it() {
    for (name, architecture, number, arguments, expected) in ASKED {
        let call = Call {
            architecture,
            number,
            arguments,
        };
        assert_eq!(call.judge(&ask()), Some(expected), "{name}");
    }
    for table in crate::calls::Table::ALL {
        for (number, call, _) in table.calls() {
            let asked = Call {
                architecture: table.architecture(),
                number,
                arguments: [0; 6],
            };
            let verdict = asked.judge(&ask());
            let expected = match call.concern() {
                crate::calls::Concern::All => Verdict::Ask,
                crate::calls::Concern::Refused => NOT_THERE,
                _ => Verdict::Allow,
            };
            assert_eq!(verdict, Some(expected), "{table:?} {call:?}");
        }
    }
}

#[test]
fn programs_are_short_enough_for_the_kernel() {
    assert!(ask().len() <= 4096, "{}", ask().len());
    assert!(pretend_success().len() <= 4096);
}
