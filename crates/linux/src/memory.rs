//! Memory of other processes (`process_vm_readv(2)`). Needs ptrace rights over them.

use std::ffi::CString;
use std::io;

use rustix::io::Errno;

use crate::SyscallError;

/// Longest path that the kernel takes, with its NUL.
const LONGEST_PATH: usize = 4096;
const PAGE: u64 = 4096;

/// Reads exactly `buffer.len()` bytes at `address` of the process that has the thread `thread`.
pub fn read(thread: u32, address: u64, buffer: &mut [u8]) -> Result<(), SyscallError> {
    let length = buffer.len();
    let moved = transfer(
        thread,
        address,
        buffer.as_mut_ptr(),
        length,
        Direction::Read,
    )?;
    if moved == length {
        Ok(())
    } else {
        Err(fault("process_vm_readv", thread, address))
    }
}

/// Writes `bytes` at `address`.
pub fn write(thread: u32, address: u64, bytes: &[u8]) -> Result<(), SyscallError> {
    let length = bytes.len();
    let source = bytes.as_ptr().cast_mut();
    let moved = transfer(thread, address, source, length, Direction::Write)?;
    if moved == length {
        Ok(())
    } else {
        Err(fault("process_vm_writev", thread, address))
    }
}

/// Reads the text that ends with a NUL at `address`; `ENAMETOOLONG` if it is longer than a path may be.
pub fn read_text(thread: u32, address: u64) -> Result<CString, SyscallError> {
    let mut text: Vec<u8> = Vec::with_capacity(256);
    let mut position = address;
    while text.len() < LONGEST_PATH {
        // To the end of the page, since the next may not be there; short at first, as most texts are.
        let to_end = PAGE - position % PAGE;
        let wanted = if text.is_empty() { 256 } else { PAGE };
        let start = text.len();
        text.resize(start + usize::try_from(to_end.min(wanted)).unwrap_or(0), 0);
        read(thread, position, &mut text[start..])?;
        if let Some(end) = text[start..].iter().position(|byte| *byte == 0) {
            text.truncate(start + end);
            return Ok(CString::new(text).expect("cut before the first NUL"));
        }
        position = position
            .checked_add(u64::try_from(text.len() - start).unwrap_or(0))
            .ok_or_else(|| fault("process_vm_readv", thread, address))?;
    }
    Err(SyscallError::new(
        "process_vm_readv",
        "a path",
        Errno::NAMETOOLONG,
    ))
}

fn fault(call: &'static str, thread: u32, address: u64) -> SyscallError {
    SyscallError::new(call, format!("{thread}, {address:#x}"), Errno::FAULT)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Read,
    Write,
}

fn transfer(
    thread: u32,
    address: u64,
    ours: *mut u8,
    length: usize,
    direction: Direction,
) -> Result<usize, SyscallError> {
    if length == 0 {
        return Ok(0);
    }
    let local = libc::iovec {
        iov_base: ours.cast(),
        iov_len: length,
    };
    // An address that is none of this machine's is refused by the kernel.
    let remote = libc::iovec {
        iov_base: address as *mut libc::c_void,
        iov_len: length,
    };
    let pid = libc::pid_t::try_from(thread).unwrap_or(-1);
    let (call, moved) = match direction {
        Direction::Read => {
            #[expect(unsafe_code, reason = "process_vm_readv(2) is in no safe wrapper")]
            // SAFETY: `ours` has room for `length` bytes and is writable; the other address is the other
            // process' own, and only looked at by the kernel.
            let moved = unsafe {
                libc::process_vm_readv(pid, &raw const local, 1, &raw const remote, 1, 0)
            };
            ("process_vm_readv", moved)
        }
        Direction::Write => {
            #[expect(unsafe_code, reason = "process_vm_writev(2) is in no safe wrapper")]
            // SAFETY: `ours` has `length` bytes, which are only read.
            let moved = unsafe {
                libc::process_vm_writev(pid, &raw const local, 1, &raw const remote, 1, 0)
            };
            ("process_vm_writev", moved)
        }
    };
    usize::try_from(moved).map_err(|_| {
        let arguments = format!("{thread}, {address:#x}, {length}");
        SyscallError::new(call, arguments, io::Error::last_os_error())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own() -> u32 {
        std::process::id()
    }

    #[test]
    fn own_memory_is_read_and_written() {
        let mut text = *b"some text\0and more";
        let address = text.as_mut_ptr() as u64;
        assert_eq!(read_text(own(), address).unwrap().as_bytes(), b"some text");
        write(own(), address, b"SOME").unwrap();
        let mut back = [0; 4];
        read(own(), address, &mut back).unwrap();
        assert_eq!(&back, b"SOME");
    }

    #[test]
    fn what_is_not_there_is_a_fault() {
        for address in [0, 8, u64::MAX - 3, 1 << 60] {
            let error = read(own(), address, &mut [0; 8]).unwrap_err();
            assert_eq!(error.errno(), Some(Errno::FAULT), "{address:#x}");
            assert!(read_text(own(), address).is_err());
        }
    }

    #[test]
    fn a_text_without_an_end_is_too_long() {
        let endless = vec![b'x'; 3 * LONGEST_PATH];
        let error = read_text(own(), endless.as_ptr() as u64).unwrap_err();
        assert_eq!(error.errno(), Some(Errno::NAMETOOLONG));
    }
}
