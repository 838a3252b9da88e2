//! From arguments and environment to the options of a build.

use std::fs;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::thread;

use ch_builder::{
    BuildArgument, Cache, ForceCommand, IgnoreFile, Options, PullPolicy, UnusedArguments,
};
use ch_emulation::Mode;
use ch_oci::{Reference, Wanted};
use clap::ValueEnum;
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
        .filter(|_| !arguments.no_host_env)
        .filter_map(|(name, value)| Some((name.to_str()?.to_owned(), value.to_str()?.to_owned())));
    let build_arguments = build_arguments(arguments, context)?;
    Ok(Options {
        names,
        store: true,
        context: Some(directory),
        dockerfile,
        created: source_date(arguments.source_date_epoch, &build_arguments, context)?,
        build_arguments,
        ignore_file: match (&arguments.ignorefile, arguments.no_ignore) {
            (Some(path), _) => IgnoreFile::At(path.clone()),
            (None, true) => IgnoreFile::Nothing,
            (None, false) => IgnoreFile::Usual,
        },
        host_environment: host_environment.collect(),
        target: arguments.target.clone(),
        jobs: arguments.jobs.unwrap_or_else(cores),
        cache: match context.common.cache_mode(environment)? {
            CacheMode::Enabled => Cache::Enabled,
            CacheMode::Disabled => Cache::Disabled,
            CacheMode::Rebuild => Cache::Rebuild,
        },
        rebuilt_stages: arguments.no_cache_filter.clone(),
        pull: arguments.pull.unwrap_or_default().into(),
        labels: arguments.result.labels()?,
        unused_arguments: arguments.build_arg_unused.unwrap_or_default().into(),
        emulation,
        force_commands: force_commands(&arguments.force_cmd, emulation)?,
        advise_force: !arguments.no_force_detect,
        binds: binds::mounts(&arguments.bind)?,
        surroundings: arguments.surroundings.surroundings()?,
        dry_run: arguments.dry_run,
        platform: host_platform(context)?,
    })
}

/// How many cores there are to work with.
fn cores() -> NonZeroUsize {
    thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

/// `--build-arg-file`, then `--build-arg`, so that a later one of the same name wins.
fn build_arguments(
    arguments: &BuildArgs,
    context: &Context,
) -> Result<Vec<BuildArgument>, Failure> {
    let mut texts = Vec::new();
    for path in &arguments.build_arg_file {
        let text = fs::read_to_string(path).map_err(|error| {
            let path = path.display();
            Failure::new(format_args!("can't read build arguments: {path}: {error}"))
        })?;
        let lines = text.lines().map(str::trim);
        let given = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        texts.extend(given.map(str::to_owned));
    }
    texts.extend(arguments.build_arg.iter().cloned());
    let of_environment = |name: &str| {
        let value = context.environment.get_even_empty(name)?;
        Some(value.to_string_lossy().into_owned())
    };
    let parsed = texts
        .iter()
        .map(|text| BuildArgument::parse(text, of_environment));
    Ok(parsed.collect::<Result<_, _>>()?)
}

/// The build argument `SOURCE_DATE_EPOCH`, else the option, else the variable, in seconds since 1970
/// (reproducible-builds.org).
fn source_date(
    option: Option<i64>,
    arguments: &[BuildArgument],
    context: &Context,
) -> Result<Option<Timestamp>, Failure> {
    let name = environment::SOURCE_DATE_EPOCH;
    let argument = arguments.iter().rev().find(|it| it.name == name);
    let argument = argument.map(|it| it.value.clone());
    let given = argument.or_else(|| option.map(|seconds| seconds.to_string()));
    let Some(text) = given.or_else(|| context.environment.text(name)) else {
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

/// `--pull`; `true` and `false` are Docker's and Buildah's.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub(super) enum PullWhen {
    #[value(alias = "true")]
    Always,
    #[default]
    #[value(alias = "false")]
    Missing,
    Newer,
    Never,
}

impl From<PullWhen> for PullPolicy {
    fn from(when: PullWhen) -> Self {
        match when {
            PullWhen::Always => Self::Always,
            PullWhen::Missing => Self::Missing,
            PullWhen::Newer => Self::Newer,
            PullWhen::Never => Self::Never,
        }
    }
}

/// `--build-arg-unused`.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub(super) enum Unused {
    #[default]
    Error,
    Warn,
    Ignore,
}

impl From<Unused> for UnusedArguments {
    fn from(unused: Unused) -> Self {
        match unused {
            Unused::Error => Self::Refused,
            Unused::Warn => Self::Warned,
            Unused::Ignore => Self::Ignored,
        }
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
