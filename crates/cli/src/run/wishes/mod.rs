//! From options, environment and the image's configuration to what is to be run.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use ch_container::environment::{
    DEFAULT_PATH, Edit, EnvironmentError, InPlaceEnvironment, PROXIES, Separator,
};
use ch_container::{AccountSources, Accounts, InPlace, Variables};
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
        let mounts = binds::mounts(&options.binds)?;
        Ok(InPlace {
            command: self.command()?,
            directory: self.directory(),
            environment: self.variables()?,
            mounts,
            tmp: (!options.private_tmp).then(|| {
                environment
                    .path(environment::TMPDIR)
                    .unwrap_or_else(|| "/tmp".into())
            }),
            accounts: (!options.no_passwd && self.chosen_user().is_none()).then(|| self.accounts()),
            writable: options.write,
            file_mode_mask: self.file_mode_mask,
            emulation: self.emulation(),
            user: self.user(),
            remembered: Vec::new(),
        })
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

    /// The command line's command, else the image's.
    fn command(&self) -> Result<Vec<OsString>, Failure> {
        if !self.as_configured() {
            return Ok(self.options.command.clone());
        }
        let configured: Vec<OsString> = self
            .execution()
            .into_iter()
            .flat_map(|config| [&config.entrypoint, &config.cmd])
            .flatten()
            .flatten()
            .map(OsString::from)
            .collect();
        if configured.is_empty() {
            return Err(incomplete());
        }
        Ok(configured)
    }

    /// Without a command, the image decides: what to run, where, and with which variables.
    fn as_configured(&self) -> bool {
        self.options.command.is_empty()
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

    fn variables(&self) -> Result<InPlaceEnvironment, EnvironmentError> {
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
        if self.as_configured() {
            // What the image's own environment is put over: a terminal, and the way to the network.
            inherited.retain(|(name, _)| {
                name == environment::TERM || PROXIES.iter().any(|proxy| name == proxy)
            });
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
