//! Numbers of the faked calls, per system call table.
//!
//! From the kernel's `syscall_64.tbl`, `syscall_32.tbl`, `arch/arm/tools/syscall.tbl` and
//! `asm-generic/unistd.h`. Calls that exist in one width only have one number per table; 32-bit tables
//! have the 16-bit identifiers' calls beside those that end in `32`.

/// One system call table.
pub(super) struct Table {
    /// How tests and readers call it.
    #[cfg_attr(not(test), expect(dead_code, reason = "names the row in tests"))]
    pub(super) name: &'static str,
    /// `AUDIT_ARCH_*`.
    pub(super) architecture: u32,
    /// What every number of this table has set.
    pub(super) bit: u32,
    /// The bit that tells this table from another one with the same architecture.
    pub(super) sibling_bit: Option<u32>,
    /// Calls that succeed without doing anything.
    pub(super) faked: &'static [u32],
    /// `mknod` and `mknodat`, each with the index of its mode argument.
    pub(super) mknod: &'static [(u32, u8)],
}

/// `__X32_SYSCALL_BIT`.
const X32: u32 = 0x4000_0000;

/// chown fchown lchown fchownat; setuid setgid setreuid setregid setgroups setresuid setresgid setfsuid
/// setfsgid; capset.
const X86_64_COMMON: [u32; 14] = [
    92, 93, 94, 260, 105, 106, 113, 114, 116, 117, 119, 122, 123, 126,
];

/// Every table that x86-64 and aarch64 kernels can execute.
pub(super) const TABLES: &[Table] = &[
    Table {
        name: "x86_64",
        architecture: 0xC000_003E,
        bit: 0,
        sibling_bit: Some(X32),
        faked: &with_kexec_load(246),
        mknod: &[(133, 1), (259, 2)],
    },
    Table {
        name: "x32",
        architecture: 0xC000_003E,
        bit: X32,
        sibling_bit: Some(X32),
        faked: &with_kexec_load(528),
        mknod: &[(133, 1), (259, 2)],
    },
    Table {
        name: "i386",
        architecture: 0x4000_0003,
        bit: 0,
        sibling_bit: None,
        faked: &[
            182, 95, 16, 212, 207, 198, 298, // chown fchown lchown, the same in 32, fchownat
            23, 46, 70, 71, 81, 164, 170, 138, 139, // set*id, setgroups
            213, 214, 203, 204, 206, 208, 210, 215, 216, // the same in 32
            185, 283, // capset kexec_load
        ],
        mknod: &[(14, 1), (297, 2)],
    },
    Table {
        name: "aarch64",
        architecture: 0xC000_00B7,
        bit: 0,
        sibling_bit: None,
        faked: &[
            55, 54, // fchown fchownat
            146, 144, 145, 143, 159, 147, 149, 151, 152, // set*id, setgroups
            91, 104, // capset kexec_load
        ],
        mknod: &[(33, 2)],
    },
    Table {
        name: "arm",
        architecture: 0x4000_0028,
        bit: 0,
        sibling_bit: None,
        faked: &[
            182, 95, 16, 212, 207, 198, 325, // chown fchown lchown, the same in 32, fchownat
            23, 46, 70, 71, 81, 164, 170, 138, 139, // set*id, setgroups
            213, 214, 203, 204, 206, 208, 210, 215, 216, // the same in 32
            185, 347, // capset kexec_load
        ],
        mknod: &[(14, 1), (324, 2)],
    },
];

/// The calls that x86-64 and x32 number alike, and `kexec_load`, which they do not.
const fn with_kexec_load(kexec_load: u32) -> [u32; 15] {
    let mut all = [kexec_load; 15];
    let mut index = 0;
    while index < X86_64_COMMON.len() {
        all[index] = X86_64_COMMON[index];
        index += 1;
    }
    all
}
