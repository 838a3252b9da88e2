//! `ch-image login` and `logout`: credentials are kept for a registry, or forgotten.

use ch_oci::RemoteReference;
use ch_registry::KeepError;
use clap::Args;

use super::{Context, Done};
use crate::failure::{Failure, advised};

/// Arguments of `login`.
#[derive(Debug, Args)]
pub(crate) struct LoginArgs {
    /// User at the registry, as --username
    #[arg(short, value_name = "NAME")]
    user: Option<String>,

    /// Registry; without it, the one of references that name none
    #[arg(value_name = "HOST")]
    host: Option<String>,
}

/// Arguments of `logout`.
#[derive(Debug, Args)]
pub(crate) struct LogoutArgs {
    /// Forget the credentials that are kept for any registry
    #[arg(long, conflicts_with = "host")]
    all: bool,

    /// Registry; without it, the one of references that name none
    #[arg(value_name = "HOST")]
    host: Option<String>,
}

/// Tries credentials, and keeps them if they are good.
pub(super) fn log_in(arguments: &LoginArgs, context: &Context) -> Done {
    let registry = registry(arguments.host.as_deref(), context)?;
    let (common, terminal) = (&context.common.registry, &context.terminal);
    let user = arguments.user.as_deref();
    let client = common.new_user_client(user, &context.environment, terminal)?;
    let good = client.log_in(&registry).map_err(advised)?;
    if !good.was_asked {
        terminal.warning(format_args!(
            "{} did not ask for credentials",
            registry.host()
        ));
    }
    let keeper = common.keeper(&context.environment);
    let kept = keeper.store(&registry, &good.username, &good.password);
    kept.map_err(not_kept)?;
    terminal.output("Login Succeeded!\n")
}

/// Forgets credentials.
pub(super) fn log_out(arguments: &LogoutArgs, context: &Context) -> Done {
    let keeper = context.common.registry.keeper(&context.environment);
    if arguments.all {
        let names = keeper.erase_all().map_err(not_kept)?;
        let lines = names.iter().map(|name| removed(name));
        return context.terminal.output(lines.collect::<String>());
    }
    let registry = registry(arguments.host.as_deref(), context)?;
    let found = keeper.erase(&registry).map_err(not_kept)?;
    for file in keeper.others(&registry) {
        context.terminal.warning(format_args!(
            "credentials for {} are in {file}, too",
            registry.host()
        ));
    }
    if !found {
        let file = keeper.file.display();
        let failure = Failure::new(format_args!("not logged in: {}", registry.host()));
        return Err(failure.with_hint(format_args!("credentials are kept in {file}")));
    }
    context.terminal.output(removed(registry.host()))
}

/// It is no fault of the storage directory.
fn not_kept(error: KeepError) -> Failure {
    advised(error).of_another_directory()
}

fn removed(name: &str) -> String {
    format!("Removed login credentials for {}\n", ch_oci::shown(name))
}

/// The registry that is called `host`.
fn registry(host: Option<&str>, context: &Context) -> Result<RemoteReference, Failure> {
    let defaults = context.registry_defaults()?;
    let usual = match defaults.port {
        Some(port) => format!("{}:{port}", defaults.host),
        None => defaults.host,
    };
    let text = host.unwrap_or(&usual);
    let bare = text.strip_prefix("https://").unwrap_or(text);
    RemoteReference::of_registry(bare.trim_end_matches('/')).ok_or_else(|| {
        let failure = Failure::new(format_args!("not a registry: {}", ch_oci::shown(text)));
        failure.with_hint("HOST or HOST:PORT")
    })
}
