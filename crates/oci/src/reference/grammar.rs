//! The grammar of references.
//!
//! A cursor goes once over the decoded text and never back, except that the first word is read before it
//! is known whether it is a host: that shows only at the `/` or `:` behind it. An error is at the first
//! character after which no reference can begin like the text, with three kinder exceptions: a port that
//! is out of range and a component `.` or `..` are reported where they begin, and what would be right in
//! lower case at its first capital.

use super::{Host, Reference, ReferenceError};
use crate::PartialDigest;

const REFERENCE_BYTES: usize = 4096;
const NAME_BYTES: usize = 255;
const TAG_CHARACTERS: usize = 128;
const TRANSPORT: &str = "docker://";

const IN_NAME: &str = "a name has lower-case letters, digits, \"_\", \".\" and \"-\"";
const COMPONENT: &str =
    "a name is expected here, of lower-case letters, digits, \"_\", \".\" and \"-\"";
const DOTS: &str = "\".\" and \"..\" can't be part of a name";
const PORT: &str = "a port is a number from 1 to 65535";
const TAG: &str = "a tag has up to 128 letters, digits, \"_\", \".\" and \"-\", and begins with none of the last two";
const DIGEST: &str = "a digest is \"sha256:\" or \"sha512:\" and hexadecimal digits";
const IPV6: &str = "an IPv6 address in brackets and \"/\" or a port must come first";

/// A failure before it is put in words: position from 0, or the end of the text.
struct Failure {
    at: usize,
    expected: &'static str,
}

type Parsed<T> = Result<T, Failure>;

/// Reads a reference.
pub(super) fn parse(text: &str) -> Result<Reference, ReferenceError> {
    if text.len() > REFERENCE_BYTES {
        return Err(ReferenceError::TooLong);
    }
    let failure = match parse_quietly(text) {
        Ok(reference) => return limited(reference),
        Err(failure) => failure,
    };
    let reference = text.to_owned();
    let characters: Vec<char> = text.chars().collect();
    let (at, hint) = explain(&characters, &failure);
    match characters.get(at) {
        Some('$') => Err(ReferenceError::UndefinedVariable { reference }),
        Some(_) => Err(ReferenceError::Character {
            at: at + 1,
            reference,
            hint,
        }),
        None => Err(ReferenceError::End { reference, hint }),
    }
}

fn limited(reference: Reference) -> Result<Reference, ReferenceError> {
    let bytes = reference
        .components
        .iter()
        .map(|part| part.len() + 1)
        .sum::<usize>();
    if bytes > NAME_BYTES + 1 {
        Err(ReferenceError::TooLong)
    } else {
        Ok(reference)
    }
}

fn parse_quietly(text: &str) -> Parsed<Reference> {
    let decode = |character| match character {
        '%' => '/',
        '+' => ':',
        other => other,
    };
    let text: Vec<char> = text.chars().map(decode).collect();
    let transport = TRANSPORT.chars().count();
    let start = if text.iter().take(transport).copied().eq(TRANSPORT.chars()) {
        transport
    } else {
        0
    };
    Cursor {
        text: &text,
        at: start,
    }
    .reference()
}

/// Position to report and the hint to give.
fn explain(text: &[char], failure: &Failure) -> (usize, String) {
    if let Some((slashes, right)) = without_scheme(text) {
        return (slashes, format!("no scheme, did you mean \"{right}\"?"));
    }
    if let Some((capital, right)) = in_lower_case(text) {
        return (
            capital,
            format!("names are lower case, did you mean \"{right}\"?"),
        );
    }
    let mut shorter = text.to_vec();
    let odd = failure.at.min(text.len().saturating_sub(1));
    if odd < shorter.len() && "/:@%+-. \t\n".contains(shorter.remove(odd)) {
        let shorter: String = shorter.iter().collect();
        if !shorter.is_empty() && parse_quietly(&shorter).is_ok() {
            return (
                failure.at,
                format!("{}; did you mean \"{shorter}\"?", failure.expected),
            );
        }
    }
    (failure.at, failure.expected.to_owned())
}

/// Where the scheme of an address ends, and the reference behind it.
fn without_scheme(text: &[char]) -> Option<(usize, String)> {
    let text: String = text.iter().collect();
    let (scheme, right) = text.split_once("://")?;
    let known = ["docker", "http", "https"].contains(&scheme);
    (known && parse_quietly(right).is_ok()).then(|| (scheme.len() + 1, right.to_owned()))
}

/// The first capital that is one too many, and the text that would be right.
fn in_lower_case(text: &[char]) -> Option<(usize, String)> {
    let last_slash = text
        .iter()
        .rposition(|c| matches!(c, '/' | '%'))
        .unwrap_or(0);
    let end = text[last_slash..]
        .iter()
        .position(|c| matches!(c, ':' | '+' | '@'));
    let (name, rest) = text.split_at(end.map_or(text.len(), |end| last_slash + end));
    // A host may have capitals, so the change after it is tried first.
    let first_slash = name
        .iter()
        .position(|c| matches!(c, '/' | '%'))
        .unwrap_or(0);
    [first_slash, 0].into_iter().find_map(|from| {
        let capital = from + name[from..].iter().position(char::is_ascii_uppercase)?;
        let lowered = name[from..].iter().map(char::to_ascii_lowercase);
        let right: String = name[..from]
            .iter()
            .copied()
            .chain(lowered)
            .chain(rest.iter().copied())
            .collect();
        parse_quietly(&right).is_ok().then_some((capital, right))
    })
}

struct Cursor<'t> {
    text: &'t [char],
    at: usize,
}

/// What the first word can still be.
struct FirstWord {
    word: String,
    host: bool,
    component: bool,
}

impl Cursor<'_> {
    fn peek(&self) -> Option<char> {
        self.text.get(self.at).copied()
    }

    fn take(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        self.at += usize::from(found);
        found
    }

    fn fail<T>(&self, expected: &'static str) -> Parsed<T> {
        Err(Failure {
            at: self.at,
            expected,
        })
    }

    fn reference(mut self) -> Parsed<Reference> {
        let (host, port, mut components) = self.beginning()?;
        if components.is_empty() {
            components.push(self.component()?);
        }
        while self.take('/') {
            components.push(self.component()?);
        }
        let tag = if self.take(':') {
            Some(self.tag()?)
        } else {
            None
        };
        let digest = if self.take('@') {
            Some(self.digest()?)
        } else {
            None
        };
        if self.peek().is_some() {
            return self.fail(match (&digest, &tag) {
                (Some(_), _) => DIGEST,
                (None, Some(_)) => TAG,
                (None, None) => IN_NAME,
            });
        }
        Ok(Reference {
            host,
            port,
            components,
            tag,
            digest,
        })
    }

    /// Host and port with their slash, or the first component.
    fn beginning(&mut self) -> Parsed<(Option<Host>, Option<u16>, Vec<String>)> {
        let start = self.at;
        if self.take('[') {
            return self
                .ipv6(start)
                .map(|(host, port)| (Some(host), port, Vec::new()));
        }
        let first = self.first_word()?;
        let host = || Host(first.word.as_str().into());
        match self.peek() {
            Some('/') if is_marked_as_host(&first.word) => {
                if matches!(first.word.as_str(), "." | "..") {
                    return Err(Failure {
                        at: start,
                        expected: DOTS,
                    });
                }
                if !first.host {
                    return self.fail(IN_NAME);
                }
                self.at += 1;
                return Ok((Some(host()), None, Vec::new()));
            }
            Some(':') => {
                if let Some(port) = self.port_before_slash(&first)? {
                    return Ok((Some(host()), Some(port), Vec::new()));
                }
            }
            _ => {}
        }
        if !first.component {
            return self.fail(COMPONENT);
        }
        if matches!(first.word.as_str(), "." | "..") {
            return Err(Failure {
                at: start,
                expected: DOTS,
            });
        }
        Ok((None, None, vec![first.word]))
    }

    /// Reads as long as the word can be a host or a component.
    fn first_word(&mut self) -> Parsed<FirstWord> {
        let mut first = FirstWord {
            word: String::new(),
            host: true,
            component: true,
        };
        let mut before = '.';
        while let Some(character) = self.peek() {
            let host = match character {
                '.' | '-' => before != '.',
                other => other == '_' || other.is_ascii_alphanumeric(),
            };
            let component = is_component_character(character, first.word.is_empty());
            if !(first.host && host || first.component && component) {
                break;
            }
            (first.host, first.component) = (first.host && host, first.component && component);
            first.word.push(character);
            before = character;
            self.at += 1;
        }
        first.host &= before != '.';
        if first.word.is_empty() {
            self.fail(COMPONENT)
        } else {
            Ok(first)
        }
    }

    /// At the colon behind the first word: a port with its slash, or nothing, because a tag follows.
    fn port_before_slash(&mut self, first: &FirstWord) -> Parsed<Option<u16>> {
        let start = self.at + 1;
        let digits: String = self.text[start..]
            .iter()
            .take_while(|c| c.is_ascii_digit())
            .collect();
        let end = start + digits.len();
        let slash = self.text.get(end) == Some(&'/');
        if slash && !digits.is_empty() && first.host {
            self.at = end + 1;
            return port_number(&digits).map(Some).ok_or(Failure {
                at: start,
                expected: PORT,
            });
        }
        if first.component {
            return Ok(None);
        }
        // Only a host could be written like this, and then only a port can follow.
        self.at = end;
        self.fail(PORT)
    }

    fn ipv6(&mut self, start: usize) -> Parsed<(Host, Option<u16>)> {
        while self
            .peek()
            .is_some_and(|c| c.is_ascii_hexdigit() || matches!(c, ':' | '.'))
        {
            self.at += 1;
        }
        let address: String = self.text[start + 1..self.at].iter().collect();
        if address.parse::<std::net::Ipv6Addr>().is_err() || !self.take(']') {
            return self.fail(IPV6);
        }
        let host = Host(format!("[{address}]").into());
        let port = if self.take(':') {
            let from = self.at;
            while self.peek().is_some_and(|c| c.is_ascii_digit()) {
                self.at += 1;
            }
            let digits: String = self.text[from..self.at].iter().collect();
            if digits.is_empty() {
                return self.fail(PORT);
            }
            Some(port_number(&digits).ok_or(Failure {
                at: from,
                expected: PORT,
            })?)
        } else {
            None
        };
        if self.take('/') {
            Ok((host, port))
        } else {
            self.fail(IPV6)
        }
    }

    fn component(&mut self) -> Parsed<String> {
        let start = self.at;
        while self
            .peek()
            .is_some_and(|c| is_component_character(c, self.at == start))
        {
            self.at += 1;
        }
        let component: String = self.text[start..self.at].iter().collect();
        match component.as_str() {
            "" => self.fail(COMPONENT),
            "." | ".." => Err(Failure {
                at: start,
                expected: DOTS,
            }),
            _ => Ok(component),
        }
    }

    fn tag(&mut self) -> Parsed<String> {
        let start = self.at;
        let allowed = |c: char, first: bool| {
            c == '_' || c.is_ascii_alphanumeric() || !first && matches!(c, '.' | '-')
        };
        while self.peek().is_some_and(|c| allowed(c, self.at == start)) {
            if self.at - start == TAG_CHARACTERS {
                return self.fail(TAG);
            }
            self.at += 1;
        }
        if self.at == start {
            self.fail(TAG)
        } else {
            Ok(self.text[start..self.at].iter().collect())
        }
    }

    fn digest(&mut self) -> Parsed<PartialDigest> {
        let start = self.at;
        let mut names = vec!["sha256:", "sha512:"];
        for index in 0.. {
            if names.first().is_some_and(|name| name.len() == index) {
                break;
            }
            let Some(character) = self.peek() else {
                return self.fail(DIGEST);
            };
            names.retain(|name| name.as_bytes()[index] == character.to_ascii_lowercase() as u8);
            if names.is_empty() || !character.is_ascii() {
                return self.fail(DIGEST);
            }
            self.at += 1;
        }
        let hex_start = self.at;
        let most = if names == ["sha512:"] { 128 } else { 64 };
        while self.at - hex_start < most && self.peek().is_some_and(|c| c.is_ascii_hexdigit()) {
            self.at += 1;
        }
        let text: String = self.text[start..self.at].iter().collect();
        PartialDigest::parse(&text).or_else(|_| self.fail(DIGEST))
    }
}

/// A first word before a slash is a host if it looks like one.
fn is_marked_as_host(word: &str) -> bool {
    word == "localhost" || word.contains('.') || word.bytes().any(|byte| byte.is_ascii_uppercase())
}

fn is_component_character(character: char, first: bool) -> bool {
    character.is_ascii_lowercase()
        || character.is_ascii_digit()
        || matches!(character, '_' | '.')
        || !first && character == '-'
}

fn port_number(digits: &str) -> Option<u16> {
    digits
        .parse()
        .ok()
        .filter(|port| *port > 0 && digits.len() <= 5)
}
