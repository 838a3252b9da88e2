#![expect(clippy::print_stdout, reason = "counts of vectors are read by people")]

use ch_oci::{Reference, RegistryDefaults};

use super::*;

fn reference(text: &str) -> RemoteReference {
    let reference = Reference::parse(text).expect("a valid reference");
    reference.remote(&RegistryDefaults::default())
}

fn shown(found: Option<&Credentials>) -> String {
    match found {
        Some(Credentials::Password { username, password }) => {
            format!("{username} {}", password.expose())
        }
        Some(Credentials::Identity(token)) => format!("identity {}", token.expose()),
        Some(Credentials::Bearer(token)) => format!("bearer {}", token.expose()),
        None => "none".to_owned(),
    }
}

/// What the helpers of these tests know.
fn helper(call: &HelperCall<'_>) -> std::io::Result<HelperAnswer> {
    let server = std::str::from_utf8(call.input).expect("the name of a server");
    let name = call.program.strip_prefix("docker-credential-");
    let (success, output, errors) = match name.expect("a helper") {
        "good" => {
            let answer =
                format!(r#"{{"ServerURL":"{server}","Username":"of","Secret":"{server}"}}"#);
            (true, answer, "")
        }
        "token" => (true, r#"{"Username":"<token>","Secret":"I"}"#.into(), ""),
        "empty" => (
            false,
            "credentials not found in native keychain\n".into(),
            "",
        ),
        "locked" => (false, "\nis \x1blocked\nsecret".into(), "noise"),
        "errors" => (false, String::new(), "on standard error\nsecret"),
        "silent" => (false, String::new(), ""),
        "odd" => (true, "secret".into(), ""),
        _ => return Err(std::io::Error::other("no such program")),
    };
    assert_eq!(call.action, "get");
    Ok(HelperAnswer {
        success,
        output: output.into_bytes(),
        errors: errors.into(),
    })
}

/// A vault's options with one source, and what they tell.
fn listening(source: Source) -> (Options, Arc<Mutex<Vec<String>>>) {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let ear = Arc::clone(&heard);
    let options = Options {
        sources: vec![source],
        run_helper: Some(Arc::new(helper)),
        notify: Arc::new(move |notice| ear.lock().unwrap().push(notice.to_string())),
        ..Options::default()
    };
    (options, heard)
}

fn text(json: &str) -> Source {
    Source::Text {
        name: "FILE".to_owned(),
        json: Secret::new(json),
    }
}

/// What is found, then what is told.
fn look_up(json: &str, wanted: &str) -> String {
    let (options, heard) = listening(text(json));
    let found = Vault::default().find(&options, &reference(wanted));
    let found = shown(found.as_ref().map(|found| &found.credentials));
    let heard = heard.lock().unwrap();
    std::iter::once(found)
        .chain(heard.iter().cloned())
        .collect::<Vec<_>>()
        .join("; ")
}

/// Name, file, reference, what is found.
const TABLE: &[(&str, &str, &str, &str)] = &[
    // base64 of u:p:q
    (
        "V-cmd-65",
        r#"{"auths":{"ghcr.io":{"auth":"dTpwOnE="}}}"#,
        "ghcr.io/x",
        "u p:q",
    ),
    (
        "V-cmd-66",
        r#"{"auths":{"ghcr.io/org":{"username":"b","password":"2"},"ghcr.io":{"username":"a","password":"1"}}}"#,
        "ghcr.io/org/x",
        "b 2",
    ),
    (
        "V-cmd-66 other path",
        r#"{"auths":{"ghcr.io/org":{"username":"b","password":"2"},"ghcr.io":{"username":"a","password":"1"}}}"#,
        "ghcr.io/organ/x",
        "a 1",
    ),
    (
        "V-cmd-66 path that looks like a version",
        r#"{"auths":{"ghcr.io/org/v1":{"auth":"dTpwOnE="}}}"#,
        "ghcr.io/org/x",
        "none",
    ),
    (
        "V-cmd-66 below a path that looks like a version",
        r#"{"auths":{"ghcr.io/org/v1":{"auth":"dTpwOnE="}}}"#,
        "ghcr.io/org/v1/x",
        "u p:q",
    ),
    (
        "version behind the host",
        r#"{"auths":{"https://h.x/v2/":{"auth":"dTpwOnE="}}}"#,
        "h.x/org/x",
        "u p:q",
    ),
    (
        "Docker Hub",
        r#"{"auths":{"https://index.docker.io/v1/":{"auth":"dTpwOnE="}}}"#,
        "debian",
        "u p:q",
    ),
    (
        "no secret",
        r#"{"auths":{"ghcr.io":{}}}"#,
        "ghcr.io/x",
        "none",
    ),
    (
        "other port",
        r#"{"auths":{"h.x":{"auth":"dTpwOnE="}}}"#,
        "h.x:5000/x",
        "none",
    ),
    (
        "same port",
        r#"{"auths":{"h.x:5000":{"auth":"dTpwOnE="}}}"#,
        "h.x:5000/x",
        "u p:q",
    ),
    (
        "port 443",
        r#"{"auths":{"h.x:443":{"auth":"dTpwOnE="}}}"#,
        "h.x/x",
        "u p:q",
    ),
    (
        "identity",
        r#"{"auths":{"h.x":{"identitytoken":"I"}}}"#,
        "h.x/x",
        "identity I",
    ),
    (
        "identity by user",
        r#"{"auths":{"h.x":{"username":"<token>","password":"I"}}}"#,
        "h.x/x",
        "identity I",
    ),
    (
        "token",
        r#"{"auths":{"h.x":{"registrytoken":"B"}}}"#,
        "h.x/x",
        "bearer B",
    ),
    (
        "broken",
        "{\n\"auths\": x}",
        "h.x/x",
        "none; can't parse FILE:2: not valid JSON",
    ),
    (
        "helper of the host before its entry",
        r#"{"auths":{"h.x":{"auth":"dTpwOnE="}},"credHelpers":{"h.x":"good"},"credsStore":"token"}"#,
        "h.x/x",
        "of h.x",
    ),
    (
        "helper of another host",
        r#"{"credHelpers":{"h.y":"good","h.x:5000":"good"}}"#,
        "h.x/x",
        "none",
    ),
    (
        "helper of another port",
        r#"{"credHelpers":{"h.x":"good"}}"#,
        "h.x:5000/x",
        "none",
    ),
    (
        "helper is asked by the name of the file",
        r#"{"credHelpers":{"https://index.docker.io/v1/":"good"}}"#,
        "debian",
        "of https://index.docker.io/v1/",
    ),
    (
        "helper without",
        r#"{"auths":{"h.x":{"auth":"dTpwOnE="}},"credHelpers":{"h.x":"empty"}}"#,
        "h.x/x",
        "u p:q",
    ),
    (
        "store, but an entry is there",
        r#"{"credsStore":"good","auths":{"h.x":{"auth":"dTpwOnE="}}}"#,
        "h.x/x",
        "u p:q",
    ),
    (
        "store, and an entry without secret",
        r#"{"credsStore":"good","auths":{"h.x:5000":{}}}"#,
        "h.x:5000/x",
        "of h.x:5000",
    ),
    (
        "store, Docker Hub",
        r#"{"credsStore":"good"}"#,
        "debian",
        "of https://index.docker.io/v1/",
    ),
    (
        "store, identity token",
        r#"{"credsStore":"token"}"#,
        "h.x/x",
        "identity I",
    ),
    ("no store", r#"{"credsStore":""}"#, "h.x/x", "none"),
    (
        "helper that fails, then the next place",
        r#"{"auths":{"h.x":{"auth":"dTpwOnE="}},"credHelpers":{"h.x":"locked"}}"#,
        "h.x/x",
        "u p:q; FILE: credential helper locked: is \\x1blocked",
    ),
    (
        "helper that fails on standard error",
        r#"{"credsStore":"errors"}"#,
        "h.x/x",
        "none; FILE: credential helper errors: on standard error",
    ),
    (
        "helper that fails without a word",
        r#"{"credsStore":"silent"}"#,
        "h.x/x",
        "none; FILE: credential helper silent: failed without a word",
    ),
    (
        "helper that says what is no JSON",
        r#"{"credsStore":"odd"}"#,
        "h.x/x",
        "none; FILE: credential helper odd: the answer is not understood",
    ),
    (
        "helper that is not there",
        r#"{"credsStore":"missing"}"#,
        "h.x/x",
        "none; FILE: credential helper missing can't be run: no such program",
    ),
    (
        "helper elsewhere",
        r#"{"credsStore":"../x"}"#,
        "h.x/x",
        "none; FILE: not the name of a credential helper: ../x",
    ),
];

#[test]
fn entries_are_found_as_the_vectors_say() {
    for (name, json, reference, expected) in TABLE {
        assert_eq!(look_up(json, reference), *expected, "{name}");
    }
    println!("commands.md §4.3: {} rows", TABLE.len());
}

#[test]
fn files_are_read_once_and_those_open_to_others_are_told() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("auth.json");
    std::fs::write(&path, r#"{"auths":{"h.x":{"auth":"dTpwOnE="}}}"#).expect("a file");
    for (mode, told) in [(0o600, 0), (0o640, 1), (0o604, 1)] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("it is ours");
        let (options, heard) = listening(Source::File(path.clone()));
        let vault = Vault::default();
        for wanted in ["h.x/x", "h.x/y"] {
            let found = vault.find(&options, &reference(wanted)).expect("an entry");
            assert_eq!(found.source, path.display().to_string());
        }
        let text = format!("other users have access to {}", path.display());
        assert_eq!(*heard.lock().unwrap(), vec![text; told], "{mode:o}");
    }
}

#[test]
fn a_helper_is_asked_once_about_a_server_unless_passwords_are_good_for_once() {
    for (password_many, expected) in [(false, 1), (true, 2)] {
        let calls = Arc::new(Mutex::new(0));
        let count = Arc::clone(&calls);
        let (options, _) = listening(text(r#"{"credsStore":"good"}"#));
        let options = Options {
            password_many,
            run_helper: Some(Arc::new(move |call| {
                *count.lock().unwrap() += 1;
                helper(call)
            })),
            ..options
        };
        let vault = Vault::default();
        for wanted in ["h.x/x", "h.x/y"] {
            let found = vault.find(&options, &reference(wanted)).expect("an entry");
            assert_eq!(found.source, "credential helper good (FILE)");
        }
        assert_eq!(*calls.lock().unwrap(), expected);
    }
}
