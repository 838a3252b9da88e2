//! Network devices of this network namespace.

use std::io;
use std::os::fd::AsRawFd as _;

use rustix::net::{AddressFamily, SocketType};

use crate::SyscallError;

/// What the kernel calls the device that leads back to the machine itself.
const LOOPBACK: &std::ffi::CStr = c"lo";

/// Sets the loopback device going, which a new network namespace has switched off.
pub fn raise_loopback() -> Result<(), SyscallError> {
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::DGRAM, None)
        .map_err(|errno| SyscallError::new("socket", "AF_INET, SOCK_DGRAM", errno))?;
    let flags = libc::IFF_UP | libc::IFF_RUNNING;
    let mut request = libc::ifreq {
        ifr_name: [0; libc::IFNAMSIZ],
        ifr_ifru: libc::__c_anonymous_ifr_ifru {
            ifru_flags: flags.try_into().expect("two of the low bits"),
        },
    };
    for (place, byte) in request.ifr_name.iter_mut().zip(LOOPBACK.to_bytes()) {
        *place = byte.cast_signed();
    }
    #[expect(unsafe_code, reason = "rustix wraps no ioctl of network devices")]
    // SAFETY: the kernel reads no more than the structure, which lives through the call.
    let answer = unsafe {
        libc::ioctl(
            socket.as_raw_fd(),
            libc::SIOCSIFFLAGS as _,
            &raw const request,
        )
    };
    match answer {
        0 => Ok(()),
        _ => {
            let error = io::Error::last_os_error();
            Err(SyscallError::new("ioctl", "SIOCSIFFLAGS, lo", error))
        }
    }
}
