//! Processes: fork, wait, process groups, descriptors.
