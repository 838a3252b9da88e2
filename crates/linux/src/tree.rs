//! Whole trees, by descriptor.
