//! Where credentials for registries come from, and where they must not go.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use ch_test_support::{Access, Registry, TestEnv, Transport};

use crate::pull::{put_small, text};
use crate::using;

/// A place for credentials.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    Options,
    Variables,
    Authfile,
    RegistryAuthFile,
    DockerAuthConfig,
    RuntimeHelper,
    RuntimeEntry,
    RuntimeStore,
    ConfigHome,
    Docker,
    OldDocker,
}

/// All places, best first.
const PLACES: [Place; 11] = [
    Place::Options,
    Place::Variables,
    Place::Authfile,
    Place::RegistryAuthFile,
    Place::DockerAuthConfig,
    Place::RuntimeHelper,
    Place::RuntimeEntry,
    Place::RuntimeStore,
    Place::ConfigHome,
    Place::Docker,
    Place::OldDocker,
];

/// A program that answers as the credential helper `name`, with whatever is left in its standard input and
/// environment written down in `asked`.
pub(crate) fn put_helper(env: &TestEnv, name: &str, answer: &str) {
    let asked = env.path(format!("asked-{name}"));
    let script = format!(
        "#!/bin/sh\n{{ echo \"$*\"; cat; echo; env; }} > {}\n{answer}\n",
        text(&asked)
    );
    let path = format!("bin/docker-credential-{name}");
    env.write(&path, script);
    fs::set_permissions(env.path(path), fs::Permissions::from_mode(0o755)).unwrap();
}

fn answering(password: &str) -> String {
    let (user, _) = Registry::CREDENTIALS;
    format!(r#"echo '{{"ServerURL":"x","Username":"{user}","Secret":"{password}"}}'"#)
}

/// Writes the files, and gives a command for `arguments` that has `password` in each of the `places`.
fn command(
    env: &TestEnv,
    registry: &Registry,
    arguments: &[&str],
    places: &[(Place, &str)],
) -> Command {
    let (user, host) = (Registry::CREDENTIALS.0, registry.host());
    let entry =
        |password: &str| format!(r#"{{"{host}":{{"username":"{user}","password":"{password}"}}}}"#);
    let auths = |password: &str| format!(r#"{{"auths":{}}}"#, entry(password));
    let mut runtime = Vec::new();
    let mut command = env.command("ch-image", arguments);
    let search = format!(
        "{}:{}",
        text(&env.path("bin")),
        std::env::var("PATH").unwrap()
    );
    command.env("PATH", search);
    for (name, below) in [
        ("XDG_RUNTIME_DIR", "runtime"),
        ("XDG_CONFIG_HOME", "config"),
    ] {
        command.env(name, env.path(below));
    }
    for (place, password) in places {
        match place {
            Place::Options => {
                env.write("password", format!("{password}\n"));
                command.args(["--username", user, "--password-stdin"]);
                command.stdin(File::open(env.path("password")).unwrap());
            }
            Place::Variables => {
                command.env("CH_IMAGE_USERNAME", user);
                command.env("CH_IMAGE_PASSWORD", password);
            }
            Place::Authfile => {
                env.write("authfile", auths(password));
                command.args(["--authfile", "authfile"]);
            }
            Place::RegistryAuthFile => {
                env.write("registry-auth-file", auths(password));
                command.env("REGISTRY_AUTH_FILE", "registry-auth-file");
            }
            Place::DockerAuthConfig => {
                command.env("DOCKER_AUTH_CONFIG", auths(password));
            }
            Place::RuntimeHelper => {
                put_helper(env, "host", &answering(password));
                runtime.push(format!(r#""credHelpers":{{"{host}":"host"}}"#));
            }
            Place::RuntimeEntry => runtime.push(format!(r#""auths":{}"#, entry(password))),
            Place::RuntimeStore => {
                put_helper(env, "store", &answering(password));
                runtime.push(r#""credsStore":"store""#.to_owned());
            }
            Place::ConfigHome => env.write("config/containers/auth.json", auths(password)),
            Place::Docker => env.write("../home/.docker/config.json", auths(password)),
            Place::OldDocker => env.write("../home/.dockercfg", entry(password)),
        }
    }
    env.write(
        "runtime/containers/auth.json",
        format!("{{{}}}", runtime.join(",")),
    );
    command
}

fn run(mut command: Command) -> (bool, String) {
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

/// A registry that wants a password, with `small:1`.
fn guarded() -> (Registry, TestEnv) {
    let registry = Registry::start_with(&Transport::Plain, &Access::Password);
    let env = using(&registry);
    put_small(&registry, &env);
    (registry, env)
}

#[test]
fn each_source_of_credentials_comes_before_all_those_behind_it() {
    let (registry, env) = guarded();
    let (_, good) = Registry::CREDENTIALS;
    for (index, place) in PLACES.iter().enumerate() {
        // In authenticated mode a wrong password is the end: were a later place asked first, this would fail.
        let passwords = PLACES[index..].iter().enumerate();
        let passwords = passwords.map(|(at, place)| (*place, if at == 0 { good } else { "wrong" }));
        let passwords: Vec<_> = passwords.collect();
        let fresh = using(&registry);
        let (success, said) = run(command(
            &fresh,
            &registry,
            &["pull", "--auth", "small:1"],
            &passwords,
        ));
        assert!(success, "{place:?}: {said}");
        let (success, said) = run(command(
            &fresh,
            &registry,
            &["pull", "--auth", "small:1"],
            &[(*place, "wrong")],
        ));
        let refused = format!(
            "unauthorized or not in registry: {}/small:1",
            registry.host()
        );
        assert!(
            !success && said.contains(&refused),
            "{place:?} alone: {said}"
        );
    }
    drop(env);
    println!("commands.md §4.3: {} sources", PLACES.len());
}

#[test]
fn a_named_file_replaces_all_others() {
    let (registry, env) = guarded();
    let good = Registry::CREDENTIALS.1;
    for place in [Place::Authfile, Place::RegistryAuthFile] {
        let mut command = command(
            &env,
            &registry,
            &["pull", "--auth", "small:1"],
            &[(place, ""), (Place::ConfigHome, good)],
        );
        command.arg("-v");
        let (success, said) = run(command);
        let expected = "can't ask for credentials: no terminal";
        assert!(!success && said.contains(expected), "{place:?}: {said}");
    }
}

#[test]
fn helpers_that_fail_are_told_and_passed_over() {
    let (registry, env) = guarded();
    let good = Registry::CREDENTIALS.1;
    let places = [(Place::RuntimeHelper, ""), (Place::RuntimeStore, good)];
    let pull = ["pull", "--auth", "small:1"];
    let file = env.path("runtime/containers/auth.json");
    for (answer, told) in [
        ("echo credentials not found in native keychain; exit 1", ""),
        ("echo is locked; echo second line; exit 1", ": is locked\n"),
        ("rm -f $0; exec ./nowhere", ": "),
    ] {
        let command = command(&env, &registry, &pull, &places);
        put_helper(&env, "host", answer);
        let (success, said) = run(command);
        assert!(success, "{answer}: {said}");
        let warning = format!("warning: {}: credential helper host{told}", file.display());
        assert_eq!(
            said.contains(&warning),
            !told.is_empty(),
            "{answer}: {said}"
        );
        assert!(!said.contains("second line"), "{said}");
    }
}

#[test]
fn secrets_are_nowhere_but_where_they_are_needed() {
    let (registry, env) = guarded();
    let good = Registry::CREDENTIALS.1;
    let secrets: Vec<String> = (0..PLACES.len()).map(|at| format!("s3cr3t-{at}")).collect();
    let encoded = "dGVzdGVyOnNlY3JldDp3aXRoOmNvbG9ucw";
    let mut said = String::new();
    for (used, _) in PLACES.iter().enumerate() {
        // One place is right, and all behind it have secrets of their own; then all are wrong.
        for right in [good, &secrets[used]] {
            let passwords = (used..PLACES.len()).map(|at| {
                let password = if at == used { right } else { &secrets[at] };
                (PLACES[at], password)
            });
            let pull = ["pull", "-vvv", "--always-download", "--auth", "small:1"];
            let mut command = command(&env, &registry, &pull, &passwords.collect::<Vec<_>>());
            command.env("CH_LOG_FILE", env.path("log"));
            said += &run(command).1;
        }
    }
    said += &fs::read_to_string(env.path("log")).unwrap();
    for expected in ["request", "unauthorized or not in registry", "done"] {
        assert!(said.contains(expected), "{expected} is in the log: {said}");
    }
    for secret in secrets.iter().map(String::as_str).chain([good, encoded]) {
        assert!(!said.contains(secret), "{secret} was told: {said}");
        let found = env.run("grep", ["-rlF", secret, text(&env.storage())]);
        assert_eq!(found.code(), 1, "{secret} was stored{found}");
    }
    println!("commands.md §4.9: {} secrets", secrets.len() + 2);
}

#[test]
fn helpers_see_no_secrets_of_the_environment() {
    let (registry, env) = guarded();
    let good = Registry::CREDENTIALS.1;
    // Without --auth the variables are not used.
    let places = [(Place::Variables, "s3cr3t"), (Place::RuntimeStore, good)];
    let (success, said) = run(command(&env, &registry, &["pull", "small:1"], &places));
    assert!(success, "{said}");
    let asked = fs::read_to_string(env.path("asked-store")).unwrap();
    let question = format!("get\n{}\n", registry.host());
    assert!(asked.starts_with(&question), "{asked}");
    assert!(asked.contains("CH_IMAGE_USERNAME=tester\n"), "{asked}");
    assert!(!asked.contains("s3cr3t"), "{asked}");
}
