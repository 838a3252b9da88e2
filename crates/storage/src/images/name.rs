//! Names of images as names of files.

use ch_oci::{Digest, Reference};

/// More would be too long for a file name, with what is put before and behind.
const LONGEST: usize = 240;

/// Name of the record of what `reference` means, without extension: its identity in file form, `:latest` left out.
pub(crate) fn record_name(reference: &Reference) -> String {
    let identity = reference.identity().to_string();
    let short = identity.strip_suffix(":latest").unwrap_or(&identity);
    if short.len() > LONGEST {
        return format!("long+{}", Digest::of(short.as_bytes()).hex());
    }
    short.replace('/', "%").replace(':', "+")
}

/// What `reference` means without tag and digest.
pub(super) fn repository(reference: &Reference) -> String {
    let identity = reference.identity().to_string();
    let tagged = identity
        .split_once('@')
        .map_or(identity.as_str(), |(tagged, _)| tagged);
    match tagged.rsplit_once(':') {
        // A colon before the last slash is that of a port.
        Some((repository, tag)) if !tag.contains('/') => repository.to_owned(),
        _ => tagged.to_owned(),
    }
}

/// References as text in records.
pub(super) mod serde_text {
    use ch_oci::Reference;
    use serde::{Deserialize as _, Deserializer, Serializer, de};

    pub(in crate::images) fn serialize<S: Serializer>(
        reference: &Reference,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_str(reference)
    }

    pub(in crate::images) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Reference, D::Error> {
        Reference::parse(&String::deserialize(from)?).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_image_have_one_file() {
        let table: [(&str, &[&str]); 5] = [
            (
                "debian",
                &[
                    "debian",
                    "debian:latest",
                    "docker.io/debian",
                    "index.docker.io/library/debian:latest",
                    "registry-1.docker.io:443/library/debian",
                    "docker://debian",
                    "library/debian",
                ],
            ),
            (
                "debian+12",
                &["debian:12", "docker.io/library/debian:12", "debian+12"],
            ),
            (
                "example.com%a%b",
                &["example.com/a/b", "example.com:443/a/b:latest"],
            ),
            ("example.com+5000%a", &["example.com:5000/a"]),
            ("localhost%foo+1", &["localhost/foo:1", "localhost%foo+1"]),
        ];
        for (file, spellings) in table {
            for spelling in spellings {
                let reference = Reference::parse(spelling).unwrap();
                assert_eq!(record_name(&reference), file, "{spelling}");
            }
        }
    }

    #[test]
    fn repository_is_without_tag_and_digest() {
        for (text, expected) in [
            ("debian", "debian"),
            ("docker.io/library/debian:12", "debian"),
            ("ex.com:5000/a/b", "ex.com:5000/a/b"),
            ("ex.com:5000/a/b:1", "ex.com:5000/a/b"),
            ("ex.com:5000/a/b@sha256:abc", "ex.com:5000/a/b"),
            ("ex.com:5000/a/b:1@sha256:abc", "ex.com:5000/a/b"),
        ] {
            assert_eq!(
                repository(&Reference::parse(text).unwrap()),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn long_names_are_hashed() {
        let name = format!("example.com/{}", "a".repeat(240));
        let file = record_name(&Reference::parse(&name).unwrap());
        assert_eq!(file, format!("long+{}", Digest::of(name.as_bytes()).hex()));
    }
}
