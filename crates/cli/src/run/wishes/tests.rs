//! What is run, where and with which variables.

use super::*;

const CONFIG: &str = r#"{"architecture": "amd64", "os": "linux", "config": {
    "Entrypoint": ["echo", "e"], "Cmd": ["c"], "Env": ["A=1", "PATH=/bin"], "WorkingDir": "/w"
}, "rootfs": {"type": "layers", "diff_ids": []}}"#;

fn spec(options: &Options, config: Option<&str>) -> Result<InPlace, Failure> {
    let environment = [("A", "2"), ("B", "3"), ("TERM", "xterm"), ("TMPDIR", "/t")];
    let me = Identity {
        uid: 1000,
        gid: 1000,
    };
    Wishes {
        options,
        environment: &environment.into_iter().collect(),
        config: config.map(|text| ImageConfig::parse(text.as_bytes()).unwrap()),
        caller: me,
        inside: me,
        file_mode_mask: 0o022,
    }
    .spec()
}

fn names(spec: &InPlace) -> Vec<&str> {
    spec.environment
        .inherited
        .iter()
        .map(|(name, _)| name.to_str().unwrap())
        .collect()
}

#[test]
fn v_run_17_the_image_decides_only_without_a_command() {
    let plain = spec(&Options::default(), Some(CONFIG)).unwrap();
    assert_eq!(plain.command, ["echo", "e", "c"]);
    assert_eq!(plain.directory, Path::new("/w"));
    let options = Options {
        command: vec!["echo".into(), "y".into()],
        ..Options::default()
    };
    let given = spec(&options, Some(CONFIG)).unwrap();
    assert_eq!(given.command, ["echo", "y"]);
    assert_eq!(given.directory, Path::new("/"));
    let options = Options {
        directory: Some("/d".into()),
        ..Options::default()
    };
    assert_eq!(
        spec(&options, Some(CONFIG)).unwrap().directory,
        Path::new("/d")
    );
}

#[test]
fn v_run_18_the_images_variables_replace_the_callers_only_without_a_command() {
    let plain = spec(&Options::default(), Some(CONFIG)).unwrap();
    assert_eq!(names(&plain), ["TERM", "A", "PATH"]);
    let options = Options {
        command: vec!["env".into()],
        ..Options::default()
    };
    let given = spec(&options, Some(CONFIG)).unwrap();
    assert_eq!(names(&given), ["A", "B", "TERM", "TMPDIR"]);
    assert!(
        given.environment.config.is_some(),
        "--set-env can ask for it"
    );
}

#[test]
fn an_image_without_a_path_gets_that_of_run() {
    let config = CONFIG.replace(r#", "PATH=/bin""#, "");
    let path = |options: &Options| {
        let variables = spec(options, Some(&config)).unwrap().environment.inherited;
        let found = variables.into_iter().find(|(name, _)| name == "PATH");
        found.map(|(_, value)| value)
    };
    assert_eq!(
        path(&Options::default()),
        Some(ch_container::environment::DEFAULT_PATH.into())
    );
    let options = Options {
        command: vec!["env".into()],
        ..Options::default()
    };
    assert_eq!(path(&options), None, "the caller's, and it has none");
}

#[test]
fn nothing_to_run_is_an_error() {
    for config in [None, Some(r#"{"architecture": "amd64", "os": "linux"}"#)] {
        let failure = spec(&Options::default(), config).unwrap_err();
        assert_eq!(failure.message(), "IMAGE and/or COMMAND not specified");
        let usage = failure.output().unwrap();
        assert!(usage.starts_with("Usage: ch-run"), "{usage}");
    }
}

#[test]
fn temporary_files_are_the_hosts_unless_private() {
    let command = vec!["true".into()];
    let options = Options {
        command: command.clone(),
        ..Options::default()
    };
    assert_eq!(
        spec(&options, None).unwrap().tmp.as_deref(),
        Some(Path::new("/t"))
    );
    let options = Options {
        command,
        private_tmp: true,
        ..Options::default()
    };
    assert_eq!(spec(&options, None).unwrap().tmp, None);
}

#[test]
fn entrypoint_and_command_are_put_together() {
    let with = |entrypoint: Option<&str>, as_configured, command: &[&str]| {
        let options = Options {
            entrypoint: entrypoint.map(OsString::from),
            as_configured,
            command: command.iter().map(OsString::from).collect(),
            ..Options::default()
        };
        spec(&options, Some(CONFIG)).unwrap().command
    };
    assert_eq!(with(None, true, &["x"]), ["echo", "e", "x"]);
    assert_eq!(with(Some("p"), true, &["x"]), ["p", "x"]);
    assert_eq!(with(Some("p"), false, &["x"]), ["p", "x"]);
    assert_eq!(with(Some("p"), false, &[]), ["p", "c"]);
    assert_eq!(with(Some(""), false, &[]), ["c"]);
    assert_eq!(with(Some(""), true, &["x"]), ["x"]);
}

#[test]
fn a_clean_environment_keeps_the_terminal_only() {
    for (as_configured, expected) in [(false, &["TERM"][..]), (true, &["TERM", "A", "PATH"])] {
        let options = Options {
            clean_env: true,
            as_configured,
            command: vec!["env".into()],
            ..Options::default()
        };
        assert_eq!(names(&spec(&options, Some(CONFIG)).unwrap()), expected);
    }
}
