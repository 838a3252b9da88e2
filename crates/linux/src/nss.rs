//! Name service configuration of a static executable.

use std::ffi::{CStr, c_char, c_int};

#[expect(unsafe_code, reason = "glibc's own configuration call is in no crate")]
unsafe extern "C" {
    fn __nss_configure_lookup(database: *const c_char, services: *const c_char) -> c_int;
}

/// What each look-up uses: only services that are compiled into the C library.
const SERVICES: [(&CStr, &CStr); 3] = [
    (c"hosts", c"files dns"),
    (c"passwd", c"files"),
    (c"group", c"files"),
];

/// Makes every later name look-up of this process use built-in services only.
///
/// Without it a statically linked `getaddrinfo` loads the modules that `/etc/nsswitch.conf` names; they
/// belong to the machine's C library, and one of another version crashes the process. Call it first
/// thing in `main`, before any thread.
pub fn configure() {
    for (database, services) in SERVICES {
        #[expect(unsafe_code, reason = "foreign function")]
        // SAFETY: both are NUL-terminated and static; the library copies what it parses from them.
        let answer = unsafe { __nss_configure_lookup(database.as_ptr(), services.as_ptr()) };
        debug_assert_eq!(answer, 0, "databases and services are known to every glibc");
    }
}

#[cfg(test)]
mod tests {
    use std::net::ToSocketAddrs as _;

    #[test]
    fn names_are_still_found_in_etc_hosts() {
        super::configure();
        assert!(
            ("localhost", 80)
                .to_socket_addrs()
                .expect("localhost")
                .next()
                .is_some()
        );
    }
}
