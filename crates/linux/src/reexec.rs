//! Re-execution of this executable as another of its processes.
