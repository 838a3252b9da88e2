//! Patterns of `--unset-env`: `fnmatch(3)` without flags, and the extended groups of ksh.
//!
//! `*`, `?`, `[a-z]`, `[!a]`, `[[:upper:]]` (of ASCII), `\x`, and `?(a|b)`, `*(a|b)`, `+(a|b)`, `@(a|b)`, `!(a|b)`, nested as one
//! likes. A group or bracket that does not end means itself.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;

/// A pattern that is compared with whole names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob(OsString);

impl Glob {
    /// Takes any text for a pattern.
    pub fn new(pattern: impl Into<OsString>) -> Self {
        Self(pattern.into())
    }

    /// Whether all of `name` is described.
    pub fn matches(&self, name: &OsStr) -> bool {
        matches(self.0.as_bytes(), name.as_bytes())
    }
}

fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let Some((&first, rest)) = pattern.split_first() else {
        return text.is_empty();
    };
    if let Some(group) = Group::at_start(pattern) {
        return group.matches(text);
    }
    match first {
        b'*' => (0..=text.len()).any(|taken| matches(rest, &text[taken..])),
        b'?' => !text.is_empty() && matches(rest, &text[1..]),
        b'[' => match (bracket(rest), text.split_first()) {
            (Some((set, after)), Some((&byte, remaining))) => {
                set.contains(byte) && matches(after, remaining)
            }
            (Some(_), None) => false,
            (None, _) => literal(b'[', rest, text),
        },
        b'\\' if !rest.is_empty() => literal(rest[0], &rest[1..], text),
        _ => literal(first, rest, text),
    }
}

fn literal(byte: u8, rest: &[u8], text: &[u8]) -> bool {
    text.first() == Some(&byte) && matches(rest, &text[1..])
}

/// `@(a|b)` and the text behind it.
struct Group<'a> {
    kind: u8,
    alternatives: Vec<&'a [u8]>,
    rest: &'a [u8],
}

impl<'a> Group<'a> {
    fn at_start(pattern: &'a [u8]) -> Option<Self> {
        let (&[kind, open], inside) = pattern.split_first_chunk::<2>()?;
        if open != b'(' || !b"?*+@!".contains(&kind) {
            return None;
        }
        let mut alternatives = Vec::new();
        let (mut depth, mut start, mut at) = (0, 0, 0);
        while at < inside.len() {
            match inside[at] {
                b'\\' => at += 1,
                b'(' => depth += 1,
                b')' if depth > 0 => depth -= 1,
                b')' => {
                    alternatives.push(&inside[start..at]);
                    return Some(Self {
                        kind,
                        alternatives,
                        rest: &inside[at + 1..],
                    });
                }
                b'|' if depth == 0 => {
                    alternatives.push(&inside[start..at]);
                    start = at + 1;
                }
                _ => {}
            }
            at += 1;
        }
        None
    }

    fn matches(&self, text: &[u8]) -> bool {
        let one = |part: &[u8]| self.alternatives.iter().any(|choice| matches(choice, part));
        let mut ends = 0..=text.len();
        match self.kind {
            b'@' => ends.any(|end| one(&text[..end]) && matches(self.rest, &text[end..])),
            b'?' => {
                matches(self.rest, text)
                    || ends.any(|end| one(&text[..end]) && matches(self.rest, &text[end..]))
            }
            b'!' => ends.any(|end| !one(&text[..end]) && matches(self.rest, &text[end..])),
            kind => {
                (kind == b'*' && matches(self.rest, text))
                    || ends
                        .any(|end| self.repeated(&text[..end]) && matches(self.rest, &text[end..]))
            }
        }
    }

    /// Whether `text` is one or more alternatives, one after the other.
    fn repeated(&self, text: &[u8]) -> bool {
        let one = |part: &[u8]| self.alternatives.iter().any(|choice| matches(choice, part));
        one(text) || (1..text.len()).any(|end| one(&text[..end]) && self.repeated(&text[end..]))
    }
}

/// `[...]` without its opening bracket.
struct Bracket {
    negated: bool,
    ranges: Vec<(u8, u8)>,
}

impl Bracket {
    fn contains(&self, byte: u8) -> bool {
        self.ranges
            .iter()
            .any(|&(low, high)| (low..=high).contains(&byte))
            != self.negated
    }
}

fn bracket(pattern: &[u8]) -> Option<(Bracket, &[u8])> {
    let negated = matches!(pattern.first(), Some(b'!' | b'^'));
    let start = usize::from(negated);
    let (mut at, mut ranges) = (start, Vec::new());
    loop {
        let low = match *pattern.get(at)? {
            b']' if at > start => return Some((Bracket { negated, ranges }, &pattern[at + 1..])),
            b'[' if pattern.get(at + 1) == Some(&b':') => {
                let (class, length) = class(&pattern[at + 2..])?;
                ranges.extend_from_slice(class);
                at += 2 + length;
                continue;
            }
            b'\\' => {
                at += 1;
                *pattern.get(at)?
            }
            byte => byte,
        };
        match (pattern.get(at + 1), pattern.get(at + 2)) {
            (Some(b'-'), Some(&high)) if high != b']' => {
                ranges.push((low, high));
                at += 3;
            }
            _ => {
                ranges.push((low, low));
                at += 1;
            }
        }
    }
}

/// Kinds of characters by the names that POSIX gives them.
const CLASSES: [(&[u8], &[(u8, u8)]); 12] = [
    (b"alnum", &[(b'0', b'9'), (b'A', b'Z'), (b'a', b'z')]),
    (b"alpha", &[(b'A', b'Z'), (b'a', b'z')]),
    (b"blank", &[(b' ', b' '), (b'\t', b'\t')]),
    (b"cntrl", &[(0, 0x1f), (0x7f, 0x7f)]),
    (b"digit", &[(b'0', b'9')]),
    (b"graph", &[(b'!', b'~')]),
    (b"lower", &[(b'a', b'z')]),
    (b"print", &[(b' ', b'~')]),
    (
        b"punct",
        &[(b'!', b'/'), (b':', b'@'), (b'[', b'`'), (b'{', b'~')],
    ),
    (b"space", &[(b' ', b' '), (b'\t', b'\r')]),
    (b"upper", &[(b'A', b'Z')]),
    (b"xdigit", &[(b'0', b'9'), (b'A', b'F'), (b'a', b'f')]),
];

/// The kind whose name begins here, and how far its end is.
fn class(pattern: &[u8]) -> Option<(&'static [(u8, u8)], usize)> {
    let known = |(name, _): &&(&[u8], _)| {
        pattern
            .strip_prefix(*name)
            .is_some_and(|rest| rest.starts_with(b":]"))
    };
    let (name, ranges) = CLASSES.iter().find(known)?;
    Some((ranges, name.len() + 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_as_fnmatch_says() {
        let rows = [
            ("*", "", true),
            ("*", "PATH", true),
            ("P*", "PATH", true),
            ("P*H", "PATH", true),
            ("P*T", "PATH", false),
            ("P??H", "PATH", true),
            ("PATH", "PATH", true),
            ("PATH", "PATHS", false),
            ("[A-Z]*", "PATH", true),
            ("[!A-Z]*", "PATH", false),
            ("[^A-Z]*", "path", true),
            ("[]]", "]", true),
            ("[a-", "[a-", true),
            ("[[:upper:]_]*", "PATH", true),
            ("[[:upper:]_]*", "path", false),
            ("[![:upper:][:digit:]]", "_", true),
            ("[![:upper:][:digit:]]", "7", false),
            ("[[:upper:]", "[:", true),
            ("[[:none:]]", "n", false),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("W_?(A|B)", "W_", true),
            ("W_?(A|B)", "W_A", true),
            ("W_?(A|B)", "W_AB", false),
            ("*(ab|c)", "abcab", true),
            ("*(ab|c)", "", true),
            ("+(ab|c)", "", false),
            ("+(ab|c)x", "ccx", true),
            ("@(A|B_*)", "B_C", true),
            ("@(A|B_*)", "C", false),
            ("!(W_*)", "PATH", true),
            ("!(W_*)", "W_A", false),
            ("!(@(A|B)C)", "AC", false),
            ("!(@(A|B)C)", "CC", true),
            ("@(A", "@(A", true),
        ];
        for (pattern, name, expected) in rows {
            let found = Glob::new(pattern).matches(name.as_ref());
            assert_eq!(found, expected, "{pattern} on {name}");
        }
    }
}
