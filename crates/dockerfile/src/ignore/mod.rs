//! Ignore files: which parts of a build context nobody sees.
//!
//! Patterns are those of Docker's `.dockerignore`: the last one that matches a path, or a directory above it,
//! decides; `!` takes something back. A directory that is hidden is still searched where a `!` may find something.

mod pattern;

use pattern::Pattern;

/// What an ignore file says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ignore {
    rules: Vec<Rule>,
}

/// One line of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    pattern: Pattern,
    /// It began with `!`.
    takes_back: bool,
    /// Counted from 1.
    line: usize,
}

/// A line that means nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IgnoreSyntaxError {
    /// A `!` and nothing else.
    #[error("illegal exclusion pattern: \"!\"")]
    Bang {
        /// Counted from 1.
        line: usize,
    },
    /// A class that is not closed, an escape at the end, a range from high to low.
    #[error("malformed pattern: {text:?}")]
    Malformed {
        /// Counted from 1.
        line: usize,
        /// The pattern.
        text: String,
    },
}

impl IgnoreSyntaxError {
    /// Where it is, counted from 1.
    pub fn line(&self) -> usize {
        match self {
            Self::Bang { line } | Self::Malformed { line, .. } => *line,
        }
    }
}

/// A path of the context, judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    path: String,
    /// Which rules match it or a directory above it.
    matched: Vec<bool>,
}

impl Ignore {
    /// Reads the text of an ignore file. Bytes that are no UTF-8 become replacement characters.
    pub fn parse(text: &[u8]) -> Result<Self, IgnoreSyntaxError> {
        let text = String::from_utf8_lossy(text);
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        let lines = text.split('\n').zip(1..);
        let rules = lines.map(|(text, line)| Rule::parse(text, line));
        let rules: Vec<_> = rules.collect::<Result<_, _>>()?;
        Ok(Self {
            rules: rules.into_iter().flatten().collect(),
        })
    }

    /// Whether it hides nothing, whatever there is.
    pub fn is_empty(&self) -> bool {
        self.rules.iter().all(|rule| rule.takes_back)
    }

    /// The context itself, which nothing hides.
    pub fn root(&self) -> Place {
        Place {
            path: String::new(),
            matched: vec![false; self.rules.len()],
        }
    }

    /// What is called `name` in the directory `parent`.
    pub fn enter(&self, parent: &Place, name: &str) -> Place {
        let path = match parent.path.as_str() {
            "" => name.to_owned(),
            above => format!("{above}/{name}"),
        };
        let rules = self.rules.iter().zip(&parent.matched);
        let matched = rules.map(|(rule, above)| *above || rule.pattern.matches(&path));
        Place {
            matched: matched.collect(),
            path,
        }
    }

    /// The line (counted from 1) because of which nobody sees `place`; nothing if it is seen.
    pub fn hidden_by(&self, place: &Place) -> Option<usize> {
        let last = place.matched.iter().rposition(|matched| *matched)?;
        let rule = &self.rules[last];
        (!rule.takes_back).then_some(rule.line)
    }

    /// Whether something below the directory `place` may be seen although that is hidden.
    pub fn may_show_below(&self, place: &Place) -> bool {
        let shows = |rule: &Rule| rule.takes_back && rule.pattern.may_match_below(&place.path);
        self.rules.iter().any(shows)
    }
}

impl Rule {
    /// Nothing for a comment or an empty line.
    fn parse(text: &str, line: usize) -> Result<Option<Self>, IgnoreSyntaxError> {
        if text.starts_with('#') {
            return Ok(None);
        }
        let text = text.trim();
        let (takes_back, text) = match text.strip_prefix('!') {
            Some("") => return Err(IgnoreSyntaxError::Bang { line }),
            Some(rest) => (true, rest.trim()),
            None => (false, text),
        };
        if text.is_empty() {
            return Ok(None);
        }
        let malformed = || IgnoreSyntaxError::Malformed {
            line,
            text: text.to_owned(),
        };
        Ok(Some(Self {
            pattern: Pattern::parse(text).ok_or_else(malformed)?,
            takes_back,
            line,
        }))
    }
}

#[cfg(test)]
mod tests;
