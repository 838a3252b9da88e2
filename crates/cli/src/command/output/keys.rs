//! `--output`: `TYPE` and other keys, as BuildKit has them.
//!
//! A value is a row of CSV (RFC 4180), so a path with a comma stands in quotes. Without any key it is the place of
//! the files, and `-` an archive of them on standard output.

use std::path::Path;

use ch_layer::Compression;
use ch_oci::{Format, Reference};
use ch_transfer::{Form, FormatChoice};
use jiff::Timestamp;

use super::{Destination, Making, Output};
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
            let kind = if place == "-" { "tar" } else { "local" };
            let keys = Keys {
                destination: Some(Destination::parse(Path::new(place))),
                ..Keys::default()
            };
            return keys.into_wanted(kind, created);
        }
        let mut kind = None;
        let mut keys = Keys::default();
        for field in &fields {
            let Some((key, value)) = field.split_once('=') else {
                return Err(Failure::new(format_args!(
                    "--output={text}: not of the form KEY=VALUE: {field}"
                )));
            };
            match key.trim().to_ascii_lowercase().as_str() {
                "type" => kind = Some(value.to_owned()),
                key => keys.take(key, value)?,
            }
        }
        let kind =
            kind.ok_or_else(|| Failure::new(format_args!("--output={text}: type is missing")))?;
        keys.into_wanted(&kind, created)
    }
}

impl Keys {
    fn take(&mut self, key: &str, value: &str) -> Result<(), Failure> {
        if LATER_KEYS.contains(&key) {
            return Err(Failure::not_yet(format_args!("--output: {key}")));
        }
        let wrong =
            |kind: &str| Failure::new(format_args!("--output: {key}: not {kind}: {value:?}"));
        let flag = || match value {
            "true" | "1" => Ok(true),
            "false" | "0" => Ok(false),
            _ => Err(wrong("true or false")),
        };
        match key {
            "dest" => self.destination = Some(Destination::parse(Path::new(value))),
            "name" => self.name = Some(Reference::parse(value).map_err(advised)?),
            "tag" => self.tag = Some(value.to_owned()),
            "tar" => self.as_directory = !flag()?,
            "compression" => self.making.compression = Some(value.to_owned()),
            "compression-level" => {
                self.making.level = Some(value.parse().map_err(|_| wrong("a number"))?);
            }
            "oci-mediatypes" => {
                self.making.format = Some(if flag()? { Format::Oci } else { Format::Docker });
            }
            "rewrite-timestamp" => self.rewrite_timestamp = flag()?,
            _ => match key.strip_prefix("annotation.") {
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
        if LATER.contains(&kind) {
            let hint = "there are oci, docker, tar, dir, image and cacheonly";
            return Err(Failure::not_yet(format_args!("--output: type={kind}")).with_hint(hint));
        }
        let destination = self.destination.take();
        let needed = || {
            let message = format_args!("--output: type={kind}: dest is missing");
            destination.clone().ok_or_else(|| Failure::new(message))
        };
        let latest = created.filter(|_| self.rewrite_timestamp);
        let (form, destination) = match kind {
            "image" | "cacheonly" => {
                if destination.is_some() {
                    let message = format_args!("--output: type={kind}: dest makes no sense here");
                    return Err(Failure::new(message));
                }
                return Ok(match kind {
                    "image" => Wanted::Image,
                    _ => Wanted::CacheOnly,
                });
            }
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
            "dir" => (Form::Directory, needed()?),
            _ => {
                let message = format_args!("--output: unknown type: {kind}");
                let hint = "there are oci, docker, tar, dir, image and cacheonly";
                return Err(Failure::new(message).with_hint(hint));
            }
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
                "--output: type=image: dest makes no sense here",
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
            ("out", "not yet supported: --output: type=local"),
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
