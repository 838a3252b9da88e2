use super::*;
use crate::{Digest, Platform};

fn entry(kind: &str) -> String {
    format!(
        r#"{{"mediaType":"{kind}","digest":"{}","size":3}}"#,
        Digest::of(b"abc")
    )
}

fn image(config_type: &str) -> String {
    let layer = entry(media_type::OCI_LAYER_GZIP);
    format!(
        r#"{{"schemaVersion":2,"config":{},"layers":[{layer}],"extra":{{"b":1,"a":2}}}}"#,
        entry(config_type)
    )
}

fn parse(text: &str, content_type: Option<&str>) -> Result<Document, DocumentError> {
    Document::parse(text.as_bytes(), content_type)
}

#[test]
fn kind_comes_from_the_document_then_the_header_then_the_keys() {
    let image = image(media_type::OCI_CONFIG);
    let index = format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, entry("x"));
    let is_index = |text: &str, header| matches!(parse(text, header), Ok(Document::Index(_)));
    assert!(!is_index(&image, None));
    assert!(is_index(&index, None));
    assert!(is_index(&index, Some("application/json; charset=utf-8")));
    assert!(is_index(&index, Some(media_type::DOCKER_INDEX)));
    let error = parse(&index, Some(media_type::OCI_MANIFEST)).unwrap_err();
    assert_eq!(error.to_string(), "manifest: no key: config");
}

#[test]
fn unknown_members_are_written_again() {
    let text = image(media_type::DOCKER_CONFIG);
    let Ok(Document::Manifest(manifest)) = parse(&text, None) else {
        panic!("not a manifest")
    };
    assert_eq!(String::from_utf8(manifest.to_bytes()).unwrap(), text);
}

#[test]
fn documents_with_two_meanings_or_other_schemas_are_refused() {
    let both = format!(
        r#"{{"schemaVersion":2,"mediaType":"{}","manifests":[],"layers":[]}}"#,
        media_type::OCI_INDEX
    );
    assert!(matches!(parse(&both, None), Err(DocumentError::Ambiguous)));
    let table = [
        ("1", "not yet supported: manifest schema version 1"),
        ("3", "unsupported manifest schema version: 3"),
        ("\"2\"", "unsupported manifest schema version: \"2\""),
    ];
    for (version, message) in table {
        let error = parse(&format!(r#"{{"schemaVersion":{version}}}"#), None).unwrap_err();
        assert_eq!(error.to_string(), message);
    }
}

#[test]
fn missing_members_are_named() {
    let text = image(media_type::OCI_CONFIG).replacen("\"digest\"", "\"dogest\"", 1);
    assert_eq!(
        parse(&text, None).unwrap_err().to_string(),
        "manifest: no key: config/digest"
    );
    assert!(parse("[]", None).is_err());
    assert!(parse("", None).is_err());
}

#[test]
fn a_thousand_and_one_layers_are_too_many() {
    let layers = vec![entry("l"); 1001].join(",");
    let text = format!(r#"{{"config":{},"layers":[{layers}]}}"#, entry("c"));
    assert_eq!(
        parse(&text, None).unwrap_err().to_string(),
        "manifest: more than 1000 layers"
    );
}

#[test]
fn only_images_pass_as_images() {
    let kind = |config: &str| {
        let Ok(Document::Manifest(manifest)) = parse(&image(config), None) else {
            panic!("parse")
        };
        manifest.require_image(&"x/y")
    };
    assert_eq!(kind(media_type::OCI_CONFIG), Ok(()));
    assert_eq!(kind(media_type::DOCKER_CONFIG), Ok(()));
    let error = kind("application/vnd.cncf.helm.config.v1+json").unwrap_err();
    assert_eq!(
        error.to_string(),
        "not a container image: x/y: application/vnd.cncf.helm.config.v1+json"
    );
    assert_eq!(error.hint(), Some("this is a Helm chart"));
}

#[test]
fn digests_of_hostile_documents_do_not_become_paths() {
    let text = image(media_type::OCI_CONFIG).replace(
        &Digest::of(b"abc").to_string(),
        "sha256:../../../etc/passwd",
    );
    assert!(matches!(
        parse(&text, None),
        Err(DocumentError::Json { .. })
    ));
}

#[test]
fn a_nested_index_without_platform_is_a_last_resort() {
    let mut index = Index {
        schema_version: 2,
        media_type: None,
        manifests: vec![Descriptor::new(media_type::OCI_INDEX, Digest::of(b"1"), 1)],
        annotations: None,
        rest: Map::new(),
    };
    let wanted = Wanted::Exact(Platform::new("linux", "amd64", None));
    assert_eq!(index.select(&wanted).unwrap().digest, Digest::of(b"1"));
    let mut better = Descriptor::new(media_type::OCI_MANIFEST, Digest::of(b"2"), 1);
    better.platform = Some(Platform::new("linux", "amd64", None));
    index.manifests.push(better);
    assert_eq!(index.select(&wanted).unwrap().digest, Digest::of(b"2"));
}

proptest::proptest! {
    #[test]
    fn no_document_makes_the_parser_fail(
        text in r#"([\[\]{}:,"0-9a-z]|"manifests"|"layers"|"config"|"digest"|"size"|null){0,40}"#
    ) {
        let _ = parse(&text, None);
        let _ = crate::ImageConfig::parse(text.as_bytes());
    }
}
