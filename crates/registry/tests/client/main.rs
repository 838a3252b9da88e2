//! The client against registries: one in this process that misbehaves on demand, and a real one.

#![expect(clippy::print_stdout, reason = "counts of vectors are read by people")]

mod fixture;
mod login;
mod mirrors;
mod proxy;
mod push;
mod real;
mod server;
mod transfer;
