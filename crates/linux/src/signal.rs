//! Signals: forwarding and masks.
