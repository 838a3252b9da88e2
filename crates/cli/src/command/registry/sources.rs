//! Where credentials come from, best first.

use std::io::{self, BufRead as _};
use std::path::PathBuf;

use ch_registry::{Credentials, Secret, Source};

use super::RegistryArgs;
use crate::environment::{self, Environment};
use crate::failure::Failure;
use crate::terminal::Terminal;

/// What was given for this command, by `username` or else by option or variable. Without a password the name is only a
/// part of an answer to the prompt.
pub(super) fn given_for(
    username: Option<&str>,
    arguments: &RegistryArgs,
    environment: &Environment,
) -> Result<Vec<Source>, Failure> {
    let username = username.map(str::to_owned).or(arguments.username.clone());
    if username.is_some() && !arguments.password_stdin {
        return Ok(Vec::new());
    }
    let arguments = RegistryArgs {
        username,
        ..arguments.clone()
    };
    let options = of_options(&arguments)?;
    Ok(options
        .into_iter()
        .chain(of_variables(environment))
        .collect())
}

/// The file in which credentials are kept, and the places where helpers for that are named.
pub(super) fn kept(arguments: &RegistryArgs, environment: &Environment) -> (PathBuf, Vec<Source>) {
    let named = arguments
        .authfile
        .clone()
        .or_else(|| environment.path(environment::REGISTRY_AUTH_FILE));
    match named {
        Some(file) => (file.clone(), vec![Source::File(file)]),
        None => (runtime_file(environment), of_files(environment)),
    }
}

/// Every source that options and variables name.
pub(super) fn all(
    arguments: &RegistryArgs,
    environment: &Environment,
    terminal: &Terminal,
) -> Result<Vec<Source>, Failure> {
    let mut sources = Vec::new();
    sources.extend(of_options(arguments)?);
    sources.extend(of_variables(environment));
    if let Some(file) = &arguments.authfile {
        if !file.exists() {
            let message = format!("--authfile: no such file: {}", file.display());
            return Err(Failure::new(message));
        }
        sources.push(Source::File(file.clone()));
    } else if let Some(file) = environment.path(environment::REGISTRY_AUTH_FILE) {
        if !file.exists() {
            let variable = environment::REGISTRY_AUTH_FILE;
            terminal.verbose(format_args!(
                "${variable}: no such file: {}",
                file.display()
            ));
        }
        sources.push(Source::File(file));
    } else {
        sources.extend(of_files(environment));
    }
    Ok(sources)
}

/// `--username` with `--password-stdin`.
fn of_options(arguments: &RegistryArgs) -> Result<Option<Source>, Failure> {
    match (&arguments.username, arguments.password_stdin) {
        (None, false) => Ok(None),
        (None, true) => Err(Failure::usage("--password-stdin needs --username")),
        (Some(_), false) => Err(Failure::usage("--username needs --password-stdin")),
        (Some(username), true) => {
            let mut line = String::new();
            io::stdin()
                .lock()
                .read_line(&mut line)
                .map_err(|error| Failure::caused("can't read standard input", &error))?;
            let password = line.trim_end_matches(['\n', '\r']);
            Ok(Some(given("--username", username.clone(), password, false)))
        }
    }
}

/// The two variables name no registry, so they are only sent where that was asked for.
fn of_variables(environment: &Environment) -> Option<Source> {
    let username = environment.text(environment::CH_IMAGE_USERNAME)?;
    let password = environment.text(environment::CH_IMAGE_PASSWORD)?;
    Some(given(
        environment::CH_IMAGE_USERNAME,
        username,
        &password,
        true,
    ))
}

fn given(name: &str, username: String, password: &str, only_if_required: bool) -> Source {
    let credentials = Credentials::Password {
        username,
        password: Secret::new(password),
    };
    Source::Given {
        name: name.to_owned(),
        credentials,
        only_if_required,
    }
}

/// The files of Podman and Docker.
fn of_files(environment: &Environment) -> Vec<Source> {
    let text = environment
        .text(environment::DOCKER_AUTH_CONFIG)
        .map(|json| Source::Text {
            name: environment::DOCKER_AUTH_CONFIG.to_owned(),
            json: Secret::new(json),
        });
    text.into_iter()
        .chain(files(environment).into_iter().map(Source::File))
        .collect()
}

/// The file that goes with the login.
fn runtime_file(environment: &Environment) -> PathBuf {
    match environment.path(environment::XDG_RUNTIME_DIR) {
        Some(runtime) => runtime.join("containers/auth.json"),
        None => {
            let user = ch_linux::boot::effective_user();
            format!("/run/containers/{user}/auth.json").into()
        }
    }
}

fn files(environment: &Environment) -> Vec<PathBuf> {
    let home = environment.path(environment::HOME);
    let below_home = |path: &str| home.as_ref().map(|home| home.join(path));
    let config = environment
        .path(environment::XDG_CONFIG_HOME)
        .or_else(|| below_home(".config"));
    let docker = environment
        .path(environment::DOCKER_CONFIG)
        .or_else(|| below_home(".docker"));
    let optional = [
        config.map(|config| config.join("containers/auth.json")),
        docker.map(|docker| docker.join("config.json")),
        below_home(".dockercfg"),
    ];
    std::iter::once(runtime_file(environment))
        .chain(optional.into_iter().flatten())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_those_of_podman_and_docker_in_order() {
        let uid = ch_linux::boot::effective_user();
        let found = files(&[("HOME", "/h")].into_iter().collect());
        let expected = [
            format!("/run/containers/{uid}/auth.json"),
            "/h/.config/containers/auth.json".into(),
            "/h/.docker/config.json".into(),
            "/h/.dockercfg".into(),
        ];
        assert_eq!(found, expected.map(PathBuf::from));
        let variables = [
            ("XDG_RUNTIME_DIR", "/r"),
            ("XDG_CONFIG_HOME", "/c"),
            ("DOCKER_CONFIG", "/d"),
        ];
        let found = files(&variables.into_iter().collect());
        let expected = [
            "/r/containers/auth.json",
            "/c/containers/auth.json",
            "/d/config.json",
        ];
        assert_eq!(found, expected.map(PathBuf::from));
    }

    #[test]
    fn a_file_that_was_named_replaces_all_others_and_must_exist() {
        let terminal = Terminal::on_standard_error(&crate::terminal::Settings::default());
        let environment: Environment = [("HOME", "/h"), ("DOCKER_AUTH_CONFIG", "{}")]
            .into_iter()
            .collect();
        let mut arguments = RegistryArgs {
            authfile: Some("/nowhere".into()),
            ..RegistryArgs::default()
        };
        let Err(failure) = all(&arguments, &environment, &terminal) else {
            panic!("it is missing")
        };
        assert_eq!(failure.message(), "--authfile: no such file: /nowhere");
        arguments.authfile = Some("/dev/null".into());
        assert_eq!(all(&arguments, &environment, &terminal).unwrap().len(), 1);
        arguments.authfile = None;
        assert_eq!(all(&arguments, &environment, &terminal).unwrap().len(), 5);
    }

    #[test]
    fn a_name_without_a_password_is_a_usage_error() {
        let named = RegistryArgs {
            username: Some("u".into()),
            ..RegistryArgs::default()
        };
        let Err(failure) = of_options(&named) else {
            panic!("there is no password")
        };
        assert_eq!(failure.status(), 2.into());
    }

    #[test]
    fn variables_count_only_together() {
        let one: Environment = [("CH_IMAGE_USERNAME", "u")].into_iter().collect();
        assert!(of_variables(&one).is_none());
        let both: Environment = [("CH_IMAGE_USERNAME", "u"), ("CH_IMAGE_PASSWORD", "p")]
            .into_iter()
            .collect();
        let found = of_variables(&both);
        assert!(matches!(
            found,
            Some(Source::Given {
                only_if_required: true,
                ..
            })
        ));
    }
}
