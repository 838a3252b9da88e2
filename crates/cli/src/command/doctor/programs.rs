//! Programs of the machine that are used where they are there. None is needed.

use super::check::Check;
use crate::environment::Environment;

/// What each is for.
const PROGRAMS: &[(&str, &str)] = &[
    ("dot", "draws the build cache"),
    ("git", "fetches contexts"),
];

/// One line for all of them.
pub(super) fn checks(environment: &Environment) -> Vec<Check> {
    let shown = PROGRAMS.iter().map(|(name, purpose)| {
        let state = match environment.program(name) {
            Some(path) => path.display().to_string(),
            None => "not found".to_owned(),
        };
        format!("{name} ({purpose}): {state}")
    });
    let shown: Vec<_> = shown.collect();
    vec![Check::ok("optional-programs", shown.join("; "))]
}
