//! `ch-image`, `ch-run` and `ch-convert`: one executable with three names.

fn main() {}
