//! What users of other programs write, and what they mean by it.

use ch_dockerfile::suggestion;

use super::table::{Id, OPTIONS};
use super::{Change, Options};

/// Of a terminal nothing has to be asked for.
const TERMINAL: &str = "standard input and the terminal are the command's anyway: leave it out";

/// Long options of others.
const LONG: &[(&str, &str)] = &[
    ("detach", "use the shell: ch-run ... &"),
    ("env", "use --set-env=NAME=VALUE"),
    ("env-file", "use --set-env=FILE"),
    ("interactive", TERMINAL),
    ("publish", "the network is the host's: leave it out"),
    (
        "read-only",
        "images are read-only without --write: leave it out",
    ),
    (
        "rm",
        "nothing is left over that could be removed: leave it out",
    ),
    ("tty", TERMINAL),
    ("volume", "use --bind=SRC[:DST]"),
    ("workdir", "use --cd=DIR"),
];

/// Letters of others.
const SHORT: &[(char, &str)] = &[
    ('d', "use the shell: ch-run ... &"),
    ('e', "use --set-env=NAME=VALUE"),
    ('h', "use -? or --help"),
    ('i', TERMINAL),
    ('p', "the network is the host's: leave it out"),
];

/// What to write instead of the unknown option `--name`.
pub(super) fn instead_of_long(name: &str) -> Option<String> {
    let known = LONG.iter().find(|(long, _)| *long == name);
    known.map(|(_, hint)| (*hint).to_owned()).or_else(|| {
        let options = OPTIONS.iter().filter(|option| option.id != Id::Later);
        let near = suggestion(name, options.map(|option| option.long))?;
        Some(format!("did you mean --{near}?"))
    })
}

/// What to write instead of the unknown option `-letter`.
pub(super) fn instead_of_short(letter: char) -> Option<&'static str> {
    let known = SHORT.iter().find(|(short, _)| *short == letter);
    known.map(|(_, hint)| *hint)
}

impl Options {
    /// What to write if the image's name is the value of an option that was written as elsewhere.
    pub(in crate::run) fn misplaced_value(&self) -> Option<String> {
        let text = self.image.to_str()?;
        let lacks_value = |change: &Change| match change {
            Change::Set(None) => Some("--set-env"),
            Change::SetNul(None) => Some("--set-env0"),
            _ => None,
        };
        let option = self.changes.iter().find_map(lacks_value);
        if let Some(option) = option.filter(|_| text.contains('=')) {
            return Some(format!("the value must be joined: {option}={text}"));
        }
        let is_bind = self.verbose > 0 && text.contains(":/");
        is_bind.then(|| format!("-v means --verbose; use --bind={text}"))
    }
}
