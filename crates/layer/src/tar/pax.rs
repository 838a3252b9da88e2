//! Extended headers of pax: records `LENGTH KEY=VALUE` that correct and extend the plain header.

use ch_linux::file::Time;

use super::ArchiveProblem;
use super::number;

/// What the extended headers before one member say.
#[derive(Debug, Clone, Default)]
pub(super) struct Extension {
    pub(super) path: Option<Vec<u8>>,
    pub(super) link: Option<Vec<u8>>,
    pub(super) size: Option<i128>,
    pub(super) uid: Option<i128>,
    pub(super) gid: Option<i128>,
    pub(super) modified: Option<Time>,
    /// Extended attributes as star writes them, which go before those of libarchive.
    star: Vec<(Vec<u8>, Vec<u8>)>,
    libarchive: Vec<(Vec<u8>, Vec<u8>)>,
    pub(super) sparse: Sparse,
}

/// What GNU tar says of a sparse file, in any of its three pax forms.
#[derive(Debug, Clone, Default)]
pub(super) struct Sparse {
    pub(super) major: Option<i128>,
    pub(super) minor: Option<i128>,
    pub(super) name: Option<Vec<u8>>,
    pub(super) real_size: Option<i128>,
    /// Offsets and lengths by turns, from separate records or from one list.
    pub(super) map: Vec<i128>,
    pub(super) has_map: bool,
}

impl Extension {
    /// Adds the records of one extended header.
    pub(super) fn add(&mut self, data: &[u8]) -> Result<(), ArchiveProblem> {
        for_each_record(data, |key, value| self.record(key, value))
    }

    fn record(&mut self, key: &[u8], value: &[u8]) -> Result<(), ArchiveProblem> {
        match key {
            b"path" => self.path = name(value)?,
            b"linkpath" => self.link = name(value)?,
            b"size" => self.size = decimal("size", value)?,
            b"uid" => self.uid = decimal("uid", value)?,
            b"gid" => self.gid = decimal("gid", value)?,
            b"mtime" => self.modified = time(value)?,
            _ => {
                if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
                    set(&mut self.star, name.to_vec(), value.to_vec());
                } else if let Some(name) = key.strip_prefix(b"LIBARCHIVE.xattr.") {
                    let name = percent_decoded(name).ok_or(ArchiveProblem::Extension)?;
                    let value = base64_decoded(value).ok_or(ArchiveProblem::Extension)?;
                    set(&mut self.libarchive, name, value);
                } else if let Some(key) = key.strip_prefix(b"GNU.sparse.") {
                    self.sparse.record(key, value)?;
                }
            }
        }
        Ok(())
    }

    /// All extended attributes; where both forms name one, star's value.
    pub(super) fn take_attributes(&mut self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut all = std::mem::take(&mut self.libarchive);
        for (name, value) in std::mem::take(&mut self.star) {
            set(&mut all, name, value);
        }
        all
    }
}

impl Sparse {
    fn record(&mut self, key: &[u8], value: &[u8]) -> Result<(), ArchiveProblem> {
        match key {
            b"major" => self.major = decimal("GNU.sparse.major", value)?,
            b"minor" => self.minor = decimal("GNU.sparse.minor", value)?,
            b"name" => self.name = name(value)?,
            b"size" | b"realsize" => self.real_size = decimal("GNU.sparse.size", value)?,
            b"offset" | b"numbytes" => {
                self.has_map = true;
                // Records come in pairs, and the order is all that ties them together.
                if (key == b"offset") != self.map.len().is_multiple_of(2) {
                    return Err(ArchiveProblem::SparseMap);
                }
                self.map
                    .push(number::decimal(value).ok_or(ArchiveProblem::SparseMap)?);
            }
            b"map" => {
                self.has_map = true;
                self.map.clear();
                for number in value
                    .split(|byte| *byte == b',')
                    .filter(|text| !text.is_empty())
                {
                    self.map
                        .push(number::decimal(number).ok_or(ArchiveProblem::SparseMap)?);
                }
            }
            b"numblocks" => self.has_map = true,
            _ => {}
        }
        Ok(())
    }
}

/// Checks a header for all members: such headers carry comments, never names or sizes.
pub(super) fn check_global(data: &[u8]) -> Result<(), ArchiveProblem> {
    for_each_record(data, |key, _| {
        let fatal = [
            ("path", &b"path"[..]),
            ("linkpath", b"linkpath"),
            ("size", b"size"),
        ];
        match fatal.iter().find(|(_, name)| *name == key) {
            Some((name, _)) => Err(ArchiveProblem::GlobalExtension(name)),
            None => Ok(()),
        }
    })
}

fn for_each_record(
    mut data: &[u8],
    mut record: impl FnMut(&[u8], &[u8]) -> Result<(), ArchiveProblem>,
) -> Result<(), ArchiveProblem> {
    while !data.is_empty() {
        let blank = memchr::memchr(b' ', data).ok_or(ArchiveProblem::Extension)?;
        let length = number::decimal(&data[..blank])
            .and_then(|length| usize::try_from(length).ok())
            .filter(|length| *length > blank + 1 && *length <= data.len())
            .ok_or(ArchiveProblem::Extension)?;
        let (whole, rest) = data.split_at(length);
        let text = whole[blank + 1..]
            .strip_suffix(b"\n")
            .ok_or(ArchiveProblem::Extension)?;
        let equals = memchr::memchr(b'=', text).ok_or(ArchiveProblem::Extension)?;
        if equals == 0 {
            return Err(ArchiveProblem::Extension);
        }
        record(&text[..equals], &text[equals + 1..])?;
        data = rest;
    }
    Ok(())
}

/// An empty value takes back what an earlier header said.
fn name(value: &[u8]) -> Result<Option<Vec<u8>>, ArchiveProblem> {
    if value.contains(&0) {
        return Err(ArchiveProblem::Extension);
    }
    Ok((!value.is_empty()).then(|| value.to_vec()))
}

fn decimal(field: &'static str, value: &[u8]) -> Result<Option<i128>, ArchiveProblem> {
    if value.is_empty() {
        return Ok(None);
    }
    number::decimal(value)
        .map(Some)
        .ok_or_else(|| number::impossible(field, value))
}

/// Seconds with a fraction; digits beyond nanoseconds are dropped.
fn time(value: &[u8]) -> Result<Option<Time>, ArchiveProblem> {
    if value.is_empty() {
        return Ok(None);
    }
    parse_time(value)
        .map(Some)
        .ok_or_else(|| number::impossible("mtime", value))
}

fn parse_time(value: &[u8]) -> Option<Time> {
    let dot = memchr::memchr(b'.', value).unwrap_or(value.len());
    let (whole, fraction) = (&value[..dot], value.get(dot + 1..).unwrap_or(b""));
    if !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let digit = |at: usize| u32::from(fraction.get(at).map_or(0, |digit| digit - b'0'));
    let nanoseconds = (0..9).fold(0, |value, at| value * 10 + digit(at));
    let seconds = i64::try_from(number::decimal(whole)?).ok()?;
    if whole.starts_with(b"-") && nanoseconds > 0 {
        let seconds = seconds.checked_sub(1)?;
        return Some(Time {
            seconds,
            nanoseconds: 1_000_000_000 - nanoseconds,
        });
    }
    Some(Time {
        seconds,
        nanoseconds,
    })
}

fn set(list: &mut Vec<(Vec<u8>, Vec<u8>)>, name: Vec<u8>, value: Vec<u8>) {
    match list.iter_mut().find(|(known, _)| *known == name) {
        Some((_, old)) => *old = value,
        None => list.push((name, value)),
    }
}

fn percent_decoded(text: &[u8]) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, after @ ..] = rest {
        rest = after;
        if *first == b'%' {
            let digits = std::str::from_utf8(after.get(..2)?).ok()?;
            decoded.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &after[2..];
        } else {
            decoded.push(*first);
        }
    }
    Some(decoded)
}

/// Base64 with or without padding, the way libarchive writes attribute values.
fn base64_decoded(text: &[u8]) -> Option<Vec<u8>> {
    let text = text.trim_ascii_end();
    let end = text
        .iter()
        .rposition(|byte| *byte != b'=')
        .map_or(0, |last| last + 1);
    let mut decoded = Vec::with_capacity(end * 3 / 4);
    let (mut bits, mut count) = (0u32, 0);
    for byte in &text[..end] {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            decoded.push((bits >> count) as u8);
            bits &= (1 << count) - 1;
        }
    }
    (count < 6).then_some(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_round_towards_the_past() {
        for (text, seconds, nanoseconds) in [
            ("1", 1, 0),
            ("1.5", 1, 500_000_000),
            ("1.0000000019", 1, 1),
            ("-1.25", -2, 750_000_000),
            ("-1", -1, 0),
            ("-0.5", -1, 500_000_000),
        ] {
            assert_eq!(
                parse_time(text.as_bytes()),
                Some(Time {
                    seconds,
                    nanoseconds
                }),
                "{text}"
            );
        }
        for text in ["", ".5", "1.x", "x", "1e3"] {
            assert_eq!(parse_time(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn base64_with_and_without_padding() {
        for (text, value) in [
            ("", ""),
            ("YQ==", "a"),
            ("YQ", "a"),
            ("YWI=", "ab"),
            ("YWJj", "abc"),
        ] {
            assert_eq!(
                base64_decoded(text.as_bytes()).as_deref(),
                Some(value.as_bytes())
            );
        }
        assert_eq!(base64_decoded(b"Y"), None);
        assert_eq!(base64_decoded(b"Y!=="), None);
    }

    #[test]
    fn star_wins_over_libarchive() {
        let mut extension = Extension::default();
        for (key, value) in [
            ("LIBARCHIVE.xattr.user.a%20b", "YQ"),
            ("SCHILY.xattr.user.c", "star"),
            ("LIBARCHIVE.xattr.user.c", "YQ"),
        ] {
            extension.record(key.as_bytes(), value.as_bytes()).unwrap();
        }
        let expected = [("user.a b", "a"), ("user.c", "star")];
        let expected = expected.map(|(name, value)| (name.into(), value.into()));
        assert_eq!(extension.take_attributes(), expected);
    }
}
