//! Which boot of the kernel this is.
