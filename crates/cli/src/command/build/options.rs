//! From arguments and environment to the options of a build.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::thread;

use ch_builder::{BuildArgument, Cache, ForceCommand, Options};
use ch_emulation::Mode;
use ch_oci::{Reference, Wanted};
use jiff::Timestamp;

use super::BuildArgs;
use crate::binds;
use crate::command::common::CacheMode;
use crate::command::{Context, platform};
use crate::environment;
use crate::failure::{Failure, advised};

/// Fails if a variable asks for what is yet to come.
pub(super) fn check_variables(context: &Context) -> Result<(), Failure> {
    let variables = &context.environment;
    environment::check_engine(variables)?;
    let dialect = environment::CH_IMAGE_DIALECT;
    environment::check_choice(variables, dialect, "docker", &["charliecloud"])?;
    let directory = environment::CH_IMAGE_TMPDIR;
    if variables.get(directory).is_some() {
        let note = format_args!("${directory}: not used, the overlay needs no such directory");
        context.terminal.verbose(note);
    }
    Ok(())
}

/// What is to be built, and how.
pub(super) fn options(
    arguments: &BuildArgs,
    names: Vec<Reference>,
    directory: PathBuf,
    dockerfile: Option<PathBuf>,
    context: &Context,
) -> Result<Options, Failure> {
    let environment = &context.environment;
    let emulation = emulation(
        arguments.force.as_deref(),
        !arguments.force_cmd.is_empty(),
        context,
    )?;
    let host_environment = environment
        .iter()
        .filter_map(|(name, value)| Some((name.to_str()?.to_owned(), value.to_str()?.to_owned())));
    let build_arguments = arguments.build_arg.iter().map(|text| {
        BuildArgument::parse(text, |name| {
            environment
                .get_even_empty(name)
                .map(|value| value.to_string_lossy().into_owned())
        })
    });
    Ok(Options {
        names,
        store: true,
        context: Some(directory),
        dockerfile,
        build_arguments: build_arguments.collect::<Result<_, _>>()?,
        host_environment: host_environment.collect(),
        target: arguments.target.clone(),
        jobs: arguments.jobs.unwrap_or_else(cores),
        cache: match context.common.cache_mode(environment)? {
            CacheMode::Enabled => Cache::Enabled,
            CacheMode::Disabled => Cache::Disabled,
            CacheMode::Rebuild => Cache::Rebuild,
        },
        emulation,
        force_commands: force_commands(&arguments.force_cmd, emulation)?,
        advise_force: !arguments.no_force_detect,
        binds: binds::mounts(&arguments.bind)?,
        dry_run: arguments.dry_run,
        created: source_date(&arguments.build_arg, context)?,
        platform: host_platform(context)?,
    })
}

/// How many cores there are to work with.
fn cores() -> NonZeroUsize {
    thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

/// The build argument `SOURCE_DATE_EPOCH`, else the variable, in seconds since 1970 (reproducible-builds.org).
fn source_date(arguments: &[String], context: &Context) -> Result<Option<Timestamp>, Failure> {
    let name = environment::SOURCE_DATE_EPOCH;
    let mut arguments = arguments.iter().rev().filter_map(|it| it.split_once('='));
    let argument = arguments.find(|(argument, _)| *argument == name);
    let argument = argument.map(|(_, value)| value.to_owned());
    let Some(text) = argument.or_else(|| context.environment.text(name)) else {
        return Ok(None);
    };
    let seconds = text.parse().ok();
    match seconds.and_then(|seconds| Timestamp::from_second(seconds).ok()) {
        Some(time) => Ok(Some(time)),
        None => Err(Failure::new(format_args!(
            "${name}: not a number of seconds since 1970: {text}"
        ))),
    }
}

/// `--force`, else `$CH_IMAGE_FORCE`, else the default; or the only mode that has commands to change.
fn emulation(
    option: Option<&str>,
    has_force_commands: bool,
    context: &Context,
) -> Result<Mode, Failure> {
    let variable = context.environment.text(environment::CH_IMAGE_FORCE);
    let Some(name) = option.or(variable.as_deref()) else {
        return Ok(if has_force_commands {
            Mode::Seccomp
        } else {
            Mode::Supervisor
        });
    };
    name.parse::<Mode>().map_err(advised)
}

/// `--force-cmd`, which replaces the defaults of its mode.
fn force_commands(given: &[String], mode: Mode) -> Result<Vec<ForceCommand>, Failure> {
    match (mode, given) {
        (Mode::Seccomp, []) => Ok(ForceCommand::defaults()),
        (Mode::Seccomp, given) => Ok(given
            .iter()
            .map(|text| text.parse())
            .collect::<Result<_, _>>()?),
        (_, []) => Ok(Vec::new()),
        (_, _) => Err(Failure::new("--force-cmd needs --force=seccomp")),
    }
}

/// The machine's own platform; building for others is yet to come.
fn host_platform(context: &Context) -> Result<ch_oci::Platform, Failure> {
    let text = context.arch();
    match platform::wanted(text.as_deref(), &context.terminal)? {
        Wanted::Host { platform, .. } => Ok(platform),
        Wanted::Exact(platform) if platform.is_same_as(&platform::host(&context.terminal)) => {
            Ok(platform)
        }
        Wanted::Exact(_) | Wanted::Yolo => {
            let text = text.unwrap_or_default();
            Err(Failure::not_yet(format_args!(
                "build for another platform: {text}"
            )))
        }
    }
}
