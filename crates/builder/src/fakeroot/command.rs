//! `--force-cmd`: arguments put behind a command's name wherever a `RUN` calls it.
//!
//! With the `seccomp` mode, apt's attempt to become the user `_apt` seems to work and then does
//! not; so apt is told to stay root. The change is made to what is executed only: what is printed,
//! and what the history says, is the author's text.

use std::str::FromStr;

use super::here_document::HereDocument;

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
    let mut injector = Injector {
        rules,
        out: String::with_capacity(text.len() + 64),
        changed: false,
        command_expected: true,
        command: Vec::new(),
        of_command: Vec::new(),
        awaited: Vec::new(),
    };
    injector.text(text);
    injector.changed.then_some(injector.out)
}

/// Shell text on its way from the author to the shell.
struct Injector<'r, 't> {
    rules: &'r [ForceCommand],
    out: String,
    changed: bool,
    command_expected: bool,
    /// The words of the current command so far.
    command: Vec<&'t str>,
    /// Here-documents of the current command.
    of_command: Vec<HereDocument>,
    /// Those of earlier commands of the line; their bodies follow the line.
    awaited: Vec<(HereDocument, bool)>,
}

impl<'t> Injector<'_, 't> {
    fn text(&mut self, text: &'t str) {
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            let length = match c {
                ' ' | '\t' => 1,
                '\n' | ';' | '&' | '|' | '(' | ')' => {
                    self.end_command();
                    1
                }
                '#' => rest.find('\n').unwrap_or(rest.len()),
                '<' if rest.starts_with("<<<") => 3,
                _ => match HereDocument::parse(rest) {
                    Some((document, length)) => {
                        self.of_command.push(document);
                        length
                    }
                    None => word_length(rest),
                },
            };
            let (part, after) = rest.split_at(length);
            self.out.push_str(part);
            rest = after;
            if c == '\n' {
                rest = self.bodies(rest);
            } else if !matches!(c, ' ' | '\t' | ';' | '&' | '|' | '(' | ')' | '#' | '<') {
                self.word(part, after);
            }
        }
    }

    fn word(&mut self, word: &'t str, after: &str) {
        if self.command_expected
            && after.starts_with([' ', '\t'])
            && let Some(rule) = self.rules.iter().find(|rule| rule.name == word)
        {
            self.changed = true;
            for argument in &rule.arguments {
                self.out.push(' ');
                self.out.push_str(&quoted(argument));
            }
        }
        self.command_expected &= BEFORE_COMMAND.contains(&word) || is_assignment(word);
        if !self.command_expected {
            self.command.push(word);
        }
    }

    fn end_command(&mut self) {
        let is_script = reads_script(&self.command);
        let documents = self.of_command.drain(..);
        self.awaited
            .extend(documents.map(|document| (document, is_script)));
        self.command.clear();
        self.command_expected = true;
    }

    /// Takes the bodies that stand at the start of `text`. They are the author's data, unless a
    /// shell gets them as its script.
    fn bodies(&mut self, text: &'t str) -> &'t str {
        let mut rest = text;
        for (document, is_script) in std::mem::take(&mut self.awaited) {
            // Without an end it is no here-document, but a shift in an arithmetic expression.
            let Some((body, after)) = document.split(rest) else {
                continue;
            };
            let script = is_script.then(|| inject_shell(self.rules, body)).flatten();
            self.changed |= script.is_some();
            self.out.push_str(script.as_deref().unwrap_or(body));
            rest = after;
        }
        rest
    }
}

/// Whether `command` is a shell that reads its script from standard input.
fn reads_script(command: &[&str]) -> bool {
    let Some((program, arguments)) = command.split_first() else {
        return false;
    };
    let name = program.rsplit('/').next().unwrap_or_default();
    let is_option = |word: &&str| word.starts_with('-') && !word.contains('c');
    ["sh", "bash", "dash", "ash", "ksh", "zsh"].contains(&name) && arguments.iter().all(is_option)
}

/// Bytes of the shell word at the start of `text`, with its quoted parts; at least one.
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
            (None, '<') if at > 0 && text[at..].starts_with("<<") => return at,
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
    fn here_documents_are_the_authors_unless_a_shell_gets_them() {
        let apt = "apt-get -o APT::Sandbox::User=root";
        let unchanged = [
            "cat > /s <<'EOS' && cat /s\napt-get y\nEOS\n",
            "cat <<EOS\n; apt-get y\nEOS",
            "cat<<\"E S\"|x\napt-get y\nE S\n",
            "cat << \\EOS\napt-get y\nEOS\n",
            "cat <<-EOS\n\tapt-get y\n\tEOS\n",
            "cat <<A; cat <<B\napt-get y\nA\napt-get z\nB\n",
            "bash -c 'cat' <<A\napt-get y\nA\n",
            "sh script <<A\napt-get y\nA\n",
        ];
        let table = [
            ("cat <<A\napt-get y\nA\nA y", "cat <<A\napt-get y\nA\nA y"),
            ("cat <<A\nA\napt-get y", "cat <<A\nA\n@ y"),
            (
                "cat <<A && apt-get y\napt-get z\nA\n",
                "cat <<A && @ y\napt-get z\nA\n",
            ),
            ("x <<<EOS\napt-get y\nEOS\n", "x <<<EOS\n@ y\nEOS\n"),
            ("x $((1<<2))\napt-get y", "x $((1<<2))\n@ y"),
            ("x '<<A'\napt-get y\nA\n", "x '<<A'\n@ y\nA\n"),
            ("bash -e <<A\napt-get y\nA\n", "bash -e <<A\n@ y\nA\n"),
            ("<<A bash\napt-get y\nA\n", "<<A bash\n@ y\nA\n"),
        ];
        let rows = unchanged.map(|text| (text, text)).into_iter().chain(table);
        for (text, want) in rows {
            let got = inject_shell(&ForceCommand::defaults(), text);
            let got = got.unwrap_or_else(|| text.to_owned());
            assert_eq!(got, want.replace('@', apt), "{text}");
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
