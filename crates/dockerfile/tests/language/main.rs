//! The language as a whole, through the crate's public functions.

#![expect(
    clippy::print_stdout,
    reason = "tests print how many vectors they checked"
)]

mod describe;
mod errors;
mod instructions;
mod lexing;
mod properties;
mod speed;
mod substitution;

use ch_dockerfile::{Diagnostics, File, Source, parse};

/// Parses a text that is called `Dockerfile`.
fn read(text: impl Into<Vec<u8>>) -> Result<File, Diagnostics> {
    parse(&Source::new("Dockerfile", text))
}
