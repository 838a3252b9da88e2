//! Every environment variable this program looks at.
//!
//! The libraries never read the environment: what they need arrives as values that are made here and
//! in the commands. Names are constants with their meaning beside them. Unless said otherwise
//! an empty value means that the variable is unset.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::{env, fs};

use crate::failure::Failure;

/// Storage directory; must be absolute.
pub(crate) const CH_IMAGE_STORAGE: &str = "CH_IMAGE_STORAGE";
/// Older name of [`CH_IMAGE_STORAGE`]: not used, but a warning if the other is not set.
pub(crate) const CH_GROW_STORAGE: &str = "CH_GROW_STORAGE";
/// Default of the build cache options: `enabled`, `disabled` or `rebuild`.
pub(crate) const CH_IMAGE_CACHE: &str = "CH_IMAGE_CACHE";
/// Default mode of root emulation in `build`.
pub(crate) const CH_IMAGE_FORCE: &str = "CH_IMAGE_FORCE";
/// `no`: nothing is flushed to the disk, as with `--no-sync`.
pub(crate) const CH_IMAGE_SYNC: &str = "CH_IMAGE_SYNC";
/// For tests: pretends another boot of the machine.
pub(crate) const CH_IMAGE_TEST_BOOT_ID: &str = "CH_IMAGE_TEST_BOOT_ID";
/// Set by completion scripts: the name of the shell that asks.
pub(crate) const CH_IMAGE_COMPLETE: &str = "CH_IMAGE_COMPLETE";
/// File to which messages are appended instead of standard error.
pub(crate) const CH_LOG_FILE: &str = "CH_LOG_FILE";
/// Set, even empty: every line of the log starts with process id and local time.
pub(crate) const CH_LOG_FESTOON: &str = "CH_LOG_FESTOON";
/// Registry for references that name none.
pub(crate) const CH_REGY_DEFAULT_HOST: &str = "CH_REGY_DEFAULT_HOST";
/// Port of [`CH_REGY_DEFAULT_HOST`].
pub(crate) const CH_REGY_DEFAULT_PORT: &str = "CH_REGY_DEFAULT_PORT";
/// Path put before the image's own at [`CH_REGY_DEFAULT_HOST`].
pub(crate) const CH_REGY_PATH_PREFIX: &str = "CH_REGY_PATH_PREFIX";
/// `yes` is `--auth`, `no` is `--no-auth`.
pub(crate) const CH_IMAGE_AUTH: &str = "CH_IMAGE_AUTH";
/// User at registries, for authenticated mode.
pub(crate) const CH_IMAGE_USERNAME: &str = "CH_IMAGE_USERNAME";
/// Password of [`CH_IMAGE_USERNAME`].
pub(crate) const CH_IMAGE_PASSWORD: &str = "CH_IMAGE_PASSWORD";
/// File with credentials, as Podman has it; no other file is read then.
pub(crate) const REGISTRY_AUTH_FILE: &str = "REGISTRY_AUTH_FILE";
/// Directory of Docker's `config.json`.
pub(crate) const DOCKER_CONFIG: &str = "DOCKER_CONFIG";
/// The text of such a file, as GitLab has it.
pub(crate) const DOCKER_AUTH_CONFIG: &str = "DOCKER_AUTH_CONFIG";
/// The user's directory of configuration.
pub(crate) const XDG_CONFIG_HOME: &str = "XDG_CONFIG_HOME";
/// The user's directory of things that go with the login.
pub(crate) const XDG_RUNTIME_DIR: &str = "XDG_RUNTIME_DIR";
/// Certificate authorities instead of the machine's.
pub(crate) const SSL_CERT_FILE: &str = "SSL_CERT_FILE";
/// Directory of them.
pub(crate) const SSL_CERT_DIR: &str = "SSL_CERT_DIR";
/// The same as [`SSL_CERT_FILE`], or a directory, for Python's requests.
pub(crate) const REQUESTS_CA_BUNDLE: &str = "REQUESTS_CA_BUNDLE";
/// The same for curl.
pub(crate) const CURL_CA_BUNDLE: &str = "CURL_CA_BUNDLE";
/// Proxies, by scheme of the address that is wanted; the lower case ones first.
pub(crate) const HTTPS_PROXY: [&str; 2] = ["https_proxy", "HTTPS_PROXY"];
/// The same for plain HTTP.
pub(crate) const HTTP_PROXY: [&str; 2] = ["http_proxy", "HTTP_PROXY"];
/// The proxy for schemes that have none of their own.
pub(crate) const ALL_PROXY: [&str; 2] = ["all_proxy", "ALL_PROXY"];
/// Hosts that are reached without a proxy.
pub(crate) const NO_PROXY: [&str; 2] = ["no_proxy", "NO_PROXY"];
/// `1`, `yes` or `true`: no network, as with `--offline`.
pub(crate) const CH_IMAGE_OFFLINE: &str = "CH_IMAGE_OFFLINE";
/// Mirrors of registries: `HOST=MIRROR[/PATH][,...]`.
pub(crate) const CH_IMAGE_REGISTRY_MIRRORS: &str = "CH_IMAGE_REGISTRY_MIRRORS";
/// File with mirrors of registries, as Podman has it; no other one is read then.
pub(crate) const CONTAINERS_REGISTRIES_CONF: &str = "CONTAINERS_REGISTRIES_CONF";
/// For tests: how layers are put together. `overlay` is the only way there is yet.
pub(crate) const CH_IMAGE_ENGINE: &str = "CH_IMAGE_ENGINE";
/// Which programs' Dockerfiles `build` understands. `docker` is the only dialect there is yet.
pub(crate) const CH_IMAGE_DIALECT: &str = "CH_IMAGE_DIALECT";
/// Where an engine that is not there yet keeps its temporary files; the overlay needs no such place.
pub(crate) const CH_IMAGE_TMPDIR: &str = "CH_IMAGE_TMPDIR";
/// As `--debug`; not yet supported.
pub(crate) const CH_IMAGE_DEBUG: &str = "CH_IMAGE_DEBUG";
/// `1`: `ch-run` writes a line to the system's log.
pub(crate) const CH_RUN_SYSLOG: &str = "CH_RUN_SYSLOG";
/// Time of what is written; not yet supported.
pub(crate) const SOURCE_DATE_EPOCH: &str = "SOURCE_DATE_EPOCH";
/// Default platform of images.
pub(crate) const DOCKER_DEFAULT_PLATFORM: &str = "DOCKER_DEFAULT_PLATFORM";
/// Name of the user, for the default storage directory.
pub(crate) const USER: &str = "USER";
/// Home directory.
pub(crate) const HOME: &str = "HOME";
/// Where programs are looked for.
pub(crate) const PATH: &str = "PATH";
/// Directory for temporary files; `ch-run` shows it as the container's `/tmp`.
pub(crate) const TMPDIR: &str = "TMPDIR";
/// Set and not empty: no colour.
pub(crate) const NO_COLOR: &str = "NO_COLOR";
/// Not zero: colour even where there is no terminal.
pub(crate) const CLICOLOR_FORCE: &str = "CLICOLOR_FORCE";
/// The same as [`CLICOLOR_FORCE`].
pub(crate) const FORCE_COLOR: &str = "FORCE_COLOR";
/// Kind of terminal; `dumb` can show neither colour nor progress.
pub(crate) const TERM: &str = "TERM";
/// Width of help texts.
pub(crate) const COLUMNS: &str = "COLUMNS";
/// Filter of the libraries' log events, for developers.
pub(crate) const RUST_LOG: &str = "RUST_LOG";

/// Set in pods; wording of a diagnosis only.
pub(crate) const KUBERNETES_SERVICE_HOST: &str = "KUBERNETES_SERVICE_HOST";
/// Set in containers of several programs; wording of a diagnosis only.
pub(crate) const CONTAINER: &str = "container";

/// Variables that hold passwords, which are none of other programs' business.
const SECRET: [&str; 2] = [CH_IMAGE_PASSWORD, DOCKER_AUTH_CONFIG];

/// Whether a variable says that this is a container already.
pub(crate) fn says_container(environment: &Environment) -> bool {
    environment.is_set(KUBERNETES_SERVICE_HOST) || environment.is_set(CONTAINER)
}

/// Fails if another engine than ours is asked for.
pub(crate) fn check_engine(environment: &Environment) -> Result<(), Failure> {
    check_choice(environment, CH_IMAGE_ENGINE, "overlay", &["split", "flat"])
}

/// Fails if the variable `name` asks for anything but what there `is`, one of the values that it `may` have.
pub(crate) fn check_choice(
    environment: &Environment,
    name: &str,
    is: &str,
    may: &[&str],
) -> Result<(), Failure> {
    match environment.text(name) {
        None => Ok(()),
        Some(value) if value == is => Ok(()),
        Some(value) if may.contains(&value.as_str()) => {
            Err(Failure::not_yet(format_args!("{name}={value}")))
        }
        Some(value) => Err(Failure::new(format_args!(
            "${name}: invalid value: {value}"
        ))),
    }
}

/// Fails if one of the variables is set, which nothing here understands yet.
pub(crate) fn check_unset(environment: &Environment, names: &[&str]) -> Result<(), Failure> {
    match names.iter().find(|name| environment.get(name).is_some()) {
        Some(name) => Err(Failure::not_yet(format_args!("${name}"))),
        None => Ok(()),
    }
}

/// The variables of the calling process, read once.
#[derive(Debug, Clone, Default)]
pub(crate) struct Environment {
    variables: BTreeMap<OsString, OsString>,
}

impl Environment {
    /// What this process was started with.
    pub(crate) fn of_process() -> Self {
        env::vars_os().collect()
    }

    /// The value of `name`, unless it is unset or empty.
    pub(crate) fn get(&self, name: &str) -> Option<&OsStr> {
        self.get_even_empty(name).filter(|value| !value.is_empty())
    }

    /// The value of `name`, empty or not.
    pub(crate) fn get_even_empty(&self, name: &str) -> Option<&OsStr> {
        self.variables
            .get(OsStr::new(name))
            .map(OsString::as_os_str)
    }

    /// The value of `name` as text; bytes that are none become replacement characters.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        self.get(name)
            .map(|value| value.to_string_lossy().into_owned())
    }

    /// The value of `name` as a path.
    pub(crate) fn path(&self, name: &str) -> Option<PathBuf> {
        self.get(name).map(PathBuf::from)
    }

    /// The program `name`, as a shell would find it.
    pub(crate) fn program(&self, name: &str) -> Option<PathBuf> {
        let is_program = |path: &PathBuf| {
            fs::metadata(path)
                .is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
        };
        env::split_paths(self.get(PATH)?)
            .map(|directory| directory.join(name))
            .find(is_program)
    }

    /// Whether `name` is set, even to nothing.
    pub(crate) fn is_set(&self, name: &str) -> bool {
        self.get_even_empty(name).is_some()
    }

    /// The value of the first of `names` that has one, with its name.
    pub(crate) fn first<'n>(&self, names: &[&'n str]) -> Option<(&'n str, String)> {
        names
            .iter()
            .find_map(|name| Some((*name, self.text(name)?)))
    }

    /// Everything, in order of names.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.variables
            .iter()
            .map(|(name, value)| (name.as_os_str(), value.as_os_str()))
    }

    /// Everything but secrets, for other programs.
    pub(crate) fn without_secrets(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.iter()
            .filter(|(name, _)| SECRET.iter().all(|secret| name != secret))
    }
}

impl<N: Into<OsString>, V: Into<OsString>> FromIterator<(N, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let variables = pairs
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        Self { variables }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_value_means_unset() {
        let environment: Environment = [(CH_LOG_FILE, ""), (USER, "alice")].into_iter().collect();
        assert_eq!(environment.get(CH_LOG_FILE), None);
        assert!(environment.is_set(CH_LOG_FILE));
        assert_eq!(environment.text(USER).as_deref(), Some("alice"));
        assert!(!environment.is_set(CH_LOG_FESTOON));
    }

    #[test]
    fn what_is_yet_to_come_is_not_ignored() {
        let check = |value: &str| {
            let environment = [(CH_IMAGE_ENGINE, value)].into_iter().collect();
            let checked = check_choice(&environment, CH_IMAGE_ENGINE, "overlay", &["split"]);
            checked.err().map(|failure| failure.message().to_owned())
        };
        assert_eq!(check(""), None);
        assert_eq!(check("overlay"), None);
        assert_eq!(
            check("split").as_deref(),
            Some("not yet supported: CH_IMAGE_ENGINE=split")
        );
        assert_eq!(
            check("Overlay").as_deref(),
            Some("$CH_IMAGE_ENGINE: invalid value: Overlay")
        );
        let environment = [("A", ""), ("B", "x")].into_iter().collect();
        assert!(check_unset(&environment, &["A", "C"]).is_ok());
        let failure = check_unset(&environment, &["A", "B"]).unwrap_err();
        assert_eq!(failure.message(), "not yet supported: $B");
    }
}
