//! Operands of `delete`: a name, or a pattern over the file forms of names, as Python's `fnmatch` has it.

use ch_oci::Reference;

use super::name::record_name;

/// What a name must look like.
#[derive(Debug)]
pub(super) struct Pattern {
    /// The file whose image is meant, where there is no wildcard.
    record: Option<String>,
    glob: Vec<char>,
}

impl Pattern {
    pub(super) fn new(text: &str) -> Self {
        let has_wildcard = text.contains(['*', '?', '[']);
        let reference = (!has_wildcard)
            .then(|| Reference::parse(text).ok())
            .flatten();
        let form = text.replace('/', "%").replace(':', "+");
        Self {
            record: reference.as_ref().map(record_name),
            glob: form.chars().collect(),
        }
    }

    pub(super) fn matches(&self, name: &Reference) -> bool {
        self.matches_either(&record_name(name), &name.file_form())
    }

    /// Whether the record with this name, of which no more is known, would match.
    pub(super) fn matches_record(&self, record: &str) -> bool {
        self.matches_either(record, record)
    }

    fn matches_either(&self, record: &str, form: &str) -> bool {
        let chars: Vec<char> = form.chars().collect();
        let itself = match &self.record {
            Some(wanted) => wanted == record,
            None => matches(&self.glob, &chars),
        };
        itself || owners_of_stage(form).any(|owner| matches(&self.glob, &owner))
    }
}

/// Every name that `form` can be a stage of: what stands before `_stage` and a digit.
///
/// The suffix is no part of the glob: a bracket that the user never closed would end in the one of `[0-9]`.
fn owners_of_stage(form: &str) -> impl Iterator<Item = Vec<char>> {
    const SUFFIX: &str = "_stage";
    let places = form.match_indices(SUFFIX);
    places
        .filter(|(at, _)| form[at + SUFFIX.len()..].starts_with(|it: char| it.is_ascii_digit()))
        .map(|(at, _)| form[..at].chars().collect())
}

/// `*`, `?`, `[abc]`, `[!a-z]`; a bracket that is never closed stands for itself. No recursion: a star is the only
/// thing to come back to, and only the last one.
fn matches(glob: &[char], name: &[char]) -> bool {
    let (mut at, mut from) = (0, 0);
    let mut last_star: Option<(usize, usize)> = None;
    while from < name.len() {
        if glob.get(at) == Some(&'*') {
            last_star = Some((at + 1, from));
            at += 1;
            continue;
        }
        match one(&glob[at..], name[from]) {
            Some(used) => {
                at += used;
                from += 1;
            }
            None => match last_star {
                Some((after, start)) => {
                    last_star = Some((after, start + 1));
                    (at, from) = (after, start + 1);
                }
                None => return false,
            },
        }
    }
    glob[at..].iter().all(|rest| *rest == '*')
}

/// How much of `glob` matches the one character `wanted`, if it does.
fn one(glob: &[char], wanted: char) -> Option<usize> {
    match glob.first()? {
        '?' => Some(1),
        '[' => match bracket(glob) {
            Some((set, length)) => contains(set, wanted).then_some(length),
            None => (wanted == '[').then_some(1),
        },
        literal => (*literal == wanted).then_some(1),
    }
}

/// What is between the brackets, and how long they are with it. A `]` right after the opening belongs to the set.
fn bracket(glob: &[char]) -> Option<(&[char], usize)> {
    let first = if glob.get(1) == Some(&'!') { 3 } else { 2 };
    let close = (first..glob.len()).find(|position| glob[*position] == ']')?;
    Some((&glob[1..close], close + 1))
}

fn contains(set: &[char], wanted: char) -> bool {
    let (negated, mut rest) = match set.split_first() {
        Some(('!', rest)) => (true, rest),
        _ => (false, set),
    };
    let mut found = false;
    while let Some(first) = rest.first() {
        if let [low, '-', high, ..] = rest {
            found |= (*low..=*high).contains(&wanted);
            rest = &rest[3..];
        } else {
            found |= *first == wanted;
            rest = &rest[1..];
        }
    }
    found != negated
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matched(pattern: &str, name: &str) -> bool {
        Pattern::new(pattern).matches(&Reference::parse(name).unwrap())
    }

    #[test]
    fn wildcards_are_those_of_fnmatch() {
        for (pattern, name, expected) in [
            ("*", "example.com/a/b:1", true),
            ("deb*", "debian:12", true),
            ("deb*1?", "debian:12", true),
            ("*bian", "debian:12", false),
            ("[ab]x", "bx", true),
            ("[!ab]x", "bx", false),
            ("[a-c]x", "bx", true),
            ("example.com/*:1", "example.com/a/b:1", true),
            ("example.com%*", "example.com/a/b:1", true),
            ("a*b*c", "aXXbYYbZZc".to_lowercase().as_str(), true),
            ("?", "ab", false),
        ] {
            assert_eq!(matched(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn bracket_that_is_never_closed_is_a_character() {
        let chars = |text: &str| text.chars().collect::<Vec<_>>();
        assert!(matches(&chars("a[x"), &chars("a[x")));
        assert!(!matches(&chars("a[x"), &chars("ax")));
        assert!(matches(&chars("a[]x]"), &chars("a]")));
    }

    #[test]
    fn plain_names_mean_what_they_mean_everywhere() {
        assert!(matched("foo:latest", "foo"), "V-cmd-43");
        assert!(matched("docker.io/library/debian:12", "debian:12"));
        assert!(!matched("foo", "foo:1"));
        assert!(!matched("foo", "foobar"));
    }

    #[test]
    fn records_are_found_by_their_file_alone() {
        for (pattern, record, expected) in [
            ("debian:latest", "debian", true),
            ("ex.com/torn:1", "ex.com%torn+1", true),
            ("ex.com/*", "ex.com%torn+1", true),
            ("torn", "ex.com%torn+1", false),
            ("foo", "foo_stage0", true),
        ] {
            let found = Pattern::new(pattern).matches_record(record);
            assert_eq!(found, expected, "{pattern} {record}");
        }
    }

    #[test]
    fn bracket_that_is_never_closed_leaves_stages_alone() {
        for name in ["x_stage1", "x", "xs", "xa", "x0", "x9", "x[_stage0"] {
            for pattern in ["x[", "[", "x[!", "*[", "x[_stage"] {
                let found = Pattern::new(pattern).matches_record(name);
                let expected = name == "x[_stage0" && matches!(pattern, "x[" | "*[");
                assert_eq!(found, expected, "{pattern} {name}");
            }
        }
        assert!(Pattern::new("[fg]oo").matches_record("foo_stage1"));
        assert!(Pattern::new("foo_stage*").matches_record("foo_stage1_stage0"));
        assert!(Pattern::new("foo_stage1").matches_record("foo_stage1_stage0"));
    }

    #[test]
    fn stages_of_a_build_belong_to_it() {
        assert!(matched("foo", "foo_stage0"));
        assert!(matched("foo", "foo_stage12"));
        assert!(matched("fo?", "foo_stage1"));
        assert!(!matched("foo", "foo_stage"));
        assert!(!matched("foo", "foo_stagex"));
    }
}
