//! Files by descriptor: status, times, modes.
