//! Variables: what `ARG` and `ENV` define, what substitution sees, what a process is given.
//!
//! One name has one value at a time, and the later definition wins, be it `ARG` or `ENV`. What the
//! image keeps is another matter: its configuration follows `ENV` only.

use ch_container::environment::pass_through;
use ch_oci::Platform;
use indexmap::IndexMap;

/// The argument that says what time the result is to be of.
pub(crate) const SOURCE_DATE_EPOCH: &str = "SOURCE_DATE_EPOCH";

/// The automatic arguments, which a stage sees after `ARG NAME`.
const AUTOMATIC: [&str; 11] = [
    "TARGETPLATFORM",
    "TARGETOS",
    "TARGETARCH",
    "TARGETVARIANT",
    "TARGETOSVERSION",
    "BUILDPLATFORM",
    "BUILDOS",
    "BUILDARCH",
    "BUILDVARIANT",
    "BUILDOSVERSION",
    "TARGETSTAGE",
];

/// Whether `--build-arg` may name it although no `ARG` does.
pub(crate) fn needs_no_declaration(name: &str) -> bool {
    pass_through().any(|known| known == name)
        || name == SOURCE_DATE_EPOCH
        || AUTOMATIC.contains(&name)
        || name.starts_with("BUILDKIT_")
}

/// The automatic arguments and their values, where a machine builds for its own kind.
pub(crate) fn automatic(platform: &Platform, stage: &str) -> Vec<(&'static str, String)> {
    let of_platform = [
        platform.to_string(),
        platform.os.clone(),
        platform.architecture.clone(),
        platform.variant.clone().unwrap_or_default(),
        String::new(),
    ];
    let values = of_platform.iter().chain(&of_platform).cloned();
    AUTOMATIC
        .into_iter()
        .zip(values.chain([stage.to_owned()]))
        .collect()
}

/// One variable.
#[derive(Debug, Clone, Default)]
struct Variable {
    value: Option<String>,
    /// An `ARG` has declared it, so history shows it.
    declared: bool,
}

/// The variables at one point of a stage, in order of first definition.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scope {
    variables: IndexMap<String, Variable>,
}

impl Scope {
    /// The value of `name`, if it is set.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name)?.value.as_deref()
    }

    /// Defines `name` as `ENV` does.
    pub(crate) fn set(&mut self, name: &str, value: String) {
        self.entry(name).value = Some(value);
    }

    /// Declares `name` as `ARG` does. Without a value, an older one stays.
    pub(crate) fn declare(&mut self, name: &str, value: Option<String>) {
        let variable = self.entry(name);
        variable.declared = true;
        if value.is_some() {
            variable.value = value;
        }
    }

    /// Forgets the value of `name`: it is another one that is not known here.
    pub(crate) fn forget(&mut self, name: &str) {
        if let Some(variable) = self.variables.get_mut(name) {
            variable.value = None;
        }
    }

    /// The declared arguments, for the history entry of a `RUN`.
    pub(crate) fn arguments(&self) -> impl Iterator<Item = (&str, &str)> {
        let declared = self.variables.iter().filter(|(_, v)| v.declared);
        declared.map(|(name, v)| (name.as_str(), v.value.as_deref().unwrap_or_default()))
    }

    /// Everything that is set, for the environment of a `RUN`.
    pub(crate) fn set_variables(&self) -> impl Iterator<Item = (&str, &str)> {
        self.variables
            .iter()
            .filter_map(|(name, v)| Some((name.as_str(), v.value.as_deref()?)))
    }

    fn entry(&mut self, name: &str) -> &mut Variable {
        self.variables.entry(name.to_owned()).or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_definition_wins_and_declaration_alone_changes_nothing() {
        let mut scope = Scope::default();
        scope.declare("A", Some("1".to_owned()));
        scope.set("A", "2".to_owned());
        assert_eq!(scope.get("A"), Some("2"));
        scope.declare("A", None);
        assert_eq!(scope.get("A"), Some("2"));
        scope.declare("A", Some("3".to_owned()));
        scope.declare("B", None);
        assert_eq!(scope.get("B"), None);
        assert_eq!(
            scope.arguments().collect::<Vec<_>>(),
            [("A", "3"), ("B", "")]
        );
        assert_eq!(scope.set_variables().collect::<Vec<_>>(), [("A", "3")]);
    }

    /// With linear searches this takes minutes.
    #[test]
    fn two_hundred_thousand_variables_are_set_and_found() {
        let names: Vec<_> = (0..200_000).map(|number| number.to_string()).collect();
        let mut scope = Scope::default();
        for name in &names {
            scope.set(name, String::new());
        }
        assert!(names.iter().all(|name| scope.get(name).is_some()));
    }

    #[test]
    fn some_build_arguments_need_no_declaration() {
        for name in ["HTTP_PROXY", "https_proxy", "BUILDKIT_SYNTAX", "TARGETARCH"] {
            assert!(needs_no_declaration(name), "{name}");
        }
        for name in ["FOO", "Http_Proxy", "HOME"] {
            assert!(!needs_no_declaration(name), "{name}");
        }
    }
}
