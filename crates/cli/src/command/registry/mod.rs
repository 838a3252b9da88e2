//! Options and variables about registries, and the client that is made of them.

mod helpers;
mod mirrors;
mod prompt;
mod proxies;
mod sources;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ch_registry::{
    Authentication, Client, Importance, Keeper, Notice, Options, Retries, Source, Trust,
};
use clap::Args;

use crate::environment::{self, Environment};
use crate::failure::Failure;
use crate::terminal::Terminal;

/// Longer waits are not meant.
const LONGEST_DELAY: f64 = 3600.0;

/// The common options about registries, of one side of the sub-command.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub(crate) struct RegistryArgs {
    /// Download again what is in the storage directory
    #[arg(long)]
    pub(super) always_download: bool,

    /// Use credentials whenever a registry asks for them
    #[arg(long, conflicts_with = "no_auth")]
    auth: bool,

    /// Read credentials from this file only
    #[arg(long, value_name = "FILE")]
    authfile: Option<PathBuf>,

    /// Never use credentials
    #[arg(long)]
    no_auth: bool,

    /// Use no network
    #[arg(long)]
    offline: bool,

    /// Ask for the password every time, for one-time passwords
    #[arg(long)]
    password_many: bool,

    /// Read the password of --username from standard input
    #[arg(long)]
    password_stdin: bool,

    /// Allow plain HTTP, with credentials (dangerous)
    #[arg(long)]
    plain_http: bool,

    /// Read images of HOST at MIRROR first (repeatable)
    #[arg(long, value_name = "HOST=MIRROR[/PATH]")]
    registry_mirror: Vec<String>,

    /// How often a request is made at most (default 5)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    retry: Option<u32>,

    /// Seconds before a request is made again, doubled each time (default 0.5)
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    retry_delay: Option<Duration>,

    /// Don't verify TLS certificates (dangerous)
    #[arg(long, alias = "insecure", overrides_with = "tls_verify")]
    tls_no_verify: bool,

    /// Whether to verify TLS certificates
    #[arg(
        long,
        value_name = "BOOL",
        hide = true,
        action = clap::ArgAction::Set,
        overrides_with = "tls_no_verify"
    )]
    tls_verify: Option<bool>,

    /// User at the registry; implies --auth
    #[arg(long, value_name = "NAME")]
    username: Option<String>,
}

impl RegistryArgs {
    /// What both sides say together.
    pub(super) fn followed_by(self, after: Self) -> Self {
        let decided = after.auth || after.no_auth;
        Self {
            always_download: self.always_download || after.always_download,
            auth: if decided { after.auth } else { self.auth },
            authfile: after.authfile.or(self.authfile),
            no_auth: if decided { after.no_auth } else { self.no_auth },
            offline: self.offline || after.offline,
            password_many: self.password_many || after.password_many,
            password_stdin: self.password_stdin || after.password_stdin,
            plain_http: self.plain_http || after.plain_http,
            registry_mirror: [after.registry_mirror, self.registry_mirror].concat(),
            retry: after.retry.or(self.retry),
            retry_delay: after.retry_delay.or(self.retry_delay),
            tls_no_verify: after.tls_no_verify
                || (self.tls_no_verify && after.tls_verify.is_none()),
            tls_verify: match after.tls_no_verify {
                true => None,
                false => after.tls_verify.or(self.tls_verify),
            },
            username: after.username.or(self.username),
        }
    }

    /// A client that behaves so. It has spoken to nobody.
    pub(super) fn client(
        &self,
        environment: &Environment,
        terminal: &Arc<Terminal>,
    ) -> Result<Client, Failure> {
        let sources = sources::all(self, environment, terminal)?;
        let authentication = self.authentication(environment);
        let who = (authentication, sources, None);
        self.client_of(who, environment, terminal)
    }

    /// The same, but credentials are used whenever a registry asks for them.
    pub(super) fn authenticated_client(
        &self,
        environment: &Environment,
        terminal: &Arc<Terminal>,
    ) -> Result<Client, Failure> {
        let authentication = match self.authentication(environment) {
            Authentication::Automatic => Authentication::Required,
            chosen => chosen,
        };
        let sources = sources::all(self, environment, terminal)?;
        let who = (authentication, sources, None);
        self.client_of(who, environment, terminal)
    }

    /// A client that uses what is given or typed, and nothing that is kept.
    pub(super) fn new_user_client(
        &self,
        username: Option<&str>,
        environment: &Environment,
        terminal: &Arc<Terminal>,
    ) -> Result<Client, Failure> {
        let sources = sources::given_for(username, self, environment)?;
        let username = username.map(str::to_owned).or(self.username.clone());
        let who = (Authentication::Required, sources, username);
        self.client_of(who, environment, terminal)
    }

    /// Where credentials are kept.
    pub(super) fn keeper(&self, environment: &Environment) -> Keeper {
        let (file, sources) = sources::kept(self, environment);
        Keeper {
            file,
            sources,
            run_helper: helpers::in_environment(environment),
        }
    }

    /// A client for whoever has these credentials, and perhaps this name for a password that is typed.
    fn client_of(
        &self,
        (authentication, sources, username): (Authentication, Vec<Source>, Option<String>),
        environment: &Environment,
        terminal: &Arc<Terminal>,
    ) -> Result<Client, Failure> {
        let notify = notify(Arc::clone(terminal));
        let free = !self.password_stdin;
        Ok(Client::new(Options {
            authentication,
            sources,
            run_helper: Some(helpers::in_environment(environment)),
            prompt: Some(prompt::on_terminal(Arc::clone(terminal), free, username)),
            password_many: self.password_many,
            trust: trust(environment),
            certificate_directories: certificate_directories(environment),
            verify_tls: self.verifies_tls(),
            plain_http: self.plain_http,
            mirrors: mirrors::all(self, environment, &*notify)?,
            proxies: proxies::of(environment),
            offline: self.offline(environment),
            retries: self.retries(),
            notify,
            ..Options::default()
        }))
    }

    /// `--tls-no-verify` or `--tls-verify`; of each side only the last one is there.
    fn verifies_tls(&self) -> bool {
        !self.tls_no_verify && self.tls_verify != Some(false)
    }

    /// `--retry` and `--retry-delay`.
    fn retries(&self) -> Retries {
        let usual = Retries::default();
        Retries {
            attempts: self.retry.unwrap_or(usual.attempts),
            delay: self.retry_delay.unwrap_or(usual.delay),
        }
    }

    /// `--offline` or `$CH_IMAGE_OFFLINE`.
    pub(crate) fn offline(&self, environment: &Environment) -> bool {
        let variable = environment.text(environment::CH_IMAGE_OFFLINE);
        self.offline || matches!(variable.as_deref(), Some("1" | "yes" | "true"))
    }

    /// Options win over `$CH_IMAGE_AUTH`; credentials that were given are meant to be used.
    fn authentication(&self, environment: &Environment) -> Authentication {
        let variable = environment.text(environment::CH_IMAGE_AUTH);
        match (self, variable.as_deref()) {
            (Self { no_auth: true, .. }, _) => Authentication::Anonymous,
            (
                Self { auth: true, .. }
                | Self {
                    username: Some(_), ..
                },
                _,
            ) => Authentication::Required,
            (_, Some("yes")) => Authentication::Required,
            (_, Some("no")) => Authentication::Anonymous,
            _ => Authentication::Automatic,
        }
    }
}

/// A number of seconds, with decimals.
fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text
        .parse()
        .ok()
        .filter(|seconds: &f64| *seconds <= LONGEST_DELAY);
    seconds
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| format!("not a number of seconds from 0 to {LONGEST_DELAY}"))
}

/// Whose certificates are believed: the first variable that is set replaces the machine's.
fn trust(environment: &Environment) -> Trust {
    let variables = [
        environment::SSL_CERT_FILE,
        environment::SSL_CERT_DIR,
        environment::REQUESTS_CA_BUNDLE,
        environment::CURL_CA_BUNDLE,
    ];
    let path = variables
        .iter()
        .find_map(|variable| environment.path(variable));
    path.map_or(Trust::System, Trust::Only)
}

/// Where authorities for single registries are, the user's own first.
fn certificate_directories(environment: &Environment) -> Vec<PathBuf> {
    let own = environment.path(environment::HOME);
    let own = own.map(|home| home.join(".config/containers/certs.d"));
    let system = ["/etc/containers/certs.d", "/etc/docker/certs.d"].map(PathBuf::from);
    own.into_iter().chain(system).collect()
}

/// Shows what the client tells.
fn notify(terminal: Arc<Terminal>) -> Arc<dyn Fn(Notice) + Send + Sync> {
    Arc::new(move |notice: Notice| match notice.importance() {
        Importance::Warning => terminal.warning(notice),
        Importance::Information => terminal.info(notice),
        Importance::Note => terminal.verbose(notice),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_about_authentication_win_over_the_variable() {
        let none = RegistryArgs::default();
        let auth = RegistryArgs {
            auth: true,
            ..RegistryArgs::default()
        };
        let no_auth = RegistryArgs {
            no_auth: true,
            ..RegistryArgs::default()
        };
        let named = RegistryArgs {
            username: Some("u".into()),
            ..RegistryArgs::default()
        };
        let cases = [
            (&none, "", Authentication::Automatic),
            (&none, "maybe", Authentication::Automatic),
            (&none, "yes", Authentication::Required),
            (&none, "no", Authentication::Anonymous),
            (&auth, "no", Authentication::Required),
            (&named, "no", Authentication::Required),
            (&no_auth, "yes", Authentication::Anonymous),
        ];
        for (arguments, variable, expected) in cases {
            let environment = [(environment::CH_IMAGE_AUTH, variable)]
                .into_iter()
                .collect();
            assert_eq!(
                arguments.authentication(&environment),
                expected,
                "{arguments:?} {variable}"
            );
        }
        let after = auth.clone().followed_by(no_auth.clone());
        assert_eq!(after, no_auth);
    }

    #[test]
    fn the_last_option_about_certificates_wins() {
        use clap::Parser;
        #[derive(Parser)]
        #[command(args_override_self = true)]
        struct Side {
            #[command(flatten)]
            registry: RegistryArgs,
        }
        let side = |options: &str| {
            let words = std::iter::once("x").chain(options.split_whitespace());
            Side::try_parse_from(words).unwrap().registry
        };
        let (no, yes) = ("--tls-no-verify", "--tls-verify=true");
        for (before, after, expected) in [
            ("", "", true),
            (no, "", false),
            ("", no, false),
            (no, yes, true),
            (yes, no, false),
            ("--tls-verify=false", yes, true),
            ("--tls-verify false", "", false),
            ("--tls-no-verify --tls-verify=true", "", true),
            ("--tls-verify=true --tls-no-verify", "", false),
            (no, "--tls-no-verify --tls-verify=true", true),
            (yes, "--tls-verify=true --insecure", false),
        ] {
            let both = side(before).followed_by(side(after));
            assert_eq!(both.verifies_tls(), expected, "{before:?} CMD {after:?}");
        }
    }

    #[test]
    fn retries_are_five_unless_told_otherwise() {
        let usual = RegistryArgs::default();
        assert_eq!(usual.retries(), Retries::default());
        let before = RegistryArgs {
            retry: Some(2),
            retry_delay: Some(Duration::ZERO),
            ..RegistryArgs::default()
        };
        let after = RegistryArgs {
            retry: Some(1),
            ..RegistryArgs::default()
        };
        let expected = Retries {
            attempts: 1,
            delay: Duration::ZERO,
        };
        assert_eq!(before.followed_by(after).retries(), expected);
    }

    #[test]
    fn waits_are_decimal_numbers_of_seconds() {
        let table = [
            ("0", Some(0)),
            ("0.25", Some(250)),
            ("3600", Some(3_600_000)),
            ("3601", None),
            ("-1", None),
            ("nan", None),
            ("inf", None),
            ("1s", None),
            ("", None),
        ];
        for (text, milliseconds) in table {
            let expected = milliseconds.map(Duration::from_millis);
            assert_eq!(seconds(text).ok(), expected, "{text:?}");
        }
    }

    #[test]
    fn the_first_variable_about_trust_counts() {
        let environment = [
            ("CURL_CA_BUNDLE", "/c"),
            ("SSL_CERT_DIR", "/d"),
            ("SSL_CERT_FILE", ""),
        ];
        assert_eq!(
            trust(&environment.into_iter().collect()),
            Trust::Only("/d".into())
        );
        assert_eq!(trust(&Environment::default()), Trust::System);
    }
}
