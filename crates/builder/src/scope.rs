//! Variables: what `ARG` and `ENV` define, what substitution sees, what a process is given.
//!
//! One name has one value at a time, and the later definition wins, be it `ARG` or `ENV`. What the
//! image keeps is another matter: its configuration follows `ENV` only.

use ch_container::environment::pass_through;
use ch_oci::Platform;

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
#[derive(Debug, Clone)]
struct Variable {
    name: String,
    value: Option<String>,
    /// An `ARG` has declared it, so history shows it.
    declared: bool,
}

/// The variables at one point of a stage, in order of first definition.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scope {
    variables: Vec<Variable>,
}

impl Scope {
    /// The value of `name`, if it is set.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.variables
            .iter()
            .find(|v| v.name == name)?
            .value
            .as_deref()
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

    /// The declared arguments, for the history entry of a `RUN`.
    pub(crate) fn arguments(&self) -> impl Iterator<Item = (&str, &str)> {
        let declared = self.variables.iter().filter(|v| v.declared);
        declared.map(|v| (v.name.as_str(), v.value.as_deref().unwrap_or_default()))
    }

    /// Everything that is set, for the environment of a `RUN`.
    pub(crate) fn set_variables(&self) -> impl Iterator<Item = (&str, &str)> {
        self.variables
            .iter()
            .filter_map(|v| Some((v.name.as_str(), v.value.as_deref()?)))
    }

    fn entry(&mut self, name: &str) -> &mut Variable {
        let at = self
            .variables
            .iter()
            .position(|v| v.name == name)
            .unwrap_or_else(|| {
                let name = name.to_owned();
                self.variables.push(Variable {
                    name,
                    value: None,
                    declared: false,
                });
                self.variables.len() - 1
            });
        &mut self.variables[at]
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
