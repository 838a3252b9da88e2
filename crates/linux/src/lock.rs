//! Locks of open files: `flock(2)`.
