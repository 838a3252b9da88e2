//! The mode of `--chmod`: octal, or changes to the mode of the original as chmod(1) takes them.

/// Why a text is no mode.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModeError {
    /// It begins as a number.
    #[error("invalid chmod parameter: '{0}'. it should be octal string and between 0 and 07777")]
    Octal(String),
    /// It is neither a number nor changes.
    #[error("invalid chmod parameter: '{0}'")]
    Symbolic(String),
}

/// A mode, or how to come to one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Mode {
    /// The same for everything.
    Octal(u32),
    /// Changes to what there is, in order.
    Symbolic(Vec<Change>),
}

/// One operator with what it applies to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Change {
    /// Bits that may be changed.
    who: u32,
    operator: Operator,
    permissions: Permissions,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Add,
    Remove,
    Set,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Permissions {
    /// These bits for everyone; with `search`, also those of execution, for directories and what can be executed
    /// already.
    Bits { bits: u32, search: bool },
    /// Those that a class, so many bits from the right, has got.
    Of(u32),
}

const ALL: u32 = 0o777;
const EXECUTE: u32 = 0o111;
const STICKY: u32 = 0o1000;
const SET_ID: u32 = 0o6000;

impl Mode {
    /// Reads the value of `--chmod`.
    pub(crate) fn parse(text: &str) -> Result<Self, ModeError> {
        if text.starts_with(|first: char| first.is_ascii_digit()) {
            let mode = u32::from_str_radix(text, 8).ok();
            return match mode.filter(|mode| *mode <= 0o7777) {
                Some(mode) => Ok(Self::Octal(mode)),
                None => Err(ModeError::Octal(text.to_owned())),
            };
        }
        let mut changes = Vec::new();
        for clause in text.split(',') {
            parse_clause(clause, &mut changes)
                .ok_or_else(|| ModeError::Symbolic(text.to_owned()))?;
        }
        Ok(Self::Symbolic(changes))
    }

    /// What becomes of the mode of an original.
    pub(crate) fn apply(&self, original: u32, is_directory: bool) -> u32 {
        match self {
            Self::Octal(mode) => *mode,
            Self::Symbolic(changes) => {
                let executes = is_directory || original & EXECUTE != 0;
                let change = |mode, change: &Change| change.apply(mode, executes);
                changes.iter().fold(original, change)
            }
        }
    }

    /// The mode of what has no original, where this tells.
    pub(crate) fn absolute(&self) -> Option<u32> {
        match self {
            Self::Octal(mode) => Some(*mode),
            Self::Symbolic(_) => None,
        }
    }
}

/// `[ugoa]*([+-=]([rwxXst]*|[ugo]))+`
fn parse_clause(clause: &str, changes: &mut Vec<Change>) -> Option<()> {
    let operators = ['+', '-', '='];
    let (classes, mut rest) = clause.split_at(clause.find(operators)?);
    let mut who = 0;
    for class in classes.chars() {
        who |= match class {
            'u' => 0o4700,
            'g' => 0o2070,
            'o' => 0o0007,
            'a' => SET_ID | ALL,
            _ => return None,
        };
    }
    // Nobody named is everybody: there is no umask.
    let everybody = classes.is_empty();
    if everybody {
        who = SET_ID | ALL;
    }
    while let Some(operator) = rest.chars().next() {
        let after = &rest[1..];
        let end = after.find(operators).unwrap_or(after.len());
        let (letters, next) = after.split_at(end);
        let permissions = parse_permissions(letters)?;
        // Set-ID and sticky bits are nothing that others have.
        let sticky = match permissions {
            Permissions::Bits { bits, .. } if who != 0o007 => bits & STICKY,
            _ => 0,
        };
        changes.push(Change {
            who: who | sticky,
            operator: match operator {
                '+' => Operator::Add,
                '-' => Operator::Remove,
                _ => Operator::Set,
            },
            permissions,
        });
        rest = next;
    }
    Some(())
}

fn parse_permissions(letters: &str) -> Option<Permissions> {
    match letters {
        "u" => return Some(Permissions::Of(6)),
        "g" => return Some(Permissions::Of(3)),
        "o" => return Some(Permissions::Of(0)),
        _ => {}
    }
    let (mut bits, mut search) = (0, false);
    for letter in letters.chars() {
        match letter {
            'r' => bits |= 0o444,
            'w' => bits |= 0o222,
            'x' => bits |= EXECUTE,
            'X' => search = true,
            's' => bits |= SET_ID,
            't' => bits |= STICKY,
            _ => return None,
        }
    }
    Some(Permissions::Bits { bits, search })
}

impl Change {
    fn apply(&self, mode: u32, executes: bool) -> u32 {
        let (bits, affected) = match self.permissions {
            Permissions::Bits { bits, search } => {
                let search = if search && executes { EXECUTE } else { 0 };
                (bits | search, self.who)
            }
            // Copying leaves set-ID bits alone.
            Permissions::Of(shift) => ((mode >> shift & 0o7) * 0o111, self.who & ALL),
        };
        match self.operator {
            Operator::Add => mode | bits & affected,
            Operator::Remove => mode & !(bits & affected),
            Operator::Set => mode & !affected | bits & affected,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_become_what_chmod_makes_of_them() {
        let table = [
            ("644", 0o4755, 0o644),
            ("07777", 0, 0o7777),
            ("0", 0o777, 0),
            ("+x", 0o600, 0o711),
            ("u=rwX,go=rX", 0o600, 0o644),
            ("u=rwX,go=rX", 0o700, 0o755),
            ("g=u", 0o640, 0o660),
            ("g=u", 0o2740, 0o2770),
            ("a-w", 0o666, 0o444),
            ("u+s", 0o755, 0o4755),
            ("g+s", 0o755, 0o2755),
            ("+s", 0o755, 0o6755),
            ("o+s", 0o755, 0o755),
            ("+t", 0o777, 0o1777),
            ("o+t", 0o777, 0o777),
            ("u=", 0o4777, 0o077),
            ("=", 0o7777, 0o1000),
            ("a=rx", 0o6644, 0o555),
            ("go=u-w", 0o700, 0o755),
            ("u=g,g+w", 0o450, 0o570),
            ("ug+rw,o-rwx", 0o107, 0o760),
            ("-X", 0o711, 0o600),
            ("-x,+X", 0o711, 0o711),
            ("u+r-w", 0o200, 0o400),
            ("u+", 0o640, 0o640),
            ("=rw,+X", 0o755, 0o777),
        ];
        for (text, original, want) in table {
            let got = Mode::parse(text).unwrap().apply(original, false);
            assert_eq!(got, want, "{text} on {original:o}: {got:o}, not {want:o}");
        }
        let directory = |text| Mode::parse(text).unwrap().apply(0o600, true);
        assert_eq!(directory("u=rwX,go=rX"), 0o755);
        assert_eq!(directory("+X"), 0o711);
    }

    #[test]
    fn what_is_no_mode_is_refused() {
        for text in ["999", "010000", "8", "0o755", "7 5", "6u", "99999999999999"] {
            let message = Mode::parse(text).unwrap_err().to_string();
            let want = format!(
                "invalid chmod parameter: '{text}'. it should be octal string and between 0 and 07777"
            );
            assert_eq!(message, want);
        }
        for text in [
            "a+q", "", ",", "u", "u+x,", "x+r", "u=gx", "+é", "u*x", "-1", "u +x",
        ] {
            let message = Mode::parse(text).unwrap_err().to_string();
            assert_eq!(message, format!("invalid chmod parameter: '{text}'"));
        }
    }
}
