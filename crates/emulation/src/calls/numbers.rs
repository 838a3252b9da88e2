//! Numbers of calls, per system call table.
//!
//! From the kernel's `syscall_64.tbl`, `syscall_32.tbl`, `arch/arm/tools/syscall.tbl` and `asm-generic/unistd.h`.

use super::Call::{self, *};
use super::Width::{self, Sixteen, ThirtyTwo};

/// A system call table that x86-64 or aarch64 kernels can execute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Table {
    /// x86-64.
    X86_64,
    /// Programs with 32-bit pointers on x86-64.
    X32,
    /// 32-bit x86.
    I386,
    /// 64-bit Arm.
    Aarch64,
    /// 32-bit Arm (EABI).
    Arm,
}

/// `__X32_SYSCALL_BIT`.
pub(crate) const X32_BIT: u32 = 0x4000_0000;

impl Table {
    /// Every one.
    pub(crate) const ALL: [Self; 5] = [
        Self::X86_64,
        Self::X32,
        Self::I386,
        Self::Aarch64,
        Self::Arm,
    ];

    /// `AUDIT_ARCH_*`.
    pub(crate) fn architecture(self) -> u32 {
        match self {
            Self::X86_64 | Self::X32 => 0xC000_003E,
            Self::I386 => 0x4000_0003,
            Self::Aarch64 => 0xC000_00B7,
            Self::Arm => 0x4000_0028,
        }
    }

    /// The table of a call.
    pub(crate) fn of(architecture: u32, number: u32) -> Option<Self> {
        let x32 = number & X32_BIT != 0;
        Self::ALL.into_iter().find(|table| {
            table.architecture() == architecture
                && (*table != Self::X86_64 || !x32)
                && (*table != Self::X32 || x32)
        })
    }

    /// Whether pointers and `long` have 32 bits.
    pub(crate) fn is_narrow(self) -> bool {
        matches!(self, Self::I386 | Self::Arm | Self::X32)
    }

    /// The calls of this table by number, those that programs make most often first.
    pub(crate) fn calls(self) -> impl Iterator<Item = (u32, Call, Width)> {
        ROWS.iter().filter_map(move |(call, width, numbers)| {
            let number = match self {
                Self::X86_64 => numbers[0],
                Self::X32 => x32(*call).unwrap_or(numbers[0]),
                Self::I386 => numbers[1],
                Self::Aarch64 => numbers[2],
                Self::Arm => numbers[3],
            };
            let bit = if self == Self::X32 { X32_BIT } else { 0 };
            (number != NO).then_some((number | bit, *call, *width))
        })
    }
}

/// The call with this number, if it is one of the supervisor's.
pub(crate) fn call_of(table: Table, number: u32) -> Option<(Call, Width)> {
    table
        .calls()
        .find(|(known, ..)| *known == number)
        .map(|(_, call, width)| (call, width))
}

/// Calls that x32 does not number as x86-64 does.
fn x32(call: Call) -> Option<u32> {
    match call {
        Execve => Some(520),
        KexecLoad => Some(528),
        Getsockopt => Some(542),
        Execveat => Some(545),
        _ => None,
    }
}

/// The table has no such call.
const NO: u32 = u32::MAX;

/// x86-64, i386, aarch64, Arm.
const ROWS: [(Call, Width, [u32; 4]); 105] = [
    (Openat, ThirtyTwo, [257, 295, 56, 322]),
    (Fstatat, ThirtyTwo, [262, NO, 79, NO]),
    (Fstatat64, ThirtyTwo, [NO, 300, NO, 327]),
    (Statx, ThirtyTwo, [332, 383, 291, 397]),
    (Stat, Sixteen, [NO, 106, NO, 106]),
    (Stat, ThirtyTwo, [4, NO, NO, NO]),
    (Lstat, Sixteen, [NO, 107, NO, 107]),
    (Lstat, ThirtyTwo, [6, NO, NO, NO]),
    (Fstat, Sixteen, [NO, 108, NO, 108]),
    (Fstat, ThirtyTwo, [5, NO, 80, NO]),
    (Stat64, ThirtyTwo, [NO, 195, NO, 195]),
    (Lstat64, ThirtyTwo, [NO, 196, NO, 196]),
    (Fstat64, ThirtyTwo, [NO, 197, NO, 197]),
    (Open, ThirtyTwo, [2, 5, NO, 5]),
    (Access, ThirtyTwo, [21, 33, NO, 33]),
    (Faccessat, ThirtyTwo, [269, 307, 48, 334]),
    (Faccessat2, ThirtyTwo, [439, 439, 439, 439]),
    (Getxattr, ThirtyTwo, [191, 229, 8, 229]),
    (Lgetxattr, ThirtyTwo, [192, 230, 9, 230]),
    (Fgetxattr, ThirtyTwo, [193, 231, 10, 231]),
    (Getuid, Sixteen, [NO, 24, NO, 24]),
    (Getuid, ThirtyTwo, [102, 199, 174, 199]),
    (Geteuid, Sixteen, [NO, 49, NO, 49]),
    (Geteuid, ThirtyTwo, [107, 201, 175, 201]),
    (Getgid, Sixteen, [NO, 47, NO, 47]),
    (Getgid, ThirtyTwo, [104, 200, 176, 200]),
    (Getegid, Sixteen, [NO, 50, NO, 50]),
    (Getegid, ThirtyTwo, [108, 202, 177, 202]),
    (Execve, ThirtyTwo, [59, 11, 221, 11]),
    (Execveat, ThirtyTwo, [322, 358, 281, 387]),
    (Prctl, ThirtyTwo, [157, 172, 167, 172]),
    (Rename, ThirtyTwo, [82, 38, NO, 38]),
    (Renameat, ThirtyTwo, [264, 302, 38, 329]),
    (Renameat2, ThirtyTwo, [316, 353, 276, 382]),
    (Chown, Sixteen, [NO, 182, NO, 182]),
    (Chown, ThirtyTwo, [92, 212, NO, 212]),
    (Fchown, Sixteen, [NO, 95, NO, 95]),
    (Fchown, ThirtyTwo, [93, 207, 55, 207]),
    (Lchown, Sixteen, [NO, 16, NO, 16]),
    (Lchown, ThirtyTwo, [94, 198, NO, 198]),
    (Fchownat, ThirtyTwo, [260, 298, 54, 325]),
    (Chmod, ThirtyTwo, [90, 15, NO, 15]),
    (Fchmod, ThirtyTwo, [91, 94, 52, 94]),
    (Fchmodat, ThirtyTwo, [268, 306, 53, 333]),
    (Fchmodat2, ThirtyTwo, [452, 452, 452, 452]),
    (Mkdir, ThirtyTwo, [83, 39, NO, 39]),
    (Mkdirat, ThirtyTwo, [258, 296, 34, 323]),
    (Symlink, ThirtyTwo, [88, 83, NO, 83]),
    (Symlinkat, ThirtyTwo, [266, 304, 36, 331]),
    (Link, ThirtyTwo, [86, 9, NO, 9]),
    (Linkat, ThirtyTwo, [265, 303, 37, 330]),
    (Mknod, ThirtyTwo, [133, 14, NO, 14]),
    (Mknodat, ThirtyTwo, [259, 297, 33, 324]),
    (Creat, ThirtyTwo, [85, 8, NO, 8]),
    (Openat2, ThirtyTwo, [437, 437, 437, 437]),
    (Listxattr, ThirtyTwo, [194, 232, 11, 232]),
    (Llistxattr, ThirtyTwo, [195, 233, 12, 233]),
    (Flistxattr, ThirtyTwo, [196, 234, 13, 234]),
    (Setxattr, ThirtyTwo, [188, 226, 5, 226]),
    (Lsetxattr, ThirtyTwo, [189, 227, 6, 227]),
    (Fsetxattr, ThirtyTwo, [190, 228, 7, 228]),
    (Removexattr, ThirtyTwo, [197, 235, 14, 235]),
    (Lremovexattr, ThirtyTwo, [198, 236, 15, 236]),
    (Fremovexattr, ThirtyTwo, [199, 237, 16, 237]),
    (Setxattrat, ThirtyTwo, [463, 463, 463, 463]),
    (Getxattrat, ThirtyTwo, [464, 464, 464, 464]),
    (Listxattrat, ThirtyTwo, [465, 465, 465, 465]),
    (Removexattrat, ThirtyTwo, [466, 466, 466, 466]),
    (Setuid, Sixteen, [NO, 23, NO, 23]),
    (Setuid, ThirtyTwo, [105, 213, 146, 213]),
    (Setgid, Sixteen, [NO, 46, NO, 46]),
    (Setgid, ThirtyTwo, [106, 214, 144, 214]),
    (Setreuid, Sixteen, [NO, 70, NO, 70]),
    (Setreuid, ThirtyTwo, [113, 203, 145, 203]),
    (Setregid, Sixteen, [NO, 71, NO, 71]),
    (Setregid, ThirtyTwo, [114, 204, 143, 204]),
    (Setresuid, Sixteen, [NO, 164, NO, 164]),
    (Setresuid, ThirtyTwo, [117, 208, 147, 208]),
    (Setresgid, Sixteen, [NO, 170, NO, 170]),
    (Setresgid, ThirtyTwo, [119, 210, 149, 210]),
    (Setfsuid, Sixteen, [NO, 138, NO, 138]),
    (Setfsuid, ThirtyTwo, [122, 215, 151, 215]),
    (Setfsgid, Sixteen, [NO, 139, NO, 139]),
    (Setfsgid, ThirtyTwo, [123, 216, 152, 216]),
    (Getresuid, Sixteen, [NO, 165, NO, 165]),
    (Getresuid, ThirtyTwo, [118, 209, 148, 209]),
    (Getresgid, Sixteen, [NO, 171, NO, 171]),
    (Getresgid, ThirtyTwo, [120, 211, 150, 211]),
    (Getgroups, Sixteen, [NO, 80, NO, 80]),
    (Getgroups, ThirtyTwo, [115, 205, 158, 205]),
    (Setgroups, Sixteen, [NO, 81, NO, 81]),
    (Setgroups, ThirtyTwo, [116, 206, 159, 206]),
    (Capget, ThirtyTwo, [125, 184, 90, 184]),
    (Capset, ThirtyTwo, [126, 185, 91, 185]),
    (Bind, ThirtyTwo, [49, 361, 200, 282]),
    (Getsockopt, ThirtyTwo, [55, 365, 209, 295]),
    (Socketcall, ThirtyTwo, [NO, 102, NO, NO]),
    (Clone, ThirtyTwo, [56, 120, 220, 120]),
    (Clone3, ThirtyTwo, [435, 435, 435, 435]),
    (Unshare, ThirtyTwo, [272, 310, 97, 337]),
    (Setns, ThirtyTwo, [308, 346, 268, 375]),
    (Chroot, ThirtyTwo, [161, 61, 51, 61]),
    (PivotRoot, ThirtyTwo, [155, 217, 41, 218]),
    (IoUringSetup, ThirtyTwo, [425, 425, 425, 425]),
    (KexecLoad, ThirtyTwo, [246, 283, 104, 347]),
];
