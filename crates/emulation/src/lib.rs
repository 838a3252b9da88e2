//! emulation.
