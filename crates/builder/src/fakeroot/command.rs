//! `--force-cmd`: arguments put behind a command's name wherever a `RUN` calls it.
//!
//! With the `seccomp` mode, apt's attempt to become the user `_apt` seems to work and then does
//! not; so apt is told to stay root. The change is made to what is executed only: what is printed,
//! and what the history says, is the author's text.

use std::str::FromStr;

/// A command, and the arguments that are put behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForceCommand {
    name: String,
    arguments: Vec<String>,
}

/// A `--force-cmd` that can't be understood.
#[derive(Debug, thiserror::Error)]
#[error("--force-cmd: must be CMD,ARG1[,ARG2...]: {0}")]
pub struct ForceCommandError(String);

impl ForceCommand {
    /// What is done when the user gave none: apt stays root while it downloads.
    pub fn defaults() -> Vec<Self> {
        ["apt-get", "apt"]
            .map(|name| Self {
                name: name.to_owned(),
                arguments: vec!["-o".to_owned(), "APT::Sandbox::User=root".to_owned()],
            })
            .to_vec()
    }

    /// The form that enters a cache key.
    pub(crate) fn canonical(&self) -> String {
        std::iter::once(&self.name)
            .chain(&self.arguments)
            .map(|part| part.replace('\\', "\\\\").replace(',', "\\,"))
            .collect::<Vec<_>>()
            .join(",")
    }
}

impl FromStr for ForceCommand {
    type Err = ForceCommandError;

    /// Reads `CMD,ARG1[,ARG2...]`; `\,` is a comma of an argument.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = vec![String::new()];
        let mut characters = text.chars();
        while let Some(c) = characters.next() {
            let last = parts.last_mut().expect("there is a first part");
            match c {
                '\\' => last.extend(characters.next()),
                ',' => parts.push(String::new()),
                c => last.push(c),
            }
        }
        let mut parts = parts.into_iter();
        let name = parts.next().unwrap_or_default();
        let arguments: Vec<String> = parts.collect();
        if name.is_empty() || arguments.is_empty() {
            return Err(ForceCommandError(text.to_owned()));
        }
        Ok(Self { name, arguments })
    }
}

/// The argument vector to execute instead of `argv`, if a rule applies.
///
/// `shell_text` says that the last element is text for a shell.
pub(crate) fn inject(
    rules: &[ForceCommand],
    argv: &[String],
    shell_text: bool,
) -> Option<Vec<String>> {
    let mut changed = argv.to_vec();
    if shell_text {
        let text = changed.last_mut()?;
        *text = inject_shell(rules, text)?;
    } else {
        let rule = rules.iter().find(|rule| Some(&rule.name) == argv.first())?;
        changed.splice(1..1, rule.arguments.iter().cloned());
    }
    Some(changed)
}

/// Words behind which a shell expects a command.
const BEFORE_COMMAND: [&str; 12] = [
    "then", "do", "else", "elif", "if", "while", "until", "{", "!", "sudo", "exec", "time",
];

/// Puts the arguments into shell text, behind each unquoted name in the place of a command.
fn inject_shell(rules: &[ForceCommand], text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len() + 64);
    let mut changed = false;
    let mut command_expected = true;
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if matches!(c, ' ' | '\t') {
            out.push(c);
            rest = &rest[1..];
        } else if matches!(c, '\n' | ';' | '&' | '|' | '(' | ')') {
            out.push(c);
            rest = &rest[1..];
            command_expected = true;
        } else if c == '#' {
            let end = rest.find('\n').unwrap_or(rest.len());
            out.push_str(&rest[..end]);
            rest = &rest[end..];
        } else {
            let (word, after) = rest.split_at(word_length(rest));
            out.push_str(word);
            rest = after;
            if command_expected
                && rest.starts_with([' ', '\t'])
                && let Some(rule) = rules.iter().find(|rule| rule.name == word)
            {
                changed = true;
                for argument in &rule.arguments {
                    out.push(' ');
                    out.push_str(&quoted(argument));
                }
            }
            command_expected &= BEFORE_COMMAND.contains(&word) || is_assignment(word);
        }
    }
    changed.then_some(out)
}

/// Bytes of the shell word at the start of `text`, with its quoted parts.
fn word_length(text: &str) -> usize {
    let mut quote = None;
    let mut characters = text.char_indices();
    while let Some((at, c)) = characters.next() {
        match (quote, c) {
            (None | Some('"'), '\\') => {
                characters.next();
            }
            (None, '\'' | '"' | '`') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            (None, ' ' | '\t' | '\n' | ';' | '&' | '|' | '(' | ')') => return at,
            _ => {}
        }
    }
    text.len()
}

/// Whether `word` is `NAME=value` in front of a command.
fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| {
        name.starts_with(|c: char| c == '_' || c.is_ascii_alphabetic())
            && name.chars().all(|c| c == '_' || c.is_ascii_alphanumeric())
    })
}

/// `argument` as one word of a shell.
fn quoted(argument: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=:/.,+@%".contains(c);
    if !argument.is_empty() && argument.chars().all(plain) {
        return argument.to_owned();
    }
    format!("'{}'", argument.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_rules_reach_every_place_of_a_command() {
        let apt = "apt-get -o APT::Sandbox::User=root";
        let table: &[(&str, Option<String>)] = &[
            ("apt-get update", Some(format!("{apt} update"))),
            (
                "a && apt-get -y install x;apt-get clean ",
                Some(format!("a && {apt} -y install x;{apt} clean ")),
            ),
            (
                "if x; then apt-get y; fi",
                Some(format!("if x; then {apt} y; fi")),
            ),
            (
                "(apt-get y)|{ apt-get z; }",
                Some(format!("({apt} y)|{{ {apt} z; }}")),
            ),
            ("x\napt-get y", Some(format!("x\n{apt} y"))),
            (
                "DEBIAN_FRONTEND=noninteractive apt-get y",
                Some(format!("DEBIAN_FRONTEND=noninteractive {apt} y")),
            ),
            (
                "A='x y' sudo apt-get y",
                Some(format!("A='x y' sudo {apt} y")),
            ),
            ("x $(apt-get y)", Some(format!("x $({apt} y)"))),
            ("apt y", Some("apt -o APT::Sandbox::User=root y".to_owned())),
            ("echo apt-get y", None),
            ("'apt-get' y; \"; apt-get y\"; echo \\; apt-get y", None),
            ("apt-getx y; apt-get", None),
            ("# apt-get y", None),
        ];
        for (text, want) in table {
            assert_eq!(
                inject_shell(&ForceCommand::defaults(), text),
                *want,
                "{text}"
            );
        }
    }

    #[test]
    fn exec_form_is_changed_behind_its_first_element() {
        let argv = ["apt-get", "update"].map(str::to_owned);
        let changed = inject(&ForceCommand::defaults(), &argv, false).unwrap();
        assert_eq!(
            changed,
            ["apt-get", "-o", "APT::Sandbox::User=root", "update"]
        );
        let argv = ["echo", "apt-get update"].map(str::to_owned);
        assert_eq!(inject(&ForceCommand::defaults(), &argv, false), None);
    }

    #[test]
    fn option_text_is_read_with_escaped_commas() {
        let rule: ForceCommand = r"mycmd,--a\,b,it's".parse().unwrap();
        assert_eq!(rule.arguments, ["--a,b", "it's"]);
        assert_eq!(rule.canonical(), r"mycmd,--a\,b,it's");
        assert_eq!(
            inject_shell(&[rule], "mycmd x").unwrap(),
            r"mycmd --a,b 'it'\''s' x"
        );
        assert!("mycmd".parse::<ForceCommand>().is_err());
        assert!(",x".parse::<ForceCommand>().is_err());
    }
}
