//! `--output`: `TYPE` and other keys, as BuildKit has them.
//!
//! A value is a row of CSV (RFC 4180), so a path with a comma stands in quotes. Without any key it is the place of
//! the files, and `-` an archive of them on standard output.

use std::path::Path;

use ch_layer::Compression;
use ch_oci::{Format, Reference};
use ch_transfer::{Form, FormatChoice};
use jiff::Timestamp;

use super::{Destination, Making, Output, tag};
use crate::failure::{Failure, advised};

/// What one `--output` asks for.
#[derive(Debug)]
pub(in crate::command) enum Wanted {
    /// The image in the storage directory, as without any.
    Image,
    /// Nothing but what is in the build cache anyway.
    CacheOnly,
    /// Something outside the storage directory.
    Output(Box<Output>),
}

/// The keys of one `--output`.
#[derive(Debug, Default)]
struct Keys {
    /// `compression`, `compression-level`, `oci-mediatypes`, `annotation.KEY`.
    making: Making,
    /// `rewrite-timestamp`.
    rewrite_timestamp: bool,
    /// `name`.
    name: Option<Reference>,
    /// `tag`.
    tag: Option<String>,
    /// `dest`.
    destination: Option<Destination>,
    /// `tar=false`.
    as_directory: bool,
}

/// Types of the finished product that are not there yet.
const LATER: [&str; 4] = ["registry", "local", "squash", "sif"];
/// Keys of the finished product that are not there yet.
const LATER_KEYS: [&str; 7] = [
    "push",
    "push-by-digest",
    "force-compression",
    "registry.insecure",
    "name-canonical",
    "mode",
    "platform-split",
];

/// Keys that begin so are annotations of the manifest.
const ANNOTATION: &str = "annotation.";

/// The types, each with the keys that it has beside `type`.
const TYPES: [(&str, &[&str]); 6] = [
    (
        "oci",
        &[
            "dest",
            "tar",
            "tag",
            "name",
            "compression",
            "compression-level",
            "oci-mediatypes",
            "rewrite-timestamp",
            ANNOTATION,
        ],
    ),
    (
        "docker",
        &[
            "dest",
            "name",
            "compression",
            "compression-level",
            "oci-mediatypes",
            "rewrite-timestamp",
            ANNOTATION,
        ],
    ),
    ("tar", &["dest", "compression", "compression-level"]),
    ("dir", &["dest"]),
    ("image", &[]),
    ("cacheonly", &[]),
];

impl Wanted {
    /// Reads a value of `--output`; `created` is `SOURCE_DATE_EPOCH`.
    pub(in crate::command) fn parse(
        text: &str,
        created: Option<Timestamp>,
    ) -> Result<Self, Failure> {
        let fields = fields(text)
            .ok_or_else(|| Failure::new(format_args!("--output={text}: unbalanced quotes")))?;
        if let [place] = &fields[..]
            && !place.contains('=')
        {
            if place != "-" {
                let hint = format!("type=dir,dest={place} or type=tar,dest={place}");
                return Err(Failure::not_yet(format_args!("--output={place}")).with_hint(hint));
            }
            let keys = Keys {
                destination: Some(Destination::parse(Path::new(place))),
                ..Keys::default()
            };
            return keys.into_wanted("tar", created);
        }
        let mut given: Vec<(String, &str)> = Vec::new();
        for field in &fields {
            let Some((key, value)) = field.split_once('=') else {
                return Err(Failure::new(format_args!(
                    "--output={text}: not of the form KEY=VALUE: {field}"
                )));
            };
            let key = key.trim().to_ascii_lowercase();
            if given.iter().any(|(known, _)| *known == key) {
                return Err(Failure::new(format_args!(
                    "--output={text}: {key} stands there twice"
                )));
            }
            given.push((key, value));
        }
        let kind = given.iter().find(|(key, _)| key == "type");
        let kind = kind
            .map(|(_, value)| *value)
            .ok_or_else(|| Failure::new(format_args!("--output={text}: type is missing")))?;
        let allowed = keys_of(kind)?;
        let mut keys = Keys::default();
        for (key, value) in given.iter().filter(|(key, _)| key != "type") {
            keys.take(kind, allowed, key, value)?;
        }
        keys.into_wanted(kind, created)
    }
}

impl Keys {
    fn take(
        &mut self,
        kind: &str,
        allowed: &[&str],
        key: &str,
        value: &str,
    ) -> Result<(), Failure> {
        if LATER_KEYS.contains(&key) {
            return Err(Failure::not_yet(format_args!("--output: {key}")));
        }
        let is_annotation = key.starts_with(ANNOTATION);
        let group = if is_annotation { ANNOTATION } else { key };
        let is_known = TYPES.iter().any(|(_, keys)| keys.contains(&group));
        if is_known && kind == "image" {
            return Err(Failure::not_yet(format_args!(
                "--output: type=image: {key}"
            )));
        }
        if is_known && !allowed.contains(&group) {
            let message = format_args!("--output: type={kind}: {key} makes no sense here");
            return Err(Failure::new(message));
        }
        let wrong =
            |kind: &str| Failure::new(format_args!("--output: {key}: not {kind}: {value:?}"));
        let flag = || match value {
            "true" | "1" => Ok(true),
            "false" | "0" => Ok(false),
            _ => Err(wrong("true or false")),
        };
        match key {
            "dest" if value.is_empty() => return Err(wrong("a name")),
            "dest" => self.destination = Some(Destination::parse(Path::new(value))),
            "name" => self.name = Some(Reference::parse(value).map_err(advised)?),
            "tag" => self.tag = Some(tag(value)?),
            "tar" => self.as_directory = !flag()?,
            "compression" => self.making.compression = Some(value.to_owned()),
            "compression-level" => {
                self.making.level = Some(value.parse().map_err(|_| wrong("a number"))?);
            }
            "oci-mediatypes" => {
                self.making.format = Some(if flag()? { Format::Oci } else { Format::Docker });
            }
            "rewrite-timestamp" => self.rewrite_timestamp = flag()?,
            _ => match key.strip_prefix(ANNOTATION) {
                Some(name) => self
                    .making
                    .annotations
                    .push((name.to_owned(), value.to_owned())),
                None => return Err(Failure::new(format_args!("--output: unknown key: {key}"))),
            },
        }
        Ok(())
    }

    fn into_wanted(mut self, kind: &str, created: Option<Timestamp>) -> Result<Wanted, Failure> {
        let destination = self.destination.take();
        if self.rewrite_timestamp && created.is_none() {
            return Err(Failure::new(
                "--output: rewrite-timestamp: SOURCE_DATE_EPOCH is not set",
            ));
        }
        let needed = || {
            let message = format_args!("--output: type={kind}: dest is missing");
            destination.clone().ok_or_else(|| Failure::new(message))
        };
        let latest = created.filter(|_| self.rewrite_timestamp);
        let (form, destination) = match kind {
            "image" => return Ok(Wanted::Image),
            "cacheonly" => return Ok(Wanted::CacheOnly),
            "oci" => {
                let options =
                    self.making
                        .assemble(FormatChoice::Usual(Format::Oci), created, latest)?;
                match self.as_directory {
                    true => (Form::OciDirectory(options), needed()?),
                    false => (
                        Form::OciArchive(options),
                        destination.unwrap_or(Destination::StandardOutput),
                    ),
                }
            }
            "docker" => {
                let options =
                    self.making
                        .assemble(FormatChoice::Usual(Format::Docker), created, latest)?;
                (Form::DockerArchive(options), needed()?)
            }
            "tar" => {
                let form = Form::Tree {
                    compression: self.making.compression(Compression::None)?,
                    latest: created.map(Timestamp::as_second),
                    described: false,
                };
                (form, destination.unwrap_or(Destination::StandardOutput))
            }
            _ => (Form::Directory, needed()?),
        };
        destination.check()?;
        Ok(Wanted::Output(Box::new(Output {
            form,
            destination,
            name: self.name,
            tag: self.tag,
        })))
    }
}

/// The keys of the type `kind`.
fn keys_of(kind: &str) -> Result<&'static [&'static str], Failure> {
    if let Some((_, keys)) = TYPES.iter().find(|(name, _)| *name == kind) {
        return Ok(keys);
    }
    let hint = "there are oci, docker, tar, dir, image and cacheonly";
    let failure = if LATER.contains(&kind) {
        Failure::not_yet(format_args!("--output: type={kind}"))
    } else {
        Failure::new(format_args!("--output: unknown type: {kind}"))
    };
    Err(failure.with_hint(hint))
}

/// The fields of a row of CSV; `None` if a quote is not closed.
fn fields(row: &str) -> Option<Vec<String>> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    let mut characters = row.chars().peekable();
    while let Some(character) = characters.next() {
        let field = fields.last_mut().expect("there is one from the start");
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => {
                field.push('"');
                characters.next();
            }
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            _ => field.push(character),
        }
    }
    (!quoted).then_some(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_have_fields() {
        for (row, expected) in [
            ("a", Some(vec!["a"])),
            ("a,b=c", Some(vec!["a", "b=c"])),
            ("\"dest=a,b\",c", Some(vec!["dest=a,b", "c"])),
            ("\"a\"\"b\"", Some(vec!["a\"b"])),
            ("\"a", None),
        ] {
            let expected = expected.map(|list| list.iter().map(ToString::to_string).collect());
            assert_eq!(fields(row), expected, "{row}");
        }
    }

    #[test]
    fn what_cannot_be_is_refused_by_name() {
        for (text, message) in [
            (
                "type=oci,",
                "--output=type=oci,: not of the form KEY=VALUE: ",
            ),
            ("dest=x,tag=y", "--output=dest=x,tag=y: type is missing"),
            ("type=docker", "--output: type=docker: dest is missing"),
            ("type=oci,tar=false", "--output: type=oci: dest is missing"),
            (
                "type=oci,tar=maybe,dest=x",
                "--output: tar: not true or false: \"maybe\"",
            ),
            ("type=oci,dest=x,what=ever", "--output: unknown key: what"),
            ("type=ocy,dest=x", "--output: unknown type: ocy"),
            (
                "type=image,dest=x",
                "not yet supported: --output: type=image: dest",
            ),
            (
                "type=dir,dest=x,compression=zstd",
                "--output: type=dir: compression makes no sense here",
            ),
            (
                "type=docker,dest=x,tag=t",
                "--output: type=docker: tag makes no sense here",
            ),
            (
                "type=tar,dest=x,annotation.a=b",
                "--output: type=tar: annotation.a makes no sense here",
            ),
            (
                "type=oci,dest=x,dest=y",
                "--output=type=oci,dest=x,dest=y: dest stands there twice",
            ),
            (
                "type=oci,dest=x,rewrite-timestamp=true",
                "--output: rewrite-timestamp: SOURCE_DATE_EPOCH is not set",
            ),
            (
                "type=docker,dest=x,compression=zstd",
                "compression zstd: docker images have no such layers",
            ),
            (
                "type=oci,dest=x,compression-level=3",
                "compression-level needs compression",
            ),
            (
                "type=oci,dest=x,compression=estargz",
                "unknown compression: \"estargz\"; there are gzip, zstd and uncompressed",
            ),
            (
                "type=oci,dest=x,force-compression=true",
                "not yet supported: --output: force-compression",
            ),
            ("out", "not yet supported: --output=out"),
            (
                "type=registry,name=x",
                "not yet supported: --output: type=registry",
            ),
        ] {
            let failure = Wanted::parse(text, None).unwrap_err();
            assert_eq!(failure.message(), message, "{text}");
        }
    }

    #[test]
    fn formats_and_compressions_are_as_asked_for() {
        let parsed = Wanted::parse(
            "type=docker,dest=x,oci-mediatypes=true,compression=zstd",
            None,
        );
        let Ok(Wanted::Output(output)) = parsed else {
            panic!("{parsed:?}");
        };
        let Form::DockerArchive(options) = output.form else {
            panic!("{:?}", output.form);
        };
        assert_eq!(options.compression, Compression::Zstd(3));
        assert_eq!(options.format, FormatChoice::Always(Format::Oci));
    }
}
