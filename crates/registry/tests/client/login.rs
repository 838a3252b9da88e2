//! Challenges, tokens, credentials and prompts.

use std::collections::VecDeque;
use std::io::Read;
use std::sync::{Arc, Mutex};

use ch_registry::{
    Authentication, Client, Credentials, FetchError, Options, PromptError, Secret, Source,
};

use crate::fixture::{Image, listening, options, password, reference};
use crate::server::{Asked, Reply, Server};

/// Answers every prompt with the same name and password.
pub(crate) fn with_prompt(options: Options, username: &'static str, word: &'static str) -> Options {
    Options {
        prompt: Some(Arc::new(move |_| Ok(password(username, word)))),
        ..options
    }
}

pub(crate) fn required(options: Options) -> Options {
    Options {
        authentication: Authentication::Required,
        ..options
    }
}

fn given(credentials: Credentials, only_if_required: bool) -> Vec<Source> {
    vec![Source::Given {
        name: "the test".to_owned(),
        credentials,
        only_if_required,
    }]
}

/// A registry that takes tokens which its own token server gives.
///
/// `anonymous` says whether nobody gets one; `u:p` always does.
fn bearer(anonymous: bool, life: &'static str) -> Server {
    let image = Image::new();
    let issued = Mutex::new(0);
    Server::start(move |asked, _| {
        let mut issued = issued.lock().expect("no panic while locked");
        if asked.is("/token") {
            // base64 of u:p
            let known = asked.header("authorization") == Some("Basic dTpw");
            let identified = asked.text().contains("refresh_token=I%26") && asked.method == "POST";
            let nobody = asked.header("authorization").is_none() && asked.method == "GET";
            if known || identified || nobody && anonymous {
                *issued += 1;
                return Reply::new(200, format!(r#"{{"token":"T{issued}"{life}}}"#));
            }
            return Reply::new(401, "");
        }
        let token = format!("Bearer T{issued}");
        if *issued == 0 || asked.header("authorization") != Some(&token) {
            return challenge(asked);
        }
        if asked.is("/manifests/") {
            Reply::new(200, image.manifest.clone())
        } else {
            Reply::new(200, image.layer.clone())
        }
    })
}

fn challenge(asked: &Asked) -> Reply {
    let host = asked.header("host").expect("HTTP/1.1");
    let challenge = format!(
        "Basic realm=\"x\", Bearer realm=\"http://{host}/token\",service=\"s\",scope=\"repository:x:pull\""
    );
    Reply::new(401, "").header("WWW-Authenticate", challenge)
}

/// A registry that wants a name and password with each request.
fn basic() -> Server {
    let image = Image::new();
    Server::start(move |asked, _| match asked.header("authorization") {
        Some("Basic dTpw") => Reply::new(200, image.manifest.clone()),
        _ => Reply::new(
            401,
            r#"{"errors":[{"code":"UNAUTHORIZED","message":"who?"}]}"#,
        )
        .header("WWW-Authenticate", "Basic realm=\"x\""),
    })
}

fn manifest(options: Options, server: &Server) -> Result<(), FetchError> {
    Client::new(options)
        .manifest(&reference(server.port, "x:1"))
        .map(|_| ())
}

#[test]
fn nobody_gets_a_token_and_uses_it_for_everything() {
    let server = bearer(true, "");
    let client = Client::new(options());
    client.manifest(&reference(server.port, "x:1")).unwrap();
    let layer = Image::new().layer();
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                let mut blob = client.blob(&reference(server.port, "x:1"), &layer).unwrap();
                blob.read_to_end(&mut Vec::new()).unwrap();
            });
        }
    });
    let asked = server.asked();
    let tokens: Vec<_> = asked.iter().filter(|asked| asked.is("/token")).collect();
    assert_eq!(tokens.len(), 1);
    assert_eq!(tokens[0].target, "/token?service=s&scope=repository:x:pull");
    assert_eq!(
        asked.len(),
        1 + 1 + 1 + 6,
        "challenge, token, manifest, blobs"
    );
}

#[test]
fn many_requests_at_once_fetch_one_token() {
    let server = bearer(true, "");
    let client = Client::new(options());
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| client.manifest(&reference(server.port, "x:1")).unwrap());
        }
    });
    assert_eq!(server.count("/token"), 1);
}

#[test]
fn a_token_that_ran_out_is_replaced() {
    // The server's second token makes its first invalid; the client is told that it lives shortly.
    let server = bearer(true, r#","expires_in":1"#);
    let client = Client::new(options());
    client.manifest(&reference(server.port, "x:1")).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(600));
    client.manifest(&reference(server.port, "x:1")).unwrap();
    assert_eq!(server.count("/token"), 2);
}

#[test]
fn a_token_that_the_registry_forgot_is_replaced() {
    let image = Image::new();
    let server = Server::start(move |asked, number| match (asked.is("/token"), number) {
        (true, _) => Reply::new(200, r#"{"access_token":"A"}"#),
        (false, 0 | 3) => challenge(asked),
        (false, _) => Reply::new(200, image.manifest.clone()),
    });
    let client = Client::new(options());
    client.manifest(&reference(server.port, "x:1")).unwrap();
    client.manifest(&reference(server.port, "x:1")).unwrap();
    assert_eq!(server.count("/token"), 2);
}

#[test]
fn modes_choose_who_we_are() {
    let nowhere = || given(password("u", "p"), true);
    let table = [
        ("V-cmd-68", options(), nowhere(), true, "T anonymous"),
        ("required", required(options()), nowhere(), true, "T known"),
        (
            "configured",
            options(),
            given(password("u", "p"), false),
            true,
            "T known",
        ),
        (
            "identity",
            options(),
            given(Credentials::Identity(Secret::new("I&")), false),
            false,
            "T identity",
        ),
        ("nothing", options(), Vec::new(), false, "unauthorized"),
    ];
    for (name, options, sources, anonymous, expected) in table {
        let server = bearer(anonymous, "");
        let result = manifest(Options { sources, ..options }, &server);
        let token = server
            .asked()
            .into_iter()
            .rfind(|asked| asked.is("/token"))
            .unwrap();
        let who = match (token.method.as_str(), token.header("authorization")) {
            ("POST", _) => "identity",
            (_, Some(_)) => "known",
            _ => "anonymous",
        };
        match result {
            Ok(()) => assert_eq!(format!("T {who}"), expected, "{name}"),
            Err(error) => assert!(error.to_string().starts_with(expected), "{name}: {error}"),
        }
    }
}

#[test]
fn refused_configured_credentials_are_a_warning_then_nobody() {
    let server = bearer(true, "");
    let (options, heard) = listening(options());
    let sources = given(password("u", "wrong"), false);
    manifest(Options { sources, ..options }, &server).unwrap();
    let heard = heard.lock().unwrap();
    assert_eq!(
        *heard,
        ["credentials from the test refused by 127.0.0.1; trying without"]
    );
}

#[test]
fn refused_credentials_are_an_error_when_required() {
    for server in [bearer(true, ""), basic()] {
        let sources = given(password("u", "wrong"), false);
        let options = with_prompt(required(options()), "u", "p");
        let error = manifest(Options { sources, ..options }, &server).unwrap_err();
        let full = format!("127.0.0.1:{}/x:1", server.port);
        assert_eq!(
            error.to_string(),
            format!("unauthorized or not in registry: {full}")
        );
        assert_eq!(error.hint().unwrap(), "credentials used: from the test");
    }
}

#[test]
fn a_person_is_asked_three_times_at_most_and_remembered() {
    let answers = |list: &[&'static str]| {
        let answers = Mutex::new(list.iter().copied().collect::<VecDeque<_>>());
        let asked = Arc::new(Mutex::new(0));
        let count = Arc::clone(&asked);
        let prompt: ch_registry::Prompt = Arc::new(move |host| {
            assert_eq!(host, "127.0.0.1");
            *count.lock().unwrap() += 1;
            Ok(password("u", answers.lock().unwrap().pop_front().unwrap()))
        });
        (
            Options {
                prompt: Some(prompt),
                ..required(options())
            },
            asked,
        )
    };
    let server = basic();
    let (good, asked) = answers(&["a", "p"]);
    let client = Client::new(good);
    client.manifest(&reference(server.port, "x:1")).unwrap();
    client.manifest(&reference(server.port, "y:1")).unwrap();
    assert_eq!(
        *asked.lock().unwrap(),
        2,
        "the other repository is not asked for again"
    );

    let (bad, asked) = answers(&["a", "b", "c"]);
    let error = manifest(bad, &server).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("unauthorized or not in registry")
    );
    assert_eq!(*asked.lock().unwrap(), 3);
}

#[test]
fn nobody_to_ask_is_said() {
    let server = basic();
    let error = manifest(required(options()), &server).unwrap_err();
    assert_eq!(error.to_string(), "can't ask for credentials: no terminal");
    let cancelled: ch_registry::Prompt = Arc::new(|_| Err(PromptError::Cancelled));
    let error = manifest(
        Options {
            prompt: Some(cancelled),
            ..options()
        },
        &server,
    )
    .unwrap_err();
    assert_eq!(error.to_string(), "authentication cancelled");
    let error = manifest(options(), &server).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("unauthorized or not in registry"),
        "{error}"
    );
    let hint = "if your registry needs authentication, use --auth";
    assert_eq!(error.hint().as_deref(), Some(hint));
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(source, "registry says: UNAUTHORIZED: who?");
}

#[test]
fn unknown_schemes_are_named() {
    let server = Server::start(|_, _| Reply::new(401, "").header("WWW-Authenticate", "Negotiate"));
    let error = manifest(options(), &server).unwrap_err();
    assert_eq!(
        error.to_string(),
        "don't know how to authenticate: Negotiate"
    );
}

#[test]
fn a_challenge_from_elsewhere_is_not_answered() {
    let thief =
        Server::start(|_, _| Reply::new(401, "").header("WWW-Authenticate", "Basic realm=x"));
    let port = thief.port;
    let server = Server::start(move |_, _| {
        Reply::new(307, "").header("Location", format!("http://127.0.0.1:{port}/?sig=secret"))
    });
    let error = manifest(with_prompt(options(), "u", "p"), &server).unwrap_err();
    let expected = format!(
        "GET failed; expected status 200 but got 401: Unauthorized: http://127.0.0.1:{port}/"
    );
    assert_eq!(error.to_string(), expected, "and the query is not shown");
    assert!(
        thief
            .asked()
            .iter()
            .all(|asked| asked.header("authorization").is_none())
    );
}

#[test]
fn a_password_does_not_go_to_a_plain_token_server_on_another_machine() {
    let server = Server::start(|_, _| {
        Reply::new(401, "").header(
            "WWW-Authenticate",
            "Bearer realm=\"http://192.0.2.2:5001/token\"",
        )
    });
    let error = manifest(with_prompt(required(options()), "u", "p"), &server).unwrap_err();
    assert_eq!(
        error.to_string(),
        "credentials are not sent over plain HTTP: 192.0.2.2:5001"
    );
    assert_eq!(
        error.hint().as_deref(),
        Some("--plain-http if that is what you want")
    );
}

#[test]
fn a_token_server_that_fails_is_told_with_the_request_it_got() {
    let server = Server::start(|asked, _| match asked.is("/token") {
        true => Reply::new(500, ""),
        false => challenge(asked),
    });
    let identity = Credentials::Identity(Secret::new("I"));
    let table = [
        ("POST", given(identity, false)),
        ("GET", given(password("u", "p"), false)),
    ];
    for (method, sources) in table {
        let error = manifest(
            Options {
                sources,
                ..options()
            },
            &server,
        )
        .unwrap_err();
        let start = format!("{method} failed; expected status 200 but got 500");
        assert!(error.to_string().starts_with(&start), "{error}");
    }
    let expected = format!("(linux; {})", std::env::consts::ARCH);
    let agent = server.asked()[0].header("user-agent").unwrap().to_owned();
    assert!(agent.ends_with(&expected), "{agent}");
}
