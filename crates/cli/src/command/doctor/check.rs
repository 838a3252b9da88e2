//! One thing that was looked at, and what came of it.

use std::fmt::{self, Display};

use serde::Serialize;

/// How it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) enum Status {
    /// As it should be, or not needed.
    #[serde(rename = "ok")]
    Ok,
    /// Works, but slower or less faithfully than it could.
    #[serde(rename = "slow")]
    Slow,
    /// `build` or `pull` can't work.
    #[serde(rename = "FAIL")]
    Fail,
}

impl Status {
    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Slow => "slow",
            Self::Fail => "FAIL",
        }
    }
}

/// The result of one check.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Check {
    /// Its name, for programs; never changes.
    pub(super) id: &'static str,
    /// How it is.
    pub(super) status: Status,
    /// What was found.
    pub(super) finding: String,
    /// What the user or an administrator can do.
    pub(super) fix: Option<String>,
}

impl Check {
    /// As it should be.
    pub(super) fn ok(id: &'static str, finding: impl Display) -> Self {
        Self::new(id, Status::Ok, finding, None)
    }

    /// Slower or less faithful than it could be.
    pub(super) fn slow(id: &'static str, finding: impl Display, fix: impl Display) -> Self {
        Self::new(id, Status::Slow, finding, Some(fix.to_string()))
    }

    /// Not working; somebody may know what can be done.
    pub(super) fn fail(id: &'static str, finding: impl Display, fix: Option<String>) -> Self {
        Self::new(id, Status::Fail, finding, fix)
    }

    fn new(id: &'static str, status: Status, finding: impl Display, fix: Option<String>) -> Self {
        Self {
            id,
            status,
            finding: ch_linux::without_number(finding.to_string()),
            fix,
        }
    }
}

impl Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let subject = self.id.replace('-', " ");
        writeln!(f, "{:<5} {subject}: {}", self.status.word(), self.finding)?;
        match &self.fix {
            Some(fix) => writeln!(f, "      fix: {}", fix.replace('\n', " ")),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_is_a_line_and_perhaps_a_fix() {
        let check = Check::ok("user-namespaces", "uid 1 is root inside");
        assert_eq!(
            check.to_string(),
            "ok    user namespaces: uid 1 is root inside\n"
        );
        let check = Check::slow("locks", "none", "ask\nsomebody");
        let expected = "slow  locks: none\n      fix: ask somebody\n";
        assert_eq!(check.to_string(), expected);
        let check = Check::fail("overlay", "refused", None);
        assert_eq!(check.to_string(), "FAIL  overlay: refused\n");
    }
}
