//! Patterns of `${name#pattern}` and its relatives: `*`, `?` and escapes, on characters.
//!
//! A pattern is cut at its `*` into segments of fixed length, which are searched one after the other. If one is not
//! found, starting later can't help, so that every operation takes one pass over the value.

use super::SubstituteError;

/// Characters that must follow each other; `None` stands for any one.
type Segment = Vec<Option<char>>;

/// A pattern, cut at its `*`. Never empty; without a `*` there is one segment.
#[derive(Debug)]
pub(super) struct Pattern(Vec<Segment>);

/// How much to take where several lengths match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    Shortest,
    Longest,
}

impl Pattern {
    /// Reads a pattern, whose escapes are backslashes.
    pub(super) fn parse(text: &str) -> Result<Pattern, SubstituteError> {
        let mut segments = vec![Segment::new()];
        let mut characters = text.chars();
        while let Some(character) = characters.next() {
            let element = match character {
                '*' => {
                    segments.push(Segment::new());
                    continue;
                }
                '?' => None,
                '\\' => Some(escaped(characters.next())?),
                other => Some(other),
            };
            segments
                .last_mut()
                .expect("there is always a segment")
                .push(element);
        }
        Ok(Pattern(segments))
    }

    /// `value` without the prefix that matches.
    pub(super) fn strip_prefix(&self, value: &str, extent: Extent) -> String {
        let characters: Vec<char> = value.chars().collect();
        let end = self.end(&characters, 0, extent).unwrap_or(0);
        characters[end..].iter().collect()
    }

    /// `value` without the suffix that matches.
    pub(super) fn strip_suffix(&self, value: &str, extent: Extent) -> String {
        let mut characters: Vec<char> = value.chars().rev().collect();
        let end = self.reversed().end(&characters, 0, extent).unwrap_or(0);
        characters.drain(..end);
        characters.iter().rev().collect()
    }

    /// `value` with the first match, or every one, replaced; of the matches at one place, the longest. The
    /// result may have `most` bytes.
    pub(super) fn replace(
        &self,
        value: &str,
        replacement: &str,
        all: bool,
        most: usize,
    ) -> Result<String, SubstituteError> {
        let characters: Vec<char> = value.chars().collect();
        let mut result = String::new();
        let mut position = 0;
        let mut last_end = None;
        while let Some((start, end)) = self.find(&characters, position) {
            result.extend(&characters[position..start]);
            if start < end || last_end != Some(start) {
                result.push_str(replacement);
            }
            if start == end {
                result.extend(characters.get(start));
            }
            if result.len() > most {
                return Err(SubstituteError::TooLong);
            }
            position = end.max((start + 1).min(characters.len() + 1));
            last_end = Some(end);
            if !all || position > characters.len() {
                break;
            }
        }
        result.extend(characters.get(position..).unwrap_or_default());
        Ok(result)
    }

    fn reversed(&self) -> Pattern {
        let backwards = |segment: &Segment| segment.iter().rev().copied().collect();
        Pattern(self.0.iter().rev().map(backwards).collect())
    }

    /// The first match from `position` on.
    fn find(&self, characters: &[char], position: usize) -> Option<(usize, usize)> {
        let first = &self.0[0];
        let start = first_of(first, characters, position)?;
        let end = self.end(characters, start, Extent::Longest)?;
        Some((start, end))
    }

    /// Where a match that begins at `start` ends.
    fn end(&self, characters: &[char], start: usize, extent: Extent) -> Option<usize> {
        let (first, rest) = self.0.split_first().expect("there is always a segment");
        if !matches(first, characters, start) {
            return None;
        }
        let mut position = start + first.len();
        let Some((last, middle)) = rest.split_last() else {
            return Some(position);
        };
        for segment in middle {
            position = first_of(segment, characters, position)? + segment.len();
        }
        let place = match extent {
            Extent::Shortest => first_of(last, characters, position),
            Extent::Longest => (position..=characters.len())
                .rev()
                .find(|at| matches(last, characters, *at)),
        };
        Some(place? + last.len())
    }
}

fn escaped(character: Option<char>) -> Result<char, SubstituteError> {
    match character {
        Some(character @ ('*' | '?' | '\\' | '}' | '/')) => Ok(character),
        Some(character) => Err(SubstituteError::InvalidEscape { character }),
        None => Ok('\\'),
    }
}

fn matches(segment: &Segment, characters: &[char], start: usize) -> bool {
    let Some(part) = characters.get(start..start + segment.len()) else {
        return false;
    };
    segment
        .iter()
        .zip(part)
        .all(|(wanted, found)| wanted.is_none_or(|wanted| wanted == *found))
}

fn first_of(segment: &Segment, characters: &[char], from: usize) -> Option<usize> {
    (from..=characters.len()).find(|at| matches(segment, characters, *at))
}
