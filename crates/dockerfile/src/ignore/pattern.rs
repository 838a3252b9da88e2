//! One pattern of an ignore file against a whole path.
//!
//! `*` and `?` stop at `/`, `**` does not. A pattern is first compared by the text that it must begin and end
//! with; only what passes is stepped through, all ways at once, so that no pattern takes long.

/// A pattern, ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    items: Vec<Item>,
    /// What a path that matches begins with.
    head: String,
    /// What it ends with.
    tail: String,
}

/// One element.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Item {
    Character(char),
    /// `?`
    AnyOne,
    /// `*`
    AnyRun,
    /// `**` before something: nothing, or any directories with the slash behind them.
    Directories,
    /// `**` at the end, or before plain text at the beginning: anything.
    Anything,
    /// `[a-z]`, `[^x]`
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
}

impl Pattern {
    /// Reads a pattern; nothing if it is malformed.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let items = items(&clean(text))?;
        Some(Self {
            head: plain(items.iter()),
            tail: plain(items.iter().rev()).chars().rev().collect(),
            items,
        })
    }

    /// Whether all of `path` matches.
    pub(super) fn matches(&self, path: &str) -> bool {
        if !path.starts_with(&self.head) || !path.ends_with(&self.tail) {
            return false;
        }
        if self.head.chars().count() == self.items.len() {
            return path.len() == self.head.len();
        }
        let mut ways = Ways::new(&self.items);
        for character in path.chars() {
            if !ways.step(character) {
                return false;
            }
        }
        ways.arrived()
    }

    /// Whether a path below the directory `directory` may match.
    pub(super) fn may_match_below(&self, directory: &str) -> bool {
        let mut ways = Ways::new(&self.items);
        directory
            .chars()
            .chain(['/'])
            .all(|character| ways.step(character))
    }
}

/// The text that `items` begin with.
fn plain<'i>(items: impl Iterator<Item = &'i Item>) -> String {
    items
        .map_while(|item| match item {
            Item::Character(character) => Some(*character),
            _ => None,
        })
        .collect()
}

/// The pattern as a clean path: no empty component, no `.`, and `..` only at the beginning; without the slashes
/// at its ends.
fn clean(text: &str) -> String {
    let mut components: Vec<&str> = Vec::new();
    for component in text.split('/') {
        match component {
            "" | "." => {}
            ".." if components.last().is_some_and(|last| *last != "..") => {
                components.pop();
            }
            component => components.push(component),
        }
    }
    components.join("/")
}

fn items(text: &str) -> Option<Vec<Item>> {
    let mut items = Vec::new();
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        items.push(match character {
            '*' if characters.next_if_eq(&'*').is_some() => {
                let before_slash = characters.next_if_eq(&'/').is_some();
                let rest: String = characters.clone().collect();
                let is_plain = !rest.contains(['*', '?', '[', '\\']);
                if rest.is_empty() || (items.is_empty() && !before_slash && is_plain) {
                    Item::Anything
                } else {
                    Item::Directories
                }
            }
            '*' => Item::AnyRun,
            '?' => Item::AnyOne,
            '[' => class(&mut characters)?,
            '\\' => Item::Character(characters.next()?),
            character => Item::Character(character),
        });
    }
    Some(items)
}

/// The rest of a class, after `[`.
fn class(characters: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<Item> {
    let negated = characters.next_if_eq(&'^').is_some();
    let mut ranges = Vec::new();
    loop {
        let low = match characters.next()? {
            ']' if !ranges.is_empty() => return Some(Item::Class { negated, ranges }),
            '\\' => characters.next()?,
            character => character,
        };
        let high = match characters.next_if_eq(&'-') {
            None => low,
            Some(_) => match characters.next()? {
                ']' => return None,
                '\\' => characters.next()?,
                character => character,
            },
        };
        if low > high {
            return None;
        }
        ranges.push((low, high));
    }
}

/// How far a path got in a pattern, on all ways that there are.
struct Ways<'p> {
    items: &'p [Item],
    /// Before which items (or, last, the end) a way stands.
    before: Vec<bool>,
    /// In which [`Item::Directories`] one is.
    inside: Vec<bool>,
}

impl<'p> Ways<'p> {
    fn new(items: &'p [Item]) -> Self {
        let mut ways = Self {
            items,
            before: vec![false; items.len() + 1],
            inside: vec![false; items.len()],
        };
        ways.reach(0);
        ways
    }

    /// A way stands before item `at`, and before what follows if that may be nothing.
    fn reach(&mut self, mut at: usize) {
        self.before[at] = true;
        while matches!(
            self.items.get(at),
            Some(Item::AnyRun | Item::Directories | Item::Anything)
        ) {
            at += 1;
            self.before[at] = true;
        }
    }

    /// Goes on by one character; whether a way is left.
    fn step(&mut self, character: char) -> bool {
        let ends = vec![false; self.before.len()];
        let before = std::mem::replace(&mut self.before, ends);
        for (at, item) in self.items.iter().enumerate() {
            let stands = before[at];
            match item {
                Item::Directories => {
                    self.inside[at] |= stands;
                    if self.inside[at] && character == '/' {
                        self.reach(at + 1);
                    }
                }
                _ if !stands => {}
                Item::Anything => self.reach(at),
                Item::AnyRun if character != '/' => self.reach(at),
                Item::AnyRun => {}
                one if one_matches(one, character) => self.reach(at + 1),
                _ => {}
            }
        }
        self.before.iter().chain(&self.inside).any(|way| *way)
    }

    /// Whether a way leads to the end.
    fn arrived(&self) -> bool {
        self.before.last() == Some(&true)
    }
}

fn one_matches(item: &Item, character: char) -> bool {
    match item {
        Item::Character(wanted) => *wanted == character,
        Item::AnyOne => character != '/',
        Item::Class { negated, ranges } => {
            let within = |(low, high): &(char, char)| (low..=high).contains(&&character);
            character != '/' && ranges.iter().any(within) != *negated
        }
        Item::AnyRun | Item::Directories | Item::Anything => false,
    }
}
