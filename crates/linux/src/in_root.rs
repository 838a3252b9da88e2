//! Opening paths that must stay below a root.
