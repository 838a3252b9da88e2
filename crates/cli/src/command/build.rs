//! `ch-image build`.
use super::{Context, Done};
use crate::failure::Failure;
use clap::Args;
use std::path::PathBuf;

/// Arguments of `build`.
#[derive(Debug, Args)]
pub(crate) struct BuildArgs {
    /// Directory or file of the host for RUN commands
    #[arg(short, long, value_name = "SRC[:DST]")]
    bind: Vec<String>,

    /// Value of an ARG; without VALUE that of the environment
    #[arg(long, value_name = "ARG[=VALUE]")]
    build_arg: Vec<String>,

    /// Dockerfile; - is standard input (default: CONTEXT/Dockerfile)
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,

    /// How to emulate root in RUN commands: seccomp or none
    #[arg(long, value_name = "MODE", num_args = 0..=1, require_equals = true, default_missing_value = "fakeroot")]
    force: Option<String>,

    /// Command to which arguments are added under --force=seccomp
    #[arg(long, value_name = "CMD,ARG1[,ARG2...]")]
    force_cmd: Vec<String>,

    /// No advice on --force when RUN fails
    #[arg(long)]
    no_force_detect: bool,

    /// Only print what would be done
    #[arg(short = 'n', long)]
    dry_run: bool,

    /// Stop after parsing the Dockerfile
    #[arg(long)]
    parse_only: bool,

    /// Name of the image (repeatable)
    #[arg(short, long, value_name = "IMAGE_REF")]
    tag: Vec<String>,

    /// Directory with the files that COPY sees
    #[arg(value_name = "CONTEXT")]
    context: PathBuf,
}
pub(super) fn run(_: &BuildArgs, _: &Context) -> Done {
    Err(Failure::new("x"))
}
