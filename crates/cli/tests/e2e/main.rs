//! End-to-end tests: they run the executable as a user would, and look at what it printed and made.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests, and their counts"
)]

mod build;
mod build_options;
mod collection;
mod completion;
mod credentials;
mod docs;
mod doctor;
mod documents;
mod errors;
mod export;
mod images;
mod kills;
mod limits;
mod list_details;
mod login;
mod main_job;
mod mirrors;
mod pull;
mod pull_directory;
mod push;
mod root_emulation;
mod run;
mod run_as_root;
mod run_options;
mod run_vectors;
mod stages;
mod static_executable;
mod terminal;
mod undelete;

use ch_test_support::{ImageLayout, Registry, TestEnv, debian_archive};

/// The executable under test.
const EXECUTABLE: &str = env!("CARGO_BIN_EXE_ch-image");

/// An empty environment.
fn empty() -> TestEnv {
    TestEnv::new(EXECUTABLE)
}

/// An environment whose storage holds the image `base`.
fn with_base() -> TestEnv {
    TestEnv::with_base_image(EXECUTABLE)
}

/// An environment whose default registry is `registry`, so that references need no host.
fn using(registry: &Registry) -> TestEnv {
    let mut env = empty();
    let host = if registry.has_tls() {
        "localhost"
    } else {
        "127.0.0.1"
    };
    env.set("CH_REGY_DEFAULT_HOST", host);
    env.set("CH_REGY_DEFAULT_PORT", registry.port().to_string());
    env
}

/// Puts a Debian root filesystem into `registry` as `debian:bookworm`; gives the layout it was made from.
fn put_debian(registry: &Registry, env: &TestEnv) -> ImageLayout {
    let layout = ImageLayout::from_archive(&env.path("layout"), &debian_archive());
    registry.put(&layout, "debian:bookworm");
    layout
}
