//! What a user may choose about a build, checked and complete: nothing behind it sees a flag.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use ch_container::environment::pass_through;
use ch_oci::{Platform, Reference};
use jiff::Timestamp;

use crate::scope::SOURCE_DATE_EPOCH;
use crate::{ForceCommand, IgnoreFile};

/// What is to be built, and how.
#[derive(Debug, Clone)]
pub struct Options {
    /// Names of the result, as given; at least one.
    pub names: Vec<Reference>,
    /// Whether the result gets its names in the storage directory.
    pub store: bool,
    /// The directory that `COPY` reads; `None` if there is none.
    pub context: Option<PathBuf>,
    /// Where the Dockerfile is, if it is a file; what is to be ignored may stand beside it.
    pub dockerfile: Option<PathBuf>,
    /// Which file says what `COPY` does not see of the context.
    pub ignore_file: IgnoreFile,
    /// `--build-arg`, in order; a later one of the same name wins.
    pub build_arguments: Vec<BuildArgument>,
    /// Variables of the host; those of [`pass_through`] are handed on to `RUN`.
    pub host_environment: Vec<(String, String)>,
    /// The stage that is built, by name or number; `None`: the last one.
    pub target: Option<String>,
    /// How many stages are built at the same time.
    pub jobs: NonZeroUsize,
    /// What the build cache is used for.
    pub cache: Cache,
    /// Stages that are executed again, as are those that are built on them; by name or number.
    pub rebuilt_stages: Vec<String>,
    /// When images are pulled.
    pub pull: PullPolicy,
    /// Labels of the result, whatever `LABEL` says.
    pub labels: Vec<(String, String)>,
    /// What becomes of build arguments that no `ARG` asks for.
    pub unused_arguments: UnusedArguments,
    /// Root emulation of `RUN`.
    pub emulation: ch_emulation::Mode,
    /// What is put behind the names of commands under the `seccomp` mode.
    pub force_commands: Vec<ForceCommand>,
    /// Whether to advise `--force` when a `RUN` fails that could do with it.
    pub advise_force: bool,
    /// Directories and files of the host that `RUN` sees.
    pub binds: Vec<ch_container::Mount>,
    /// What `RUN` has otherwise than the host.
    pub surroundings: ch_container::Surroundings,
    /// Only say what would be done.
    pub dry_run: bool,
    /// `SOURCE_DATE_EPOCH` of the environment: the time that config and history say instead of that of
    /// the build. The build argument of that name wins.
    pub created: Option<Timestamp>,
    /// What is built for: the machine's own kind.
    pub platform: Platform,
}

impl Options {
    /// The value of a variable that needs no `ARG`: `--build-arg` wins over the environment.
    pub(crate) fn passed_through(&self, name: &str) -> Option<&str> {
        if !pass_through().any(|known| known == name) {
            return None;
        }
        let host = || self.host_environment.iter().find(|(host, _)| host == name);
        self.build_argument(name)
            .or_else(|| host().map(|(_, value)| value.as_str()))
    }

    /// The same options, with the time of the environment as the build argument that it also is.
    pub(crate) fn with_source_date(&self) -> Self {
        let mut options = self.clone();
        if let Some(created) = options.created
            && options.build_argument(SOURCE_DATE_EPOCH).is_none()
        {
            options.build_arguments.push(BuildArgument {
                name: SOURCE_DATE_EPOCH.to_owned(),
                value: created.as_second().to_string(),
            });
        }
        options
    }

    /// The value that `--build-arg` gives to `name`.
    pub(crate) fn build_argument(&self, name: &str) -> Option<&str> {
        let given = self.build_arguments.iter().rev().find(|a| a.name == name);
        given.map(|argument| argument.value.as_str())
    }
}

/// What the build cache is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Cache {
    /// Read and written.
    #[default]
    Enabled,
    /// Neither.
    Disabled,
    /// Written only: everything is executed again.
    Rebuild,
}

/// When the images that a build needs are pulled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PullPolicy {
    /// Always: the build fails if that can't be.
    Always,
    /// If they are not there.
    #[default]
    Missing,
    /// Always; if that can't be, those that are there are used.
    Newer,
    /// Never.
    Never,
}

/// What becomes of build arguments that no `ARG` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UnusedArguments {
    /// The build fails: most likely a name is misspelt.
    #[default]
    Refused,
    /// They are told of.
    Warned,
    /// Nothing.
    Ignored,
}

/// One `--build-arg`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildArgument {
    /// Name of the `ARG`.
    pub name: String,
    /// Its value, not yet substituted.
    pub value: String,
}

/// A `--build-arg NAME` whose value is nowhere.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("--build-arg: {0}: no value and not in environment")]
pub struct NoValueError(String);

impl BuildArgument {
    /// Reads `NAME=VALUE`, or `NAME` with its value from the environment.
    pub fn parse(
        text: &str,
        environment: impl FnOnce(&str) -> Option<String>,
    ) -> Result<Self, NoValueError> {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (text, environment(text)),
        };
        let value = value.ok_or_else(|| NoValueError(name.to_owned()))?;
        Ok(Self {
            name: name.to_owned(),
            value,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn value_comes_from_the_option_or_the_environment() {
        let environment = |name: &str| (name == "K").then(|| "from outside".to_owned());
        let value = |text| BuildArgument::parse(text, environment).map(|a| a.value);
        assert_eq!(value("K=a=b").unwrap(), "a=b");
        assert_eq!(value("K=").unwrap(), "");
        assert_eq!(value("K").unwrap(), "from outside");
        let error = value("L").unwrap_err();
        assert_eq!(
            error.to_string(),
            "--build-arg: L: no value and not in environment"
        );
    }
}
