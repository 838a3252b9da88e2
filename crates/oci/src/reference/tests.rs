#![expect(clippy::print_stdout, reason = "counts of vectors are read by people")]

use proptest::prelude::*;

use super::*;

const HEX64: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// Fields in the order of the vectors: host, port, path, name, tag, digest.
fn fields(text: &str) -> String {
    let reference = match Reference::parse(text) {
        Ok(reference) => reference,
        Err(error) => return error.to_string(),
    };
    let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    format!(
        "{} {} [{}] {} {} {}",
        or_none(reference.host().map(ToString::to_string)),
        or_none(reference.port().map(|port| port.to_string())),
        reference.path().join(" "),
        reference.name(),
        or_none(reference.tag().map(str::to_owned)),
        or_none(reference.digest().map(ToString::to_string)),
    )
}

#[test]
fn references_are_read_as_the_vectors_say() {
    let tag_and_digest = format!("a:b@sha256:{HEX64}");
    let table = [
        ("V-cmd-20", "debian", "- - [] debian - -".to_owned()),
        (
            "V-cmd-21",
            "example.com:5000/foo/bar:1.0",
            "example.com 5000 [foo] bar 1.0 -".to_owned(),
        ),
        (
            "V-cmd-22",
            "foo/bar/baz",
            "- - [foo bar] baz - -".to_owned(),
        ),
        (
            "V-cmd-23",
            "localhost/foo",
            "localhost - [] foo - -".to_owned(),
        ),
        ("V-cmd-24", "FOO/bar", "FOO - [] bar - -".to_owned()),
        ("V-cmd-25", "foo%bar+1", "- - [foo] bar 1 -".to_owned()),
        ("V-cmd-26 tag", "a:5000", "- - [] a 5000 -".to_owned()),
        ("V-cmd-26 port", "a:5000/b", "a 5000 [] b - -".to_owned()),
        ("V-cmd-27 name", "foo.bar", "- - [] foo.bar - -".to_owned()),
        (
            "V-cmd-27 host",
            "foo.bar/baz",
            "foo.bar - [] baz - -".to_owned(),
        ),
        (
            "V-cmd-28",
            "ex.com/foo@sha256:f6c68e2ad82a",
            "ex.com - [] foo - sha256:f6c68e2ad82a".to_owned(),
        ),
        (
            "V-cmd-29",
            &tag_and_digest,
            format!("- - [] a b sha256:{HEX64}"),
        ),
        ("V-cmd-30", "[::1]:5000/x", "[::1] 5000 [] x - -".to_owned()),
        ("V-cmd-31", "docker://foo", "- - [] foo - -".to_owned()),
        (
            "V-cmd-32 two underscores",
            "a__b",
            "- - [] a__b - -".to_owned(),
        ),
        ("V-cmd-32 leading dot", ".a", "- - [] .a - -".to_owned()),
        ("V-cmd-32 trailing dot", "a.", "- - [] a. - -".to_owned()),
        (
            "case of digests is folded",
            "a@SHA256:ABC",
            "- - [] a - sha256:abc".to_owned(),
        ),
        (
            "IPv6 without port",
            "[fe80::1]/x",
            "[fe80::1] - [] x - -".to_owned(),
        ),
        (
            "host with capitals and port",
            "Foo:80/x",
            "Foo 80 [] x - -".to_owned(),
        ),
        ("three colons", "a.b:1/c:2", "a.b 1 [] c 2 -".to_owned()),
    ];
    for (name, text, expected) in &table {
        assert_eq!(&fields(text), expected, "{name}");
    }
    println!("commands.md §2.4 accepted: {} vectors", table.len());
}

#[test]
fn errors_are_where_the_vectors_say() {
    let long_tag = format!("a:{}", "t".repeat(129));
    let long_digest = format!("a@sha256:{HEX64}0");
    let table = [
        ("V-cmd-33", "Foo", Some(1)),
        ("V-cmd-34 tag", "foo:", None),
        ("V-cmd-34 digest", "foo@sha256:", None),
        ("V-cmd-34 slash", "a/", None),
        ("V-cmd-34 host", "ex.com/", None),
        ("V-cmd-34 empty", "", None),
        ("V-cmd-35 end", "foo@", None),
        ("V-cmd-35 algorithm", "foo@sha9:ab", Some(8)),
        ("V-cmd-36 two slashes", "a//b", Some(3)),
        ("V-cmd-36 slash", "/", Some(1)),
        ("V-cmd-36 blank", "foo bar", Some(4)),
        ("V-cmd-36 two tags", "foo:bar:baz", Some(8)),
        ("V-cmd-36 plus", "foo:a+b", Some(6)),
        ("V-cmd-37", "-x", Some(1)),
        ("V-cmd-38", "host.com:99999/x", Some(10)),
        ("V-cmd-40 inside", "x/../y", Some(3)),
        ("V-cmd-40 alone", "..", Some(1)),
        ("V-cmd-40 one dot", "./x", Some(1)),
        ("capital in the name", "foo/Bar", Some(5)),
        ("capital after a host with capitals", "FOO/Bar", Some(5)),
        ("capital before a tag", "Foo:bar", Some(1)),
        ("port zero", "h.x:0/x", Some(5)),
        ("port of six digits", "h.x:123456/x", Some(5)),
        ("transport is counted", "docker://a//b", Some(12)),
        ("transport alone", "docker://", None),
        ("other transport", "oci://x", Some(5)),
        ("host that is none", "a..b/x", Some(5)),
        ("IPv6 that is none", "[::g]/x", Some(4)),
        ("IPv6 without name", "[::1]", None),
        ("digit that is none", "a@sha256:xy", Some(10)),
        ("tag too long", &long_tag, Some(131)),
        ("digest too long", &long_digest, Some(74)),
        ("not ASCII", "föo", Some(2)),
        ("position in characters", "docker://ab/ö", Some(13)),
    ];
    for (name, text, at) in &table {
        let expected = match at {
            Some(at) => format!("image ref syntax, char {at}: {text}"),
            None => format!("image ref syntax, at end: {text}"),
        };
        let error = Reference::parse(text).expect_err(name);
        assert_eq!(error.to_string(), expected, "{name}");
        assert!(error.hint().is_some_and(|hint| !hint.is_empty()), "{name}");
    }
    println!("commands.md §2.4 refused: {} vectors", table.len());
}

#[test]
fn other_errors_and_hints_say_what_to_do() {
    let hint = |text: &str| {
        Reference::parse(text)
            .unwrap_err()
            .hint()
            .unwrap()
            .to_owned()
    };
    assert_eq!(
        hint("Foo"),
        "names are lower case, did you mean \"foo\"?",
        "V-cmd-33"
    );
    assert_eq!(
        hint("FOO/Bar:X"),
        "names are lower case, did you mean \"FOO/bar:X\"?"
    );
    assert_eq!(
        hint("https://quay.io/x:1"),
        "no scheme, did you mean \"quay.io/x:1\"?"
    );
    assert!(hint("host.com:99999/x").contains("port"), "V-cmd-38");
    assert!(hint("a//b").ends_with("did you mean \"a/b\"?"));
    assert!(hint("foo:").ends_with("did you mean \"foo\"?"));
    let error = |text: &str| Reference::parse(text).unwrap_err().to_string();
    assert_eq!(
        error("foo$x"),
        "image reference contains an undefined variable: foo$x",
        "V-cmd-39"
    );
    assert_eq!(error(&"a".repeat(4097)), "image ref too long");
    assert_eq!(error(&"a".repeat(256)), "image ref too long");
    assert!(Reference::parse(&"a".repeat(255)).is_ok());
    let short = Reference::parse("ex.com/foo@sha256:f6c68e2ad82a").unwrap();
    let remote = short.remote(&RegistryDefaults::default());
    assert_eq!(
        remote.digest().unwrap_err().to_string(),
        "digest too short: 12 of 64 digits",
        "V-cmd-28"
    );
    assert!(!error("a\u{1b}[31m").contains('\u{1b}'));
}

#[test]
fn report_is_like_ch_images() {
    let report = Reference::parse("foo.com:80/a/b:1")
        .unwrap()
        .report()
        .to_string();
    assert_eq!(
        report,
        "as string:    foo.com:80/a/b:1\n\
         for filename: foo.com+80%a%b+1\n\
         fields:\n  \
         host    'foo.com'\n  \
         port    80\n  \
         path    ['a']\n  \
         name    'b'\n  \
         tag     '1'\n  \
         digest  None"
    );
    let last = |text: String| {
        Reference::parse(&text)
            .unwrap()
            .report()
            .to_string()
            .lines()
            .last()
            .unwrap()
            .to_owned()
    };
    assert_eq!(last("a@sha256:ab".to_owned()), "  digest  'ab'");
    assert_eq!(last("a@sha512:ab".to_owned()), "  digest  'sha512:ab'");
}

#[test]
fn spellings_of_the_same_image_are_one_identity() {
    let digest = format!("@sha256:{HEX64}");
    let same = [
        ("debian", "debian:latest"),
        ("V-cmd-41 debian:12", "docker.io/library/debian:12"),
        ("debian", "docker.io/debian"),
        ("debian", "index.docker.io/library/debian:latest"),
        ("debian", "registry-1.docker.io:443/library/debian"),
        ("debian", "library/debian"),
        ("V-cmd-43 foo", "foo:latest"),
        ("a.b:443/x", "a.b/x"),
    ];
    let identity = |text: &str| {
        let text = text.rsplit(' ').next().unwrap();
        Reference::parse(text).unwrap().identity()
    };
    for (one, other) in same {
        assert_eq!(identity(one), identity(other), "{one} = {other}");
    }
    let latest_with_digest = format!("x:latest{digest}");
    let digest_alone = format!("x{digest}");
    let different = [
        ("debian", "debian:12"),
        ("debian", "a.b/debian"),
        ("library/a/b", "a/b"),
        ("docker.io:5000/x", "x"),
        ("a.b:444/x", "a.b/x"),
        ("localhost/x", "x"),
        (latest_with_digest.as_str(), digest_alone.as_str()),
        (digest_alone.as_str(), "x"),
    ];
    for (one, other) in different {
        assert_ne!(identity(one), identity(other), "{one} != {other}");
    }
    println!("commands.md §2.2: {} rows", same.len() + different.len());
}

#[test]
fn defaults_of_the_registry_are_filled_in() {
    let hub = RegistryDefaults::default();
    let site = RegistryDefaults {
        host: "reg.site".to_owned(),
        port: Some(5000),
        path_prefix: "a/b".to_owned(),
    };
    let table = [
        (
            "debian:buster",
            &hub,
            "registry-1.docker.io:443/library/debian:buster",
        ),
        ("foo/bar", &hub, "registry-1.docker.io:443/foo/bar:latest"),
        (
            "docker.io/debian",
            &hub,
            "registry-1.docker.io:443/library/debian:latest",
        ),
        (
            "index.docker.io/debian",
            &site,
            "registry-1.docker.io:443/library/debian:latest",
        ),
        ("debian", &site, "reg.site:5000/a/b/debian:latest"),
        ("h.x/debian", &site, "h.x:443/debian:latest"),
        (
            "x@sha256:ab",
            &hub,
            "registry-1.docker.io:443/library/x@sha256:ab",
        ),
        (
            "x:1@sha256:ab",
            &hub,
            "registry-1.docker.io:443/library/x:1@sha256:ab",
        ),
    ];
    for (text, defaults, expected) in &table {
        let remote = Reference::parse(text).unwrap().remote(defaults);
        assert_eq!(&remote.to_string(), expected, "{text}");
    }
    println!("commands.md §2.3: {} rows", table.len());
}

fn accepted() -> impl Strategy<Value = String> {
    let host = "([a-zA-Z0-9_][a-zA-Z0-9_-]{0,5}\\.[a-z0-9][a-z0-9]{0,3}|localhost|[A-Z]{1,3}|\\[::[0-9a-f]{1,4}\\])";
    let port = "(:[1-9][0-9]{0,3})?";
    let component = "[a-z0-9_][a-z0-9_.-]{0,6}";
    let tag = "(:[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,8})?";
    let digest = "(@sha(256|512):[0-9a-fA-F]{1,64})?";
    proptest::string::string_regex(&format!(
        "(docker://)?({host}{port}/)?{component}(/{component}){{0,2}}{tag}{digest}"
    ))
    .unwrap()
}

proptest! {
    #[test]
    fn printed_and_file_form_mean_the_same_again(text in accepted()) {
        if let Ok(reference) = Reference::parse(&text) {
            prop_assert_eq!(&Reference::parse(&reference.to_string()).unwrap(), &reference);
            prop_assert_eq!(&Reference::parse(&reference.file_form()).unwrap(), &reference);
            let identity = reference.identity();
            prop_assert_eq!(identity.0.identity(), identity.clone());
        } else {
            // A name may look like a host that is none, such as `a./b`.
            prop_assert!(text.contains('.'), "{}", text);
        }
    }

    #[test]
    fn any_text_is_accepted_or_refused_with_a_place(text in "\\PC{0,30}|[a-zA-Z0-9/:@.%+\\[\\]-]{0,30}") {
        match Reference::parse(&text) {
            Ok(reference) => prop_assert!(!reference.name().is_empty()),
            Err(ReferenceError::Character { at, .. }) => {
                prop_assert!(at >= 1 && at <= text.chars().count());
            }
            Err(_) => {}
        }
    }
}
