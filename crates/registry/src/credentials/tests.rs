#![expect(clippy::print_stdout, reason = "counts of vectors are read by people")]

use ch_oci::{Reference, RegistryDefaults};

use super::*;

fn look_up(json: &str, reference: &str) -> String {
    let reference = Reference::parse(reference)
        .unwrap()
        .remote(&RegistryDefaults::default());
    match file::look_up(json, false, &reference) {
        Ok(Some(Credentials::Password { username, password })) => {
            format!("{username} {}", password.expose())
        }
        Ok(Some(Credentials::Identity(token))) => format!("identity {}", token.expose()),
        Ok(Some(Credentials::Bearer(token))) => format!("bearer {}", token.expose()),
        Ok(None) => "none".to_owned(),
        Err(problem) => problem.describe("FILE"),
    }
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
        "can't parse FILE:2: not valid JSON",
    ),
    (
        "helper",
        r#"{"credHelpers":{"h.x":"pass"}}"#,
        "h.x/x",
        "not yet supported: credential helper pass (FILE)",
    ),
    (
        "store, but an entry is there",
        r#"{"credsStore":"pass","auths":{"h.x":{"auth":"dTpwOnE="}}}"#,
        "h.x/x",
        "u p:q",
    ),
];

#[test]
fn entries_are_found_as_the_vectors_say() {
    for (name, json, reference, expected) in TABLE {
        assert_eq!(look_up(json, reference), *expected, "{name}");
    }
    println!("commands.md §4.3: {} rows", TABLE.len());
}
