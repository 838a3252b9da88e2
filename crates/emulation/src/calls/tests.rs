//! Numbers and arguments.

use super::*;

#[test]
fn no_table_has_a_number_twice() {
    for table in Table::ALL {
        let mut numbers: Vec<_> = table.calls().map(|(number, ..)| number).collect();
        let count = numbers.len();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), count, "{table:?}");
    }
}

fn of(architecture: u32, number: u32, arguments: [u64; 6]) -> Option<Request> {
    let table = Table::of(architecture, number)?;
    let (call, width) = call_of(table, number)?;
    request(table, call, width, arguments)
}

const X86_64: u32 = 0xC000_003E;
const I386: u32 = 0x4000_0003;
const AARCH64: u32 = 0xC000_00B7;
/// As a 64-bit program passes -1 and -100 in an `int`.
const MINUS_1: u64 = u32::MAX as u64;
const HERE: u64 = (u32::MAX - 99) as u64;
const PATH: u64 = 0x7fff_0000_1234;

const fn target(directory: i32, follow: bool, empty: bool) -> Target {
    Target {
        directory,
        path: Some(Pointer(PATH)),
        follow,
        empty,
    }
}

const THERE: i32 = Target::HERE;
const OBJECT: Target = Target {
    directory: 5,
    path: None,
    follow: true,
    empty: true,
};
const PLACE: Destination = Destination {
    directory: 5,
    path: Pointer(PATH),
};

type Row = (&'static str, u32, u32, [u64; 6], Request);

const ROWS: &[Row] = &[
    (
        "chown",
        X86_64,
        92,
        [PATH, 1, MINUS_1, 0, 0, 0],
        Request::ChangeOwner(target(THERE, true, false), Some(1), None),
    ),
    (
        "lchown",
        X86_64,
        94,
        [PATH, MINUS_1, 2, 0, 0, 0],
        Request::ChangeOwner(target(THERE, false, false), None, Some(2)),
    ),
    (
        "fchown",
        X86_64,
        93,
        [5, 1, 2, 0, 0, 0],
        Request::ChangeOwner(OBJECT, Some(1), Some(2)),
    ),
    (
        "fchownat here",
        X86_64,
        260,
        [HERE, PATH, 1, 2, 0x100, 0],
        Request::ChangeOwner(target(THERE, false, false), Some(1), Some(2)),
    ),
    (
        "fchownat of a descriptor",
        X86_64,
        260,
        [5, PATH, 1, 2, 0x1000, 0],
        Request::ChangeOwner(target(5, true, true), Some(1), Some(2)),
    ),
    (
        "chown of 16 bits",
        I386,
        182,
        [PATH, 0xffff, 7, 0, 0, 0],
        Request::ChangeOwner(
            Target {
                path: Some(Pointer(PATH & 0xffff_ffff)),
                ..target(THERE, true, false)
            },
            None,
            Some(7),
        ),
    ),
    (
        "fchmodat",
        X86_64,
        268,
        [5, PATH, 0o4755, 0x100, 0, 0],
        Request::ChangeMode(target(5, true, false), 0o4755),
    ),
    (
        "fchmodat2",
        X86_64,
        452,
        [5, PATH, 0o4755, 0x100, 0, 0],
        Request::ChangeMode(target(5, false, false), 0o4755),
    ),
    (
        "creat",
        X86_64,
        85,
        [PATH, 0o600, 0, 0, 0, 0],
        Request::Open(
            Destination {
                directory: THERE,
                path: Pointer(PATH),
            },
            0o1101,
            0o600,
        ),
    ),
    (
        "mknodat",
        AARCH64,
        33,
        [5, PATH, 0o20_666, 0x103, 0, 0],
        Request::Make(PLACE, Node::Special(0o20_666, 0x103)),
    ),
    (
        "symlinkat",
        X86_64,
        266,
        [1, 5, PATH, 0, 0, 0],
        Request::Make(PLACE, Node::Symlink(Pointer(1))),
    ),
    (
        "statx",
        X86_64,
        332,
        [5, PATH, 0x1100, 0x7ff, 9, 0],
        Request::Statx(target(5, false, true), 0x1100, 0x7ff, Pointer(9)),
    ),
    (
        "fstat64",
        I386,
        197,
        [5, 9, 0, 0, 0, 0],
        Request::Stat(OBJECT, StatBuffer::I386Long, Pointer(9)),
    ),
    (
        "linkat",
        X86_64,
        265,
        [5, PATH, 5, PATH, 0x400, 0],
        Request::Link(target(5, true, false), PLACE),
    ),
    (
        "setxattrat",
        X86_64,
        463,
        [5, PATH, 0x100, 7, 8, 16],
        Request::AttributeAt(
            target(5, false, false),
            AttributeArguments {
                name: Pointer(7),
                structure: Pointer(8),
                size: 16,
                set: true,
            },
        ),
    ),
    (
        "listxattrat of a descriptor",
        AARCH64,
        465,
        [5, PATH, 0x1000, 7, 8, 0],
        Request::ListAttributes(target(5, true, true), Pointer(7), 8),
    ),
    (
        "access",
        X86_64,
        21,
        [PATH, 4, 0, 0, 0, 0],
        Request::Access(target(THERE, true, false), 4, false),
    ),
    (
        "faccessat2",
        X86_64,
        439,
        [5, PATH, 4, 0x300, 0, 0],
        Request::Access(target(5, false, false), 4, true),
    ),
    (
        "setresuid",
        X86_64,
        117,
        [MINUS_1, 5, MINUS_1, 0, 0, 0],
        Request::Change(Change::Users([None, Some(5), None]), Width::ThirtyTwo),
    ),
    (
        "setuid of 16 bits",
        I386,
        23,
        [0x1_0005, 0, 0, 0, 0, 0],
        Request::Change(Change::User(Some(5)), Width::Sixteen),
    ),
    (
        "getsockopt",
        X86_64,
        55,
        [5, 1, 17, 8, 9, 0],
        Request::PeerOption(5, 17, Pointer(8), Pointer(9)),
    ),
    (
        "execveat",
        X86_64,
        322,
        [5, PATH, 0, 0, 0x1000, 0],
        Request::Execute(target(5, true, true)),
    ),
];

#[test]
fn arguments_mean_what_the_manual_pages_say() {
    for &(name, architecture, number, arguments, expected) in ROWS {
        assert_eq!(
            of(architecture, number, arguments),
            Some(expected),
            "{name}"
        );
    }
    assert_eq!(of(X86_64, 0, [0; 6]), None, "read");
    assert_eq!(of(0, 92, [0; 6]), None, "unknown machine");
}

#[test]
fn every_call_that_is_put_to_the_supervisor_asks_for_something() {
    for table in Table::ALL {
        for (number, call, width) in table.calls() {
            let refused = call.concern() == Concern::Refused;
            let mut arguments = [0; 6];
            if let Concern::SocketOption(_) = call.concern() {
                arguments[1] = u64::from(SOL_SOCKET);
            }
            let asked = request(table, call, width, arguments);
            assert_eq!(asked.is_none(), refused, "{table:?} {number} {call:?}");
        }
    }
}
