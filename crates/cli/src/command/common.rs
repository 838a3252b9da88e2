//! The options that every sub-command has, before or after its name.
//!
//! An option given on both sides counts as written after the sub-command, because wrappers put their
//! defaults before it; `-v` and `-q` add up. Exclusive options exclude each other on one side only.

use std::path::PathBuf;

use clap::{ArgAction, Args};

use super::registry::RegistryArgs;
use crate::environment::{self, Environment};
use crate::failure::Failure;
use crate::terminal::{ProgressMode, Settings, Terminal, WhenColour};

/// One side's common options.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "Common options")]
pub(crate) struct Common {
    /// Platform of images: host, yolo, or a name like arm64
    #[arg(short, long, value_name = "ARCH", visible_alias = "platform")]
    pub(crate) arch: Option<String>,

    /// Python debugger breakpoint (accepted, no effect)
    #[arg(long = "break", value_name = "MODULE:LINE", hide = true)]
    breakpoint: Option<String>,

    #[command(flatten)]
    cache: CacheFlags,

    /// Threshold for large files (accepted, no effect)
    #[arg(long, value_name = "SIZE", hide = true)]
    cache_large: Option<u64>,

    /// When to colour messages
    #[arg(long, value_name = "WHEN")]
    color: Option<WhenColour>,

    /// Print what keeps this program from working here, and exit
    #[arg(long)]
    pub(crate) dependencies: bool,

    /// Print this help, and exit
    #[arg(short, long, action = ArgAction::HelpShort)]
    help: Option<bool>,

    /// Print output as JSON, of schema N (default 1)
    #[arg(
        long,
        value_name = "N",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "1"
    )]
    pub(crate) json: Option<u32>,

    /// How long to wait for an exclusive user of the storage directory (default 60)
    #[arg(long, value_name = "SECONDS")]
    pub(crate) lock_timeout: Option<u64>,

    /// Don't lock the storage directory (risky)
    #[arg(long)]
    pub(crate) no_lock: bool,

    /// Don't wait for the disk: a power cut may lose what was just made
    #[arg(long)]
    pub(crate) no_sync: bool,

    /// Extended attributes are always kept (accepted, no effect)
    #[arg(long, hide = true)]
    no_xattrs: bool,

    /// How to show progress
    #[arg(long, value_name = "MODE")]
    progress: Option<ProgressMode>,

    /// Print less (repeatable)
    #[arg(short, long, action = ArgAction::Count)]
    pub(crate) quiet: u8,

    #[command(flatten)]
    pub(crate) registry: RegistryArgs,

    /// Storage directory
    #[arg(short, long, value_name = "DIR")]
    pub(crate) storage: Option<PathBuf>,

    /// Print more (repeatable)
    #[arg(short, long, action = ArgAction::Count)]
    pub(crate) verbose: u8,

    /// Print the version, and exit
    #[arg(long, action = ArgAction::Version)]
    version: Option<bool>,

    /// Extended attributes are always kept (accepted, no effect)
    #[arg(long, hide = true)]
    xattrs: bool,
}

/// The three options that exclude each other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Args)]
struct CacheFlags {
    /// Use the build cache (default)
    #[arg(long, conflicts_with_all = ["no_cache", "rebuild"])]
    cache: bool,

    /// Don't use the build cache
    #[arg(long, conflicts_with = "rebuild")]
    no_cache: bool,

    /// Execute again what is in the build cache, and store the result
    #[arg(long)]
    rebuild: bool,
}

/// How the build cache is used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum CacheMode {
    /// Look up and store.
    #[default]
    Enabled,
    /// Neither.
    Disabled,
    /// Store only.
    Rebuild,
}

impl CacheFlags {
    fn mode(self) -> Option<CacheMode> {
        match self {
            Self { cache: true, .. } => Some(CacheMode::Enabled),
            Self { no_cache: true, .. } => Some(CacheMode::Disabled),
            Self { rebuild: true, .. } => Some(CacheMode::Rebuild),
            Self { .. } => None,
        }
    }
}

impl Common {
    /// What both sides say together.
    pub(crate) fn followed_by(self, after: Self) -> Self {
        Self {
            arch: after.arch.or(self.arch),
            breakpoint: after.breakpoint.or(self.breakpoint),
            cache: if after.cache.mode().is_some() {
                after.cache
            } else {
                self.cache
            },
            cache_large: after.cache_large.or(self.cache_large),
            color: after.color.or(self.color),
            dependencies: self.dependencies || after.dependencies,
            json: after.json.or(self.json),
            lock_timeout: after.lock_timeout.or(self.lock_timeout),
            no_lock: self.no_lock || after.no_lock,
            no_sync: self.no_sync || after.no_sync,
            no_xattrs: self.no_xattrs || after.no_xattrs,
            progress: after.progress.or(self.progress),
            quiet: self.quiet.saturating_add(after.quiet),
            storage: after.storage.or(self.storage),
            registry: self.registry.followed_by(after.registry),
            verbose: self.verbose.saturating_add(after.verbose),
            version: None,
            help: None,
            xattrs: self.xattrs || after.xattrs,
        }
    }

    /// How messages are to look.
    pub(crate) fn settings(&self, environment: &Environment) -> Settings {
        let verbosity =
            crate::terminal::Verbosity::of(usize::from(self.verbose), usize::from(self.quiet));
        let colour = self.color.unwrap_or_default();
        Settings::new(
            verbosity,
            colour,
            self.progress.unwrap_or_default(),
            environment,
        )
    }

    /// How the build cache is used: by option, else by `$CH_IMAGE_CACHE`.
    pub(crate) fn cache_mode(&self, environment: &Environment) -> Result<CacheMode, Failure> {
        if let Some(mode) = self.cache.mode() {
            return Ok(mode);
        }
        let variable = environment::CH_IMAGE_CACHE;
        match environment.text(variable).as_deref() {
            None | Some("enabled") => Ok(CacheMode::Enabled),
            Some("disabled") => Ok(CacheMode::Disabled),
            Some("rebuild") => Ok(CacheMode::Rebuild),
            Some(other) => Err(Failure::new(format_args!(
                "${variable}: invalid build cache mode: {other}"
            ))),
        }
    }

    /// Options that may not stand together on any side, as the reference reports them: one message
    /// each, then the sum.
    pub(crate) fn incompatible_pairs(&self) -> Vec<Failure> {
        let pairs = [
            (self.quiet > 0 && self.verbose > 0, "quiet", "verbose"),
            (self.xattrs && self.no_xattrs, "xattrs", "no-xattrs"),
        ];
        let mut failures: Vec<Failure> = pairs
            .iter()
            .filter(|(both, ..)| *both)
            .map(|(_, one, other)| {
                Failure::new(format_args!("\"--{one}\" incompatible with \"--{other}\""))
            })
            .collect();
        if !failures.is_empty() {
            let sum = format!("{} incompatible option pair(s)", failures.len());
            failures.push(Failure::new(sum));
        }
        failures
    }

    /// Says which options were accepted only because other programs have them.
    pub(crate) fn note_options_without_meaning(&self, terminal: &Terminal) {
        if self.breakpoint.is_some() {
            terminal.warning("--break ignored: not a Python program");
        }
        let without_meaning = [
            (self.cache_large.is_some(), "--cache-large"),
            (self.xattrs, "--xattrs"),
            (self.no_xattrs, "--no-xattrs"),
        ];
        for (given, option) in without_meaning {
            if given {
                terminal.verbose(format_args!("{option} has no meaning here: ignored"));
            }
        }
    }
}
