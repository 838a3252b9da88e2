use std::os::unix::fs::PermissionsExt as _;
use std::sync::{Arc, Mutex};

use super::*;
use crate::{HelperAnswer, HelperCall};

/// A directory with a file of credentials.
struct Place {
    directory: tempfile::TempDir,
    /// What helpers were called with.
    calls: Arc<Mutex<Vec<String>>>,
}

impl Place {
    fn new(text: Option<&str>) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let place = Self {
            directory,
            calls: Arc::default(),
        };
        if let Some(text) = text {
            fs::create_dir(place.path().parent().expect("it has one")).expect("a directory");
            fs::write(place.path(), text).expect("a file");
        }
        place
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("containers/auth.json")
    }

    /// Without the blanks that only are for people.
    fn text(&self) -> String {
        let text = fs::read_to_string(self.path()).unwrap_or_default();
        text.replace(['\n', '\t', ' '], "")
    }

    fn keeper(&self) -> Keeper {
        let calls = Arc::clone(&self.calls);
        let run = move |call: &HelperCall<'_>| {
            let input = String::from_utf8_lossy(call.input).into_owned();
            let text = format!("{} {} {input}", call.program, call.action);
            calls.lock().unwrap().push(text);
            Ok(HelperAnswer {
                success: call.program.ends_with("good"),
                output: b"is locked\n".to_vec(),
                errors: Vec::new(),
            })
        };
        Keeper {
            file: self.path(),
            sources: vec![Source::File(self.path())],
            run_helper: Arc::new(run),
        }
    }
}

fn registry(text: &str) -> RemoteReference {
    RemoteReference::of_registry(text).expect("a registry")
}

// base64 of u:p:q
const ENTRY: &str = r#"{"auth":"dTpwOnE="}"#;

fn store(place: &Place, at: &str) -> Result<(), KeepError> {
    let keeper = place.keeper();
    keeper.store(&registry(at), "u", &Secret::new("p:q"))
}

#[test]
fn entries_are_put_beside_what_there_is() {
    for (name, before, at, after) in [
        ("no file", None, "h.x", r#"{"auths":{"h.x":ENTRY}}"#),
        (
            "empty file",
            Some(" \n"),
            "h.x",
            r#"{"auths":{"h.x":ENTRY}}"#,
        ),
        (
            "others stay in their order",
            Some(r#"{"z":[1,2.5],"auths":{"b":{"x":null},"a":{}},"c":"\u00e9"}"#),
            "h.x:5000",
            r#"{"z":[1,2.5],"auths":{"b":{"x":null},"a":{},"h.x:5000":ENTRY},"c":"é"}"#,
        ),
        (
            "the old entry is replaced under its name",
            Some(r#"{"auths":{"https://h.x/v1/":{"identitytoken":"I"},"h.x/org":{}}}"#),
            "h.x",
            r#"{"auths":{"https://h.x/v1/":ENTRY,"h.x/org":{}}}"#,
        ),
        (
            "Docker Hub",
            None,
            "docker.io",
            r#"{"auths":{"docker.io":ENTRY}}"#,
        ),
        ("port 443", None, "h.x:443", r#"{"auths":{"h.x":ENTRY}}"#),
    ] {
        let place = Place::new(before);
        store(&place, at).unwrap();
        assert_eq!(place.text(), after.replace("ENTRY", ENTRY), "{name}");
        let mode = place.path().metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{name}");
        let parent = place.path().parent().unwrap().read_dir().unwrap();
        assert_eq!(parent.count(), 1, "{name}: nothing is left beside it");
    }
}

#[test]
fn what_is_no_file_of_credentials_is_not_touched() {
    for (text, line) in [("{\n\"auths\": x}", 2), (r#"{"auths":[]}"#, 1), ("[]", 1)] {
        let place = Place::new(Some(text));
        let expected = format!(
            "can't parse {}:{line}: not valid JSON",
            place.path().display()
        );
        assert_eq!(store(&place, "h.x").unwrap_err().to_string(), expected);
        assert_eq!(fs::read_to_string(place.path()).unwrap(), text);
    }
}

#[test]
fn a_link_stays_one() {
    let place = Place::new(Some("{}"));
    let other = place.directory.path().join("other.json");
    fs::rename(place.path(), &other).unwrap();
    std::os::unix::fs::symlink("../other.json", place.path()).unwrap();
    store(&place, "h.x").unwrap();
    assert!(place.path().symlink_metadata().unwrap().is_symlink());
    assert_eq!(place.text(), format!(r#"{{"auths":{{"h.x":{ENTRY}}}}}"#));
}

#[test]
fn entries_are_erased_alone_or_together() {
    let text = r#"{"auths":{"h.x":{},"https://h.x/v2/":{},"h.x/org":{},"g.x":{}},"credsStore":""}"#;
    let place = Place::new(Some(text));
    assert!(!place.keeper().erase(&registry("i.x")).unwrap());
    assert_eq!(place.text(), text, "nothing is written for nothing");
    assert!(place.keeper().erase(&registry("h.x")).unwrap());
    assert_eq!(
        place.text(),
        r#"{"auths":{"h.x/org":{},"g.x":{}},"credsStore":""}"#
    );
    assert_eq!(place.keeper().erase_all().unwrap(), ["h.x/org", "g.x"]);
    assert_eq!(place.text(), r#"{"auths":{},"credsStore":""}"#);
    assert!(place.keeper().erase_all().unwrap().is_empty());
}

#[test]
fn a_helper_that_is_named_keeps_them_instead() {
    let text = r#"{"auths":{"h.x":{"auth":"eDp4"}},"credHelpers":{"h.x":"good"}}"#;
    let place = Place::new(Some(text));
    store(&place, "h.x").unwrap();
    assert_eq!(place.text(), r#"{"auths":{},"credHelpers":{"h.x":"good"}}"#);
    assert!(place.keeper().erase(&registry("h.x")).unwrap());
    let stored =
        r#"docker-credential-good store {"ServerURL":"h.x","Username":"u","Secret":"p:q"}"#;
    let expected = [stored, "docker-credential-good erase h.x"];
    assert_eq!(*place.calls.lock().unwrap(), expected);

    let place = Place::new(Some(r#"{"credsStore":"bad"}"#));
    let error = store(&place, "h.x").unwrap_err();
    assert_eq!(error.to_string(), "credential helper bad: is locked");
    assert_eq!(
        place.text(),
        r#"{"credsStore":"bad"}"#,
        "it is not kept in the clear"
    );
}

#[test]
fn files_that_keep_an_entry_are_told() {
    let place = Place::new(Some("{}"));
    let other = place.directory.path().join("config.json");
    fs::write(&other, r#"{"auths":{"h.x":{"auth":"dTpwOnE="}}}"#).unwrap();
    let mut keeper = place.keeper();
    keeper.sources.push(Source::File(other.clone()));
    assert_eq!(
        keeper.others(&registry("h.x")),
        [other.display().to_string()]
    );
    assert!(keeper.others(&registry("g.x")).is_empty());
}
