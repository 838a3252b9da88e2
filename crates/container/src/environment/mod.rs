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

use std::collections::HashMap;
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

/// Sets each of `more` as [`set`] does, in one pass: an image may have 100,000.
fn set_all(variables: &mut Variables, more: &Variables) {
    let mut places = HashMap::new();
    for (place, (name, _)) in variables.iter().enumerate() {
        places.entry(name.clone()).or_insert(place);
    }
    for (name, value) in more {
        match places.get(name) {
            Some(place) => variables[*place].1.clone_from(value),
            None => {
                places.insert(name.clone(), variables.len());
                variables.push((name.clone(), value.clone()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With linear searches this takes minutes.
    #[test]
    fn two_hundred_thousand_variables_are_set() {
        let more = (0..200_000).map(|number| (number.to_string().into(), OsString::new()));
        let mut variables = vec![("7".into(), "old".into())];
        set_all(&mut variables, &more.collect());
        assert_eq!(variables.len(), 200_000);
        assert_eq!(variables[0], ("7".into(), OsString::new()));
    }
}
