//! Environments: what a `RUN` finds, and how `ch-run` changes what it inherited.

mod edit;
mod glob;
mod in_place;
mod run;

pub use edit::{Edit, EnvironmentError, Separator};
pub use glob::Glob;
pub use in_place::InPlaceEnvironment;
pub use run::{DEFAULT_PATH, PROXIES, pass_through};
pub(crate) use run::{ImageFacts, of_run};

use std::ffi::{OsStr, OsString};

use crate::spec::Variables;

/// The value of `name`; the last one counts.
fn value<'a>(variables: &'a Variables, name: &OsStr) -> Option<&'a OsString> {
    variables
        .iter()
        .rev()
        .find(|(known, _)| known == name)
        .map(|(_, value)| value)
}

/// Sets `name`, at the place where it is already.
fn set(variables: &mut Variables, name: OsString, value: OsString) {
    match variables.iter_mut().find(|(known, _)| *known == name) {
        Some((_, old)) => *old = value,
        None => variables.push((name, value)),
    }
}
