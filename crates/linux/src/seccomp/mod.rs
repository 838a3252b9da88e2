//! Seccomp filters: the instructions they are made of, what they say to a call, installing them.
//!
//! Only the instructions that our filters use can be made. A filter is a plain value, so that it can be
//! tested by interpreting it, for machines other than this one too.

mod listener;

use std::io;
use std::os::fd::{FromRawFd as _, OwnedFd};

use rustix::io::Errno;

use crate::SyscallError;
pub use listener::{Answer, Listener, Notification};

/// A classic BPF instruction, laid out as the kernel's `struct sock_filter`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Instruction {
    /// What is done.
    pub code: u16,
    /// How many instructions a jump skips if its condition holds.
    pub if_true: u8,
    /// How many it skips if not.
    pub if_false: u8,
    /// The operand.
    pub value: u32,
}

/// Part of a call that a filter can look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// Number of the call.
    Number,
    /// `AUDIT_ARCH_*` of the table the number belongs to.
    Architecture,
    /// Lower half of an argument, counted from 0.
    Argument(u8),
}

/// What a filter decides about a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The kernel executes it.
    Allow,
    /// It returns 0 and does nothing.
    Succeed,
    /// It fails with this error and does nothing.
    Fail(i32),
    /// A [`Listener`] is asked.
    Ask,
}

// From <linux/bpf_common.h>: class, size or operation, mode or source.
/// Loads a word of the call.
pub const LOAD_WORD: u16 = 0x20;
/// Keeps the bits of the operand.
pub const AND: u16 = 0x54;
/// Jumps over as many instructions as the operand says.
pub const JUMP: u16 = 0x05;
/// Jumps if the accumulator equals the operand.
pub const JUMP_IF_EQUAL: u16 = 0x15;
/// Jumps if the accumulator has a bit of the operand.
pub const JUMP_IF_SET: u16 = 0x45;
/// Ends the program with the operand as answer.
pub const RETURN: u16 = 0x06;

impl Verdict {
    /// What a program returns to say this.
    pub const fn code(self) -> u32 {
        match self {
            Self::Allow => libc::SECCOMP_RET_ALLOW,
            Self::Succeed => libc::SECCOMP_RET_ERRNO,
            Self::Fail(errno) => libc::SECCOMP_RET_ERRNO | errno.cast_unsigned() & 0xffff,
            Self::Ask => libc::SECCOMP_RET_USER_NOTIF,
        }
    }
}

impl Field {
    /// Offset in `struct seccomp_data`. Machines we run on are little-endian, so the lower half of an
    /// argument comes first.
    fn offset(self) -> u32 {
        match self {
            Self::Number => 0,
            Self::Architecture => 4,
            Self::Argument(index) => 16 + 8 * u32::from(index),
        }
    }
}

impl Instruction {
    const fn new(code: u16, if_true: u8, if_false: u8, value: u32) -> Self {
        Self {
            code,
            if_true,
            if_false,
            value,
        }
    }

    /// Loads a part of the call into the accumulator.
    pub fn load(field: Field) -> Self {
        Self::new(LOAD_WORD, 0, 0, field.offset())
    }

    /// Keeps the accumulator's bits that are in `mask`.
    pub fn and(mask: u32) -> Self {
        Self::new(AND, 0, 0, mask)
    }

    /// Skips `distance` instructions.
    pub fn skip(distance: u32) -> Self {
        Self::new(JUMP, 0, 0, distance)
    }

    /// Skips `distance` instructions if the accumulator is `value`.
    pub fn if_equal(value: u32, distance: u8) -> Self {
        Self::new(JUMP_IF_EQUAL, distance, 0, value)
    }

    /// Skips `distance` instructions unless the accumulator is `value`.
    pub fn unless_equal(value: u32, distance: u8) -> Self {
        Self::new(JUMP_IF_EQUAL, 0, distance, value)
    }

    /// Skips `distance` instructions if whether `bit` is set in the accumulator is not `expected`.
    pub fn if_bit_differs(bit: u32, expected: bool, distance: u8) -> Self {
        let (if_true, if_false) = if expected {
            (0, distance)
        } else {
            (distance, 0)
        };
        Self::new(JUMP_IF_SET, if_true, if_false, bit)
    }

    /// Ends the program.
    pub fn answer(verdict: Verdict) -> Self {
        Self::new(RETURN, 0, 0, verdict.code())
    }
}

/// Puts the calling thread, and everything it executes, under `program` for good.
///
/// The thread must have given up new privileges ([`crate::process::forbid_new_privileges`]) or be
/// privileged in its user namespace.
pub fn install(program: &[Instruction]) -> Result<(), SyscallError> {
    set_filter(program, 0).map(drop)
}

/// Like [`install`], and gives the listener that calls with [`Verdict::Ask`] are put to.
///
/// A caller that was heard waits for the answer even if a signal comes, where the kernel can do that
/// (`SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV`, Linux 5.19): else a call that the listener has carried out would be
/// made once more. Fails with `EBUSY` if the thread has a listener already.
pub fn install_asking(program: &[Instruction]) -> Result<Listener, SyscallError> {
    let asking = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER;
    let patient = asking | libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
    let descriptor = match set_filter(program, patient) {
        Err(error) if error.errno() == Some(Errno::INVAL) => set_filter(program, asking)?,
        other => other?,
    };
    #[expect(unsafe_code, reason = "seccomp(2) gives a bare number")]
    // SAFETY: the kernel has just opened it for us alone.
    let descriptor = unsafe { OwnedFd::from_raw_fd(descriptor) };
    Ok(Listener::from(descriptor))
}

/// `seccomp(2)` with `SECCOMP_SET_MODE_FILTER`.
fn set_filter(program: &[Instruction], flags: libc::c_ulong) -> Result<i32, SyscallError> {
    let failed = |source| {
        let length = program.len();
        let arguments = format!("SECCOMP_SET_MODE_FILTER, {flags:#x}, {length} instructions");
        SyscallError::new("seccomp", arguments, source)
    };
    let length = u16::try_from(program.len())
        .map_err(|_| failed(io::Error::from(io::ErrorKind::InvalidInput)))?;
    let filter = libc::sock_fprog {
        len: length,
        filter: program.as_ptr().cast::<libc::sock_filter>().cast_mut(),
    };
    #[expect(unsafe_code, reason = "seccomp(2) is in no safe wrapper")]
    // SAFETY: `Instruction` has the layout of `struct sock_filter`, `len` counts them, and the kernel only
    // reads the program, which outlives the call.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            flags,
            &raw const filter,
        )
    };
    match i32::try_from(answer) {
        Ok(answer) if answer >= 0 => Ok(answer),
        _ => Err(failed(io::Error::last_os_error())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_have_the_layout_of_the_kernel() {
        assert_eq!(size_of::<Instruction>(), size_of::<libc::sock_filter>());
        assert_eq!(align_of::<Instruction>(), align_of::<libc::sock_filter>());
    }
}
