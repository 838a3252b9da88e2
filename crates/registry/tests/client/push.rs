//! Blobs and manifests into repositories that refuse, break off, forget, lie and ask who we are.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use ch_oci::{Descriptor, Digest, media_type};
use ch_registry::{Client, Content, Mount, Pusher, UploadError};

use crate::fixture::{Image, listening, options, reference};
use crate::login::{required, with_prompt};
use crate::server::{Asked, Intake, Reply, Server};

/// What a repository holds; every upload has its own number.
#[derive(Default)]
struct Repository {
    blobs: HashMap<String, Vec<u8>>,
    uploads: HashMap<String, Vec<u8>>,
}

impl Repository {
    fn answer(&mut self, asked: &Asked) -> Reply {
        let (path, query) = asked.target.split_once('?').unwrap_or((&asked.target, ""));
        let parameter = |name: &str| {
            let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs
                .find(|(known, _)| *known == name)
                .map(|(_, value)| value.to_owned())
        };
        let last = path.rsplit('/').next().unwrap_or_default().to_owned();
        match asked.method.as_str() {
            "GET" if path == "/v2/" => Reply::new(200, "{}"),
            "HEAD" if path.contains("/blobs/") => match self.blobs.contains_key(&last) {
                true => Reply::new(200, "").header("Docker-Content-Digest", last),
                false => Reply::new(404, ""),
            },
            "POST" => {
                let digest = parameter("mount").unwrap_or_default();
                if digest == Digest::of(b"mountable").to_string() {
                    return Reply::new(201, "").header("Docker-Content-Digest", digest);
                }
                let number = self.uploads.len().to_string();
                self.uploads.insert(number.clone(), Vec::new());
                // Relative, and with something that must come back.
                Reply::new(202, "").header("Location", format!("{number}?state=a%2Fb"))
            }
            "GET" | "PATCH" | "PUT" if path.contains("/uploads/") => {
                let Some(upload) = self.uploads.get_mut(&last) else {
                    return Reply::new(404, "");
                };
                assert_eq!(parameter("state").as_deref(), Some("a%2Fb"), "{path}");
                upload.extend(&asked.body);
                let location = asked.target.clone();
                match asked.method.as_str() {
                    "GET" => Reply::new(204, "")
                        .header("Location", location)
                        .header("Range", format!("0-{}", upload.len().saturating_sub(1))),
                    "PATCH" => Reply::new(202, "").header("Location", location),
                    _ => {
                        let bytes = self.uploads.remove(&last).expect("found");
                        let digest = Digest::of(&bytes).to_string();
                        if parameter("digest").as_ref() != Some(&digest) {
                            let errors = r#"{"errors":[{"code":"DIGEST_INVALID","message":"no"}]}"#;
                            return Reply::new(400, errors);
                        }
                        self.blobs.insert(digest.clone(), bytes);
                        Reply::new(201, "").header("Docker-Content-Digest", digest)
                    }
                }
            }
            _ => Reply::new(500, format!("{asked:?}")),
        }
    }

    /// What a client saw of a body that was cut off stays in the upload.
    fn keep(&mut self, asked: &Asked, length: u64) {
        let path = asked.target.split('?').next().unwrap_or_default();
        let last = path.rsplit('/').next().unwrap_or_default();
        let body = vec_of_layer(length);
        self.uploads.insert(last.to_owned(), body);
    }
}

fn vec_of_layer(length: u64) -> Vec<u8> {
    let mut layer = Image::new().layer;
    layer.truncate(usize::try_from(length).expect("a small layer"));
    layer
}

/// A registry, whose repository may be looked at.
fn registry(
    intake: impl Fn(&Asked, usize) -> Intake + Send + Sync + 'static,
    keeps: bool,
) -> (Server, Arc<Mutex<Repository>>) {
    let repository = Arc::new(Mutex::new(Repository::default()));
    let (one, other) = (Arc::clone(&repository), Arc::clone(&repository));
    let taking = move |asked: &Asked, number: usize| {
        let intake = intake(asked, number);
        if let (Intake::Cut(length), true) = (intake, keeps) {
            one.lock().expect("no panic").keep(asked, length);
        }
        intake
    };
    let server = Server::taking(taking, move |asked, _| {
        other.lock().expect("no panic").answer(asked)
    });
    (server, repository)
}

fn pusher(server: &Server) -> Pusher {
    let reference = reference(server.port, "x:1");
    Client::new(required(options())).push_to(&reference, &["y".to_owned()])
}

fn upload(pusher: &Pusher) -> Result<(), UploadError> {
    let image = Image::new();
    pusher.upload(None, &image.layer(), &Content::Bytes(image.layer), &|_| {
        true
    })
}

/// Methods and targets, without what every upload has.
fn asked(server: &Server) -> Vec<String> {
    let digest = Image::new().layer().digest.to_string();
    let line = |asked: &Asked| {
        let line = format!("{} {}", asked.method, asked.target);
        let line = line.replace(&digest, "DIGEST").replace("?state=a%2Fb", "?");
        match asked.header("content-range") {
            Some(range) => format!("{line} {range}"),
            None => line,
        }
    };
    server.asked().iter().map(line).collect()
}

#[test]
fn a_blob_is_sent_as_one_request_and_found_afterwards() {
    let (server, repository) = registry(|_, _| Intake::All, false);
    let pusher = pusher(&server);
    let image = Image::new();
    assert!(!pusher.has_blob(&image.layer()).unwrap());
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, &image.layer).unwrap();
    let sent = Mutex::new(Vec::new());
    let watch = |bytes| {
        sent.lock().unwrap().push(bytes);
        true
    };
    let content = Content::File(file.reopen().unwrap());
    pusher
        .upload(None, &image.layer(), &content, &watch)
        .unwrap();
    assert!(pusher.has_blob(&image.layer()).unwrap());
    assert_eq!(
        asked(&server),
        [
            "HEAD /v2/x/blobs/DIGEST",
            "POST /v2/x/blobs/uploads/",
            "PUT /v2/x/blobs/uploads/0?&digest=DIGEST",
            "HEAD /v2/x/blobs/DIGEST",
        ]
    );
    let stored = repository.lock().unwrap().blobs.values().next().cloned();
    assert_eq!(stored, Some(image.layer));
    let sent = sent.into_inner().unwrap();
    assert!(sent.is_sorted() && sent.len() > 2, "{sent:?}");
    let asked = server.asked();
    assert_eq!(asked[1].header("content-length"), Some("0"));
    assert_eq!(asked[2].header("content-length"), Some("1200000"));
    assert_eq!(asked[2].header("transfer-encoding"), None);
}

#[test]
fn an_empty_blob_is_sent_too() {
    let (server, repository) = registry(|_, _| Intake::All, false);
    let empty = Descriptor::new(media_type::OCI_LAYER, Digest::of(b""), 0);
    let content = Content::Bytes(Vec::new());
    pusher(&server)
        .upload(None, &empty, &content, &|_| true)
        .unwrap();
    assert_eq!(repository.lock().unwrap().blobs.len(), 1);
}

#[test]
fn blobs_are_mounted_or_else_the_upload_that_began_is_used() {
    let (server, _) = registry(|_, _| Intake::All, false);
    let pusher = pusher(&server);
    let mountable = Descriptor::new(media_type::OCI_LAYER, Digest::of(b"mountable"), 9);
    let mounted = pusher.mount(&mountable, "y").unwrap();
    assert!(matches!(mounted, Mount::Mounted));
    let image = Image::new();
    let Mount::Refused(begun @ Some(_)) = pusher.mount(&image.layer(), "y").unwrap() else {
        panic!("an upload begins");
    };
    pusher
        .upload(
            begun,
            &image.layer(),
            &Content::Bytes(image.layer.clone()),
            &|_| true,
        )
        .unwrap();
    assert_eq!(
        asked(&server)[1..],
        [
            "POST /v2/x/blobs/uploads/?mount=DIGEST&from=y",
            "PUT /v2/x/blobs/uploads/0?&digest=DIGEST"
        ]
    );
}

#[test]
fn a_broken_upload_goes_on_where_the_registry_says() {
    let cut = |asked: &Asked, number| match (asked.method.as_str(), number) {
        ("PUT", 1) => Intake::Cut(100_000),
        _ => Intake::All,
    };
    let (server, repository) = registry(cut, true);
    upload(&pusher(&server)).unwrap();
    assert_eq!(
        asked(&server),
        [
            "POST /v2/x/blobs/uploads/",
            "PUT /v2/x/blobs/uploads/0?&digest=DIGEST",
            "GET /v2/x/blobs/uploads/0?",
            "PATCH /v2/x/blobs/uploads/0? 100000-1199999",
            "PUT /v2/x/blobs/uploads/0?&digest=DIGEST",
        ]
    );
    assert_eq!(repository.lock().unwrap().blobs.len(), 1);
}

#[test]
fn an_upload_that_the_registry_has_lost_begins_anew() {
    let cut = |asked: &Asked, number| match (asked.method.as_str(), number) {
        ("PUT", 1) => Intake::Cut(0),
        _ => Intake::All,
    };
    let (server, _) = registry(cut, false);
    upload(&pusher(&server)).unwrap();
    assert_eq!(
        asked(&server)[2..],
        [
            "GET /v2/x/blobs/uploads/0?",
            "HEAD /v2/x/blobs/DIGEST",
            "POST /v2/x/blobs/uploads/",
            "PUT /v2/x/blobs/uploads/1?&digest=DIGEST",
        ]
    );
}

#[test]
fn an_upload_of_which_only_the_answer_is_lost_is_not_repeated() {
    let silent = |asked: &Asked, _| match asked.method.as_str() {
        "PUT" => Intake::Unanswered,
        _ => Intake::All,
    };
    let (server, _) = registry(silent, false);
    upload(&pusher(&server)).unwrap();
    assert_eq!(
        asked(&server)[2..],
        ["GET /v2/x/blobs/uploads/0?", "HEAD /v2/x/blobs/DIGEST"]
    );
}

#[test]
fn an_upload_that_keeps_breaking_is_reported() {
    let cut = |asked: &Asked, _| match asked.method.as_str() {
        "PUT" => Intake::Cut(0),
        _ => Intake::All,
    };
    let (server, _) = registry(cut, false);
    let error = upload(&pusher(&server)).unwrap_err();
    let text = error.to_string();
    assert_eq!(text, "upload broke off at 0 of 1200000 bytes");
    let asked = server.asked();
    let puts = asked.iter().filter(|it| it.method == "PUT").count();
    assert_eq!(puts, 3, "as many attempts as the options allow");
}

#[test]
fn an_upload_that_is_lost_each_time_it_gets_somewhere_is_given_up() {
    let repository = Arc::new(Mutex::new(Repository::default()));
    let kept = Arc::clone(&repository);
    let cut = move |asked: &Asked, _| match asked.method.as_str() {
        "PUT" => {
            kept.lock().expect("no panic").keep(asked, 100_000);
            Intake::Cut(100_000)
        }
        _ => Intake::All,
    };
    let server = Server::taking(cut, move |asked, number| {
        let mut repository = repository.lock().expect("no panic");
        match asked.method.as_str() {
            // Ends the test where the upload would not end.
            _ if number > 50 => Reply::new(403, ""),
            "PATCH" => {
                repository.uploads.clear();
                Reply::new(404, "")
            }
            _ => repository.answer(asked),
        }
    });
    let error = upload(&pusher(&server)).unwrap_err();
    let expected = "upload broke off at 100000 of 1200000 bytes";
    assert_eq!(error.to_string(), expected);
    let asked = server.asked();
    let puts = asked.iter().filter(|it| it.method == "PUT").count();
    assert_eq!(puts, 2);
}

#[test]
fn a_mount_that_fails_in_any_way_leaves_the_upload_to_be_made() {
    for status in [200, 307, 403, 404, 405, 500, 501, 503] {
        let server = Server::start(move |_, _| Reply::new(status, ""));
        let mount = pusher(&server).mount(&Image::new().layer(), "y").unwrap();
        assert!(matches!(mount, Mount::Refused(None)), "{status}: {mount:?}");
    }
}

#[test]
fn who_has_enough_ends_an_upload() {
    let (server, _) = registry(|_, _| Intake::All, false);
    let image = Image::new();
    let content = Content::Bytes(image.layer.clone());
    let error = pusher(&server).upload(None, &image.layer(), &content, &|sent| sent < 1000);
    assert!(matches!(error, Err(UploadError::Read { .. })), "{error:?}");
}

/// What a registry answers to which method, and what the user is told.
const REFUSALS: &[(&str, &str, u16, &str, &str)] = &[
    (
        "POST without rights",
        "POST",
        403,
        "",
        "not authorized to push: 127.0.0.1:PORT/x:1",
    ),
    (
        "no repository",
        "POST",
        404,
        r#"{"errors":[{"code":"NAME_UNKNOWN","message":"no such"}]}"#,
        "repository does not exist and can't be created: x: registry says: NAME_UNKNOWN: no such",
    ),
    ("too large, before it is sent", "PUT", 413, "", "too large"),
    (
        "PUT without rights",
        "PUT",
        403,
        r#"{"errors":[{"code":"DENIED","message":"read only"}]}"#,
        "not authorized to push: 127.0.0.1:PORT/x:1: registry says: DENIED: read only",
    ),
    (
        "other bytes than it was told",
        "PUT",
        400,
        r#"{"errors":[{"code":"DIGEST_INVALID","message":"no"}]}"#,
        "registry says that the content is not what its digest says: registry says: DIGEST_INVALID: no",
    ),
    (
        "anything else",
        "PUT",
        418,
        "",
        "PUT failed; expected status 201 but got 418: I'm a teapot: http://127.0.0.1:PORT/v2/x/blobs/uploads/0",
    ),
    (
        "rate limit",
        "POST",
        429,
        "",
        "registry rate limit exceeded (HTTP 429)",
    ),
];

#[test]
fn refusals_are_told_in_words() {
    for (name, method, status, body, expected) in REFUSALS {
        let repository = Mutex::new(Repository::default());
        let refusing = |asked: &Asked, _| match asked.method == *method {
            true => Intake::Nothing,
            false => Intake::All,
        };
        let server = Server::taking(refusing, move |asked, _| {
            if asked.method == *method {
                return Reply::new(*status, *body);
            }
            repository.lock().expect("no panic").answer(asked)
        });
        let error = upload(&pusher(&server)).unwrap_err();
        let mut text = error.to_string();
        if let Some(cause) = std::error::Error::source(&error) {
            text = format!("{text}: {cause}");
        }
        let port = server.port.to_string();
        assert_eq!(text.replace(&port, "PORT"), *expected, "{name}");
        let asked = server.asked();
        let tried = asked.iter().filter(|it| it.method == *method).count();
        assert_eq!(tried, 1, "{name}");
    }
    println!("commands.md §5 refusals of blobs: {} rows", REFUSALS.len());
}

#[test]
fn what_passes_is_tried_again() {
    for status in [500, 502, 503, 504, 408] {
        let repository = Mutex::new(Repository::default());
        let failed = Mutex::new(false);
        let server = Server::start(move |asked, _| {
            if asked.method == "PUT" && !std::mem::replace(&mut *failed.lock().unwrap(), true) {
                return Reply::new(status, "");
            }
            repository.lock().expect("no panic").answer(asked)
        });
        upload(&pusher(&server)).unwrap();
    }
}

#[test]
fn the_digest_that_the_registry_names_is_compared() {
    let digest = Image::new().layer().digest;
    for (named, head, expected) in [
        (Some(digest.clone()), 404, None),
        (None, 200, None),
        (None, 404, Some("blob DIGEST is not in registry: x")),
        (Some(Digest::of(b"other")), 200, Some("digest mismatch")),
    ] {
        let server = Server::start(move |asked, _| match asked.method.as_str() {
            "POST" => Reply::new(202, "").header("Location", "/upload"),
            "HEAD" => Reply::new(head, ""),
            _ => match &named {
                Some(named) => {
                    Reply::new(201, "").header("Docker-Content-Digest", named.to_string())
                }
                None => Reply::new(201, ""),
            },
        });
        let error = upload(&pusher(&server)).err();
        let text = error.map(|error| error.to_string().replace(&digest.to_string(), "DIGEST"));
        assert_eq!(text.as_deref(), expected);
    }
}

#[test]
fn manifests_are_put_under_their_tag_or_refused_in_words() {
    let image = Image::new();
    let size = image.manifest.len() as u64;
    let manifest = Descriptor::new(media_type::OCI_MANIFEST, Digest::of(&image.manifest), size);
    let rows = [
        (201, "", None),
        (
            405,
            "",
            Some("registry refused the manifest: 405 Method Not Allowed"),
        ),
        (
            400,
            r#"{"errors":[{"code":"MANIFEST_INVALID","message":"manifest invalid"}]}"#,
            Some("registry refused the manifest: manifest invalid"),
        ),
        (401, "", Some("not authorized to push: 127.0.0.1:PORT/x:1")),
        (403, "", Some("not authorized to push: 127.0.0.1:PORT/x:1")),
    ];
    for (status, body, expected) in rows {
        let server =
            Server::start(move |_, _| Reply::new(status, body).header("WWW-Authenticate", "Basic"));
        let pusher = Client::new(with_prompt(required(options()), "u", "p"));
        let pusher = pusher.push_to(&reference(server.port, "x:1"), &[]);
        let error = pusher.manifest("2", &manifest, &image.manifest).err();
        let port = server.port.to_string();
        let text = error
            .as_ref()
            .map(|error| error.to_string().replace(&port, "PORT"));
        assert_eq!(text.as_deref(), expected);
        if status == 405 {
            let hint = error.and_then(|error| error.hint());
            assert!(hint.unwrap().ends_with("--format docker"));
        }
        let put = &server.asked()[0];
        assert_eq!(put.target, "/v2/x/manifests/2");
        assert_eq!(put.header("content-type"), Some(media_type::OCI_MANIFEST));
        assert_eq!(put.body, image.manifest);
    }
    println!("commands.md §5 answers to manifests: {} rows", rows.len());
}

#[test]
fn one_token_is_good_for_pushing_and_for_where_is_mounted_from() {
    let repository = Mutex::new(Repository::default());
    let server = Server::start(move |asked, _| {
        if asked.is("/token") {
            return match asked.header("authorization") {
                Some("Basic dTpw") => Reply::new(200, r#"{"token":"T"}"#),
                _ => Reply::new(401, ""),
            };
        }
        if asked.header("authorization") != Some("Bearer T") {
            let host = asked.header("host").expect("HTTP/1.1");
            let challenge = format!("Bearer realm=\"http://{host}/token\",service=\"s\"");
            return Reply::new(401, "").header("WWW-Authenticate", challenge);
        }
        repository.lock().expect("no panic").answer(asked)
    });
    let (options, heard) = listening(with_prompt(required(options()), "u", "p"));
    let pusher = Client::new(options).push_to(&reference(server.port, "x:1"), &["y".to_owned()]);
    pusher.authenticate().unwrap();
    upload(&pusher).unwrap();
    assert_eq!(
        asked(&server),
        [
            "GET /v2/",
            "GET /token?service=s&scope=repository:x:pull%2Cpush&scope=repository:y:pull",
            "GET /v2/",
            "POST /v2/x/blobs/uploads/",
            "PUT /v2/x/blobs/uploads/0?&digest=DIGEST",
        ]
    );
    assert!(heard.lock().unwrap().is_empty());
}

#[test]
fn what_may_not_be_mounted_is_uploaded_with_the_same_password() {
    let repository = Mutex::new(Repository::default());
    let server = Server::start(move |asked, _| {
        if asked.header("authorization") != Some("Basic dTpw") || asked.is("from=y") {
            return Reply::new(401, "").header("WWW-Authenticate", "Basic realm=\"x\"");
        }
        repository.lock().expect("no panic").answer(asked)
    });
    let pusher = Client::new(with_prompt(required(options()), "u", "p"));
    let pusher = pusher.push_to(&reference(server.port, "x:1"), &["y".to_owned()]);
    pusher.authenticate().unwrap();
    let mounted = pusher.mount(&Image::new().layer(), "y").unwrap();
    assert!(matches!(mounted, Mount::Refused(None)), "{mounted:?}");
    upload(&pusher).unwrap();
}

#[test]
fn nobody_is_no_one_to_push() {
    let server = Server::start(|asked, _| {
        let host = asked.header("host").expect("HTTP/1.1");
        let challenge = format!("Bearer realm=\"http://{host}/token\",service=\"s\"");
        Reply::new(401, "").header("WWW-Authenticate", challenge)
    });
    let error = pusher(&server).authenticate().unwrap_err();
    assert_eq!(error.to_string(), "can't ask for credentials: no terminal");
    assert_eq!(server.count("/token"), 0, "no token for nobody");

    let wrong = Client::new(with_prompt(required(options()), "u", "wrong"));
    let wrong = wrong.push_to(&reference(server.port, "x:1"), &[]);
    let error = wrong.authenticate().unwrap_err().to_string();
    let expected = format!("not authorized to push: 127.0.0.1:{}/x:1", server.port);
    assert_eq!(error, expected);
}

#[test]
fn another_host_gets_the_bytes_without_the_password() {
    let elsewhere = Server::start(|asked, _| {
        let digest = Image::new().layer().digest.to_string();
        assert_eq!(asked.header("authorization"), None);
        Reply::new(201, "").header("Docker-Content-Digest", digest)
    });
    let target = format!("http://127.0.0.1:{}/upload?sig=s", elsewhere.port);
    let server = Server::start(move |asked, _| match asked.header("authorization") {
        Some("Basic dTpw") => Reply::new(202, "").header("Location", target.clone()),
        _ => Reply::new(401, "").header("WWW-Authenticate", "Basic realm=\"x\""),
    });
    let pusher = Client::new(with_prompt(required(options()), "u", "p"));
    upload(&pusher.push_to(&reference(server.port, "x:1"), &[])).unwrap();
    let asked = elsewhere.asked();
    assert_eq!(asked.len(), 1);
    assert!(asked[0].target.starts_with("/upload?sig=s&digest=sha256:"));
}
