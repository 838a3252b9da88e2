//! Warns when the executable would not be static.
//!
//! An environment `RUSTFLAGS` replaces the flags of `.cargo/config.toml`, and the result would then
//! need the machine's C library without anybody noticing.

use std::env;

fn main() {
    println!("cargo::rerun-if-env-changed=CARGO_CFG_TARGET_FEATURE");
    println!("cargo::rerun-if-env-changed=RUSTFLAGS");
    let features = env::var("CARGO_CFG_TARGET_FEATURE").unwrap_or_default();
    if !features.split(',').any(|feature| feature == "crt-static") {
        println!(
            "cargo::warning=not a static executable: crt-static is missing (is RUSTFLAGS set in the environment?)"
        );
    }
}
