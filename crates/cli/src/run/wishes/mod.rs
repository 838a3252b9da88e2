//! From options, environment and the image's configuration to what is to be run.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use ch_container::environment::{
    DEFAULT_PATH, Edit, EnvironmentError, InPlaceEnvironment, PROXIES, Separator,
};
use ch_container::{AccountSources, Accounts, InPlace, Mount, Source, Variables};
use ch_emulation::Mode;
use ch_linux::namespace::Identity;
use ch_oci::{Execution, ImageConfig};

use super::options::{Change, Options, incomplete};
use crate::binds;
use crate::environment::{self, Environment};
use crate::failure::Failure;

/// Everything that says how the command is to run.
pub(super) struct Wishes<'a> {
    pub(super) options: &'a Options,
    pub(super) environment: &'a Environment,
    pub(super) config: Option<ImageConfig>,
    /// Who started this program.
    pub(super) caller: Identity,
    /// Who the command is to be.
    pub(super) inside: Identity,
    /// What the caller takes away from the modes of new files.
    pub(super) file_mode_mask: u32,
}

impl Wishes<'_> {
    /// The command and its surroundings.
    pub(super) fn spec(&self) -> Result<InPlace, Failure> {
        let Self {
            options,
            environment,
            ..
        } = self;
        let asked = options.mounts.iter();
        let mut mounts =
            binds::of_options(asked.map(|(option, argument)| (*option, argument.as_os_str())))?;
        let home = options.home.then(|| self.home()).transpose()?;
        let variable = home.as_ref().map(|home| home.target.clone().into());
        mounts.splice(0..0, home);
        Ok(InPlace {
            command: self.command()?,
            directory: self.directory(),
            any_directory: options.directory.is_none(),
            own_processes: options.pid,
            environment: self.variables(variable)?,
            mounts,
            tmp: (!options.private_tmp).then(|| {
                environment
                    .path(environment::TMPDIR)
                    .unwrap_or_else(|| "/tmp".into())
            }),
            accounts: (!options.no_passwd && self.chosen_user().is_none()).then(|| self.accounts()),
            writable: options.write || options.changes_in_memory().is_some(),
            file_mode_mask: self.file_mode_mask,
            emulation: self.emulation(),
            user: self.user(),
            remembered: Vec::new(),
        })
    }

    /// The caller's home directory, as it is to be seen.
    fn home(&self) -> Result<Mount, Failure> {
        let home = self.environment.path(environment::HOME);
        let home = home.ok_or_else(|| Failure::new("--home failed: $HOME not set"))?;
        let user = self.environment.text(environment::USER);
        let user = user.unwrap_or_else(|| self.accounts().user.name);
        if user.contains('/') || [".", ".."].contains(&&*user) {
            let message = format_args!("--home failed: not a user's name: {user}");
            return Err(Failure::new(message));
        }
        Ok(Mount::new(
            Source::Bind(home),
            Path::new("/home").join(user),
        ))
    }

    fn emulation(&self) -> Mode {
        self.options.emulation.unwrap_or(Mode::None)
    }

    /// Who the supervisor is to take the command for: whom the options name, else the image if it decides, else the
    /// caller.
    fn user(&self) -> String {
        let Identity { uid, gid } = self.inside;
        self.chosen_user().unwrap_or_else(|| format!("{uid}:{gid}"))
    }

    /// The same, if it is one of the image's own users, as in a build.
    fn chosen_user(&self) -> Option<String> {
        if let Some(user) = &self.options.user {
            return Some(user.clone());
        }
        if self.emulation() != Mode::Supervisor {
            return None;
        }
        match (self.options.uid, self.options.gid) {
            (Some(uid), Some(gid)) => Some(format!("{uid}:{gid}")),
            (Some(uid), None) => Some(uid.to_string()),
            (None, Some(_)) => None,
            (None, None) if self.as_configured() => {
                let user = self.execution()?.user.clone()?;
                Some(user).filter(|user| !user.is_empty())
            }
            (None, None) => None,
        }
    }

    /// The entrypoint, if there is to be one, and the command line's command or else the image's.
    fn command(&self) -> Result<Vec<OsString>, Failure> {
        let given = &self.options.command;
        let owned = |words: &Option<Vec<String>>| -> Vec<OsString> {
            words.iter().flatten().map(OsString::from).collect()
        };
        let mut command = match (&self.options.entrypoint, self.execution()) {
            (Some(program), _) if program.is_empty() => Vec::new(),
            (Some(program), _) => vec![program.clone()],
            (None, Some(config)) if self.as_configured() => owned(&config.entrypoint),
            (None, _) => Vec::new(),
        };
        match self.execution() {
            Some(config) if given.is_empty() => command.extend(owned(&config.cmd)),
            _ => command.extend_from_slice(given),
        }
        if command.is_empty() {
            return Err(incomplete());
        }
        Ok(command)
    }

    /// Without a command the image decides what to run, where, and with which variables; with one if it is asked to.
    fn as_configured(&self) -> bool {
        self.options.as_configured || self.options.command.is_empty()
    }

    fn execution(&self) -> Option<&Execution> {
        self.config.as_ref().map(|config| &config.config)
    }

    fn directory(&self) -> PathBuf {
        let configured = self
            .execution()
            .and_then(|config| config.working_dir.as_deref());
        let configured = configured.filter(|_| self.as_configured()).map(Path::new);
        let directory = self.options.directory.as_deref().or(configured);
        Path::new("/").join(directory.unwrap_or(Path::new("")))
    }

    fn variables(&self, home: Option<OsString>) -> Result<InPlaceEnvironment, EnvironmentError> {
        let config = self
            .execution()
            .and_then(|config| config.env.as_ref())
            .map(|variables| {
                let pairs = variables
                    .iter()
                    .filter_map(|variable| variable.split_once('='));
                pairs
                    .map(|(name, value)| (name.into(), value.into()))
                    .collect::<Variables>()
            });
        let owned = |(name, value): (&OsStr, &OsStr)| (name.to_owned(), value.to_owned());
        let mut inherited: Variables = self.environment.iter().map(owned).collect();
        let is_proxy = |name: &OsStr| PROXIES.iter().any(|proxy| name == *proxy);
        if self.options.clean_env {
            inherited.retain(|(name, _)| name == environment::TERM);
        }
        if self.as_configured() {
            // What the image's own environment is put over: a terminal, and the way to the network.
            inherited.retain(|(name, _)| name == environment::TERM || is_proxy(name));
            inherited.extend(config.clone().unwrap_or_default());
            if !inherited.iter().any(|(name, _)| name == environment::PATH) {
                inherited.push((environment::PATH.into(), DEFAULT_PATH.into()));
            }
        }
        let edits = self
            .options
            .changes
            .iter()
            .map(edit)
            .collect::<Result<_, _>>()?;
        Ok(InPlaceEnvironment {
            inherited,
            home,
            config,
            edits,
            literal: self.options.no_expand,
        })
    }

    fn accounts(&self) -> Accounts {
        let user_variable = self.environment.text(environment::USER);
        let sources = AccountSources {
            caller: self.caller.uid,
            user_variable: user_variable.as_deref(),
        };
        Accounts::look_up(self.inside.uid, self.inside.gid, sources)
    }
}

fn edit(change: &Change) -> Result<Edit, EnvironmentError> {
    match change {
        Change::Set(argument) => Edit::set(argument.as_deref(), Separator::Newline),
        Change::SetNul(argument) => Edit::set(argument.as_deref(), Separator::Nul),
        Change::Unset(glob) => Edit::unset(glob),
    }
}

#[cfg(test)]
mod tests;
