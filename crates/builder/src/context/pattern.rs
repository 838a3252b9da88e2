//! Wildcards in the sources of `COPY`: one path component against one pattern component.
//!
//! `*` is any run of characters, `?` one character, `[a-z]` a class, `[!x]` and `[^x]` its
//! opposite, `\` an escape. `**` means the same as `*`, and a leading dot is nothing special.

/// One component of a source, ready to be matched with names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Component {
    /// No wildcard: the name itself, escapes removed.
    Literal(String),
    /// At least one wildcard.
    Wild(Vec<Item>),
}

/// One element of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Item {
    Character(char),
    AnyOne,
    AnyRun,
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
}

/// A class that is not closed, an escape at the end, a range from high to low.
#[derive(Debug, thiserror::Error)]
#[error("malformed pattern")]
pub struct MalformedPatternError;

impl Component {
    /// Reads one component (no `/` in it).
    pub(crate) fn parse(text: &str) -> Result<Self, MalformedPatternError> {
        let mut items = Vec::new();
        let mut characters = text.chars().peekable();
        while let Some(c) = characters.next() {
            items.push(match c {
                '*' => Item::AnyRun,
                '?' => Item::AnyOne,
                '[' => class(&mut characters)?,
                '\\' => Item::Character(characters.next().ok_or(MalformedPatternError)?),
                c => Item::Character(c),
            });
        }
        let literal: Option<String> = items
            .iter()
            .map(|item| {
                if let Item::Character(c) = item {
                    Some(*c)
                } else {
                    None
                }
            })
            .collect();
        Ok(literal.map_or(Self::Wild(items), Self::Literal))
    }

    /// Whether the whole of `name` matches.
    pub(crate) fn matches(&self, name: &str) -> bool {
        match self {
            Self::Literal(literal) => literal == name,
            Self::Wild(items) => wild_match(items, &name.chars().collect::<Vec<_>>()),
        }
    }
}

/// The rest of a class, after `[`.
fn class(
    characters: &mut std::iter::Peekable<std::str::Chars<'_>>,
) -> Result<Item, MalformedPatternError> {
    let negated = characters.next_if(|c| matches!(c, '!' | '^')).is_some();
    let mut ranges = Vec::new();
    loop {
        let low = match characters.next().ok_or(MalformedPatternError)? {
            ']' if !ranges.is_empty() => return Ok(Item::Class { negated, ranges }),
            '\\' => characters.next().ok_or(MalformedPatternError)?,
            c => c,
        };
        let mut high = low;
        if characters.next_if_eq(&'-').is_some() {
            high = match characters.next().ok_or(MalformedPatternError)? {
                // A dash before the end stands for itself.
                ']' => {
                    ranges.extend([(low, low), ('-', '-')]);
                    return Ok(Item::Class { negated, ranges });
                }
                '\\' => characters.next().ok_or(MalformedPatternError)?,
                c => c,
            };
        }
        if low > high {
            return Err(MalformedPatternError);
        }
        ranges.push((low, high));
    }
}

/// Matching with one remembered star: linear in the name for each star, never exponential.
fn wild_match(items: &[Item], name: &[char]) -> bool {
    let (mut item, mut at) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while at < name.len() {
        match items.get(item) {
            Some(Item::AnyRun) => {
                star = Some((item, at));
                item += 1;
            }
            Some(one) if one_matches(one, name[at]) => {
                item += 1;
                at += 1;
            }
            _ => {
                let Some((star_item, star_at)) = star else {
                    return false;
                };
                star = Some((star_item, star_at + 1));
                item = star_item + 1;
                at = star_at + 1;
            }
        }
    }
    items[item..].iter().all(|rest| *rest == Item::AnyRun)
}

fn one_matches(item: &Item, c: char) -> bool {
    match item {
        Item::Character(wanted) => *wanted == c,
        Item::AnyOne => true,
        Item::AnyRun => false,
        Item::Class { negated, ranges } => {
            ranges.iter().any(|(low, high)| (low..=high).contains(&&c)) != *negated
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::print_stdout, reason = "counts of vectors are read by people")]
    fn components_match_names() {
        // (vector, pattern, matching, not matching)
        let table: &[(&str, &str, &[&str], &[&str])] = &[
            ("V-C15", "f*", &["f", "f1"], &["af"]),
            ("V-C31", "*", &[".h", "v"], &[]),
            ("V-C32", "a[1-2]", &["a1", "a2"], &["ab"]),
            ("V-C32", "a[^1]", &["a2", "ab"], &["a1"]),
            ("V-C32", "a[!1]", &["a2", "ab"], &["a1"]),
            ("V-C33", r"a\*b", &["a*b"], &["axb"]),
            ("V-C34", "arr[[]0].txt", &["arr[0].txt"], &["arr0.txt"]),
            ("V-C35", "**", &["a", "ab"], &[]),
            ("class with dash", "[a-]x", &["ax", "-x"], &["bx"]),
            ("class with bracket", "[]a]x", &["]x", "ax"], &["x"]),
            ("stars", "a*b*c", &["abc", "a1b2c", "abbcc"], &["ab", "acb"]),
            ("one", "a?c", &["abc"], &["ac", "abbc"]),
        ];
        for (vector, pattern, yes, no) in table {
            let component = Component::parse(pattern).unwrap();
            for name in *yes {
                assert!(component.matches(name), "{vector}: {pattern} {name}");
            }
            for name in *no {
                assert!(!component.matches(name), "{vector}: {pattern} {name}");
            }
        }
        println!("dockerfile.md §6.1: {} patterns", table.len());
    }

    #[test]
    fn malformed_patterns_are_refused() {
        for pattern in ["[a", "[", "[z-a]", "a\\", "[a\\"] {
            assert!(Component::parse(pattern).is_err(), "{pattern}");
        }
    }

    #[test]
    fn many_stars_stay_fast() {
        let component = Component::parse(&format!("{}b", "a*".repeat(50))).unwrap();
        assert!(!component.matches(&"a".repeat(20_000)));
    }
}
