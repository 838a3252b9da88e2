//! Image config: what a container of the image runs, where its layers come from, who made it.
//!
//! Members known here are typed; all others (`Healthcheck`, `container_config`, what tools add) are kept
//! in `rest` and written again. An image that is only passed on is passed on as the bytes that came;
//! this type is for images that are changed.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Digest, DocumentError, OrderedMap, Platform, json};

/// The config document of an image.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ImageConfig {
    /// When the image was made, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// Who made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// Instruction set, in registry spelling; absent in images that do not know it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub architecture: Option<String>,
    /// Variant of the instruction set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// Operating system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub os: Option<String>,
    /// What a container of the image does.
    #[serde(default, deserialize_with = "null_as_default")]
    pub config: Execution,
    /// The layers.
    #[serde(default, deserialize_with = "null_as_default")]
    pub rootfs: RootFs,
    /// How the image came to be, one entry per instruction.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub history: Vec<History>,
    /// Members not known here, as they were.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

impl ImageConfig {
    /// An image without layers for `platform`.
    pub fn new(platform: &Platform) -> Self {
        Self {
            architecture: Some(platform.architecture.clone()),
            variant: platform.variant.clone(),
            os: Some(platform.os.clone()),
            ..Self::default()
        }
    }

    /// Reads a config as it came from a registry or archive.
    pub fn parse(bytes: &[u8]) -> Result<Self, DocumentError> {
        let config: Self = json::typed("config", json::tree("config", bytes)?, &[])?;
        match config.config.member_with_nul() {
            Some(key) => Err(DocumentError::Nul {
                what: "config",
                key,
            }),
            None => Ok(config),
        }
    }

    /// The document; digests of new images are over these bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("strings, numbers and maps with string keys serialise")
    }

    /// The platform the config names; `None` if it is unaware of it.
    pub fn platform(&self) -> Option<Platform> {
        let architecture = self
            .architecture
            .as_deref()
            .filter(|text| !text.is_empty())?;
        let os = self
            .os
            .as_deref()
            .filter(|text| !text.is_empty())
            .unwrap_or("linux");
        let variant = self.variant.as_deref().filter(|text| !text.is_empty());
        Some(Platform::new(os, architecture, variant))
    }
}

/// Defaults for a container: the part of the config that instructions of a build change.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Execution {
    /// User and group to run as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Ports that the image means to serve, as `80/tcp`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exposed_ports: Option<OrderedMap<Map<String, Value>>>,
    /// Environment, as `NAME=value`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env: Option<Vec<String>>,
    /// First words of the command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<Vec<String>>,
    /// Rest of the command, which a user replaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cmd: Option<Vec<String>>,
    /// Directories that are volumes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volumes: Option<OrderedMap<Map<String, Value>>>,
    /// Directory to run in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub working_dir: Option<String>,
    /// Free text for people and tools.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<OrderedMap<String>>,
    /// Signal that stops a container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_signal: Option<String>,
    /// Instructions for builds on top of the image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_build: Option<Vec<String>>,
    /// Shell for the shell form of instructions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shell: Option<Vec<String>>,
    /// Members not known here, as they were.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

impl Execution {
    /// A member that a process is given, if there is a NUL in it, which ends it for the kernel.
    fn member_with_nul(&self) -> Option<&'static str> {
        let lists = [
            ("config/Env", &self.env),
            ("config/Entrypoint", &self.entrypoint),
            ("config/Cmd", &self.cmd),
            ("config/Shell", &self.shell),
        ];
        let texts = [
            ("config/User", &self.user),
            ("config/WorkingDir", &self.working_dir),
        ];
        let has_nul = |text: &String| text.contains('\0');
        let lists = lists
            .into_iter()
            .filter(|(_, list)| list.iter().flatten().any(has_nul))
            .map(|(key, _)| key);
        let texts = texts
            .into_iter()
            .filter(|(_, text)| text.as_ref().is_some_and(has_nul))
            .map(|(key, _)| key);
        lists.chain(texts).next()
    }

    /// Value of the variable `name`; of several, the last.
    pub fn variable(&self, name: &str) -> Option<&str> {
        let entries = self.env.as_deref().unwrap_or_default();
        entries.iter().rev().find_map(|entry| value_of(entry, name))
    }

    /// Sets the variable `name`: in its old place if it had one, else at the end.
    pub fn set_variable(&mut self, name: &str, value: &str) {
        self.set_variables([(name, value)]);
    }

    /// Sets variables one after the other, as [`set_variable`](Self::set_variable) does. One pass, since both
    /// the image and the instruction may have 100,000.
    pub fn set_variables<'v>(&mut self, variables: impl IntoIterator<Item = (&'v str, &'v str)>) {
        let entries = self.env.get_or_insert_default();
        let mut places = HashMap::new();
        for (place, entry) in entries.iter().enumerate() {
            if let Some((name, _)) = entry.split_once('=') {
                places.entry(name.to_owned()).or_insert(place);
            }
        }
        for (name, value) in variables {
            let entry = format!("{name}={value}");
            match places.get(name) {
                Some(place) => entries[*place] = entry,
                None => {
                    places.insert(name.to_owned(), entries.len());
                    entries.push(entry);
                }
            }
        }
    }
}

fn value_of<'e>(entry: &'e str, name: &str) -> Option<&'e str> {
    entry.strip_prefix(name)?.strip_prefix('=')
}

/// The layers of an image, by the digests of their uncompressed archives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootFs {
    /// Always `layers`.
    #[serde(rename = "type", default = "layers")]
    pub kind: String,
    /// Digests of the uncompressed archives, lowest layer first.
    #[serde(default, deserialize_with = "null_as_default")]
    pub diff_ids: Vec<Digest>,
}

impl Default for RootFs {
    fn default() -> Self {
        Self {
            kind: layers(),
            diff_ids: Vec::new(),
        }
    }
}

fn layers() -> String {
    "layers".to_owned()
}

/// One step in the making of an image.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct History {
    /// When, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// The instruction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
    /// Who.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// Remark of the tool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Whether the step made no layer.
    #[serde(default, skip_serializing_if = "is_false")]
    pub empty_layer: bool,
    /// Members not known here, as they were.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature is serde's"
)]
fn is_false(value: &bool) -> bool {
    !value
}

/// Go writes `null` for an empty list or structure.
fn null_as_default<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: Default + Deserialize<'de>,
    D: serde::Deserializer<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_members_and_the_order_of_labels_survive() {
        let text = r#"{"architecture":"amd64","os":"linux","config":{"User":"1","Env":["A=1","B=2"],
            "Cmd":null,"Labels":{"z":"1","a":"2"},"Healthcheck":{"Test":["CMD","x"]}},
            "rootfs":{"type":"layers","diff_ids":null},"history":null,"moby.x":[1,{"q":null}]}"#;
        let mut config = ImageConfig::parse(text.as_bytes()).unwrap();
        config.config.set_variable("A", "3");
        config.config.set_variable("C", "4");
        let written = String::from_utf8(config.to_bytes()).unwrap();
        assert_eq!(
            written,
            concat!(
                r#"{"architecture":"amd64","os":"linux","config":{"User":"1","#,
                r#""Env":["A=3","B=2","C=4"],"Labels":{"z":"1","a":"2"},"#,
                r#""Healthcheck":{"Test":["CMD","x"]}},"#,
                r#""rootfs":{"type":"layers","diff_ids":[]},"moby.x":[1,{"q":null}]}"#
            )
        );
        assert_eq!(ImageConfig::parse(written.as_bytes()).unwrap(), config);
    }

    #[test]
    fn variable_is_found_by_its_whole_name() {
        let mut execution = Execution::default();
        execution.set_variable("PATH", "/bin");
        assert_eq!(execution.variable("PATH"), Some("/bin"));
        assert_eq!(execution.variable("PAT"), None);
    }

    #[test]
    fn many_variables_are_set_where_they_were() {
        let entries = ["A=1", "B", "A=2", "C=x=y"].map(str::to_owned);
        let mut execution = Execution {
            env: Some(entries.to_vec()),
            ..Execution::default()
        };
        execution.set_variables([("C", "3"), ("A", "4"), ("B", "5"), ("D", "6"), ("D", "7")]);
        assert_eq!(
            execution.env.unwrap(),
            ["A=4", "B", "A=2", "C=3", "B=5", "D=7"]
        );
    }

    /// With linear searches this takes minutes.
    #[test]
    fn two_hundred_thousand_variables_are_set() {
        let names: Vec<_> = (0..200_000).map(|number| number.to_string()).collect();
        let mut execution = Execution::default();
        execution.set_variables(names.iter().map(|name| (&**name, "")));
        assert_eq!(execution.env.unwrap().len(), names.len());
    }

    #[test]
    fn platform_of_an_unaware_config_is_none() {
        assert_eq!(
            ImageConfig::parse(br#"{"architecture":""}"#)
                .unwrap()
                .platform(),
            None
        );
        let config = ImageConfig::parse(br#"{"architecture":"arm","variant":"v6"}"#).unwrap();
        assert_eq!(config.platform().unwrap().to_string(), "linux/arm/v6");
    }

    #[test]
    fn nul_characters_are_named_by_their_member() {
        for (key, text) in [
            ("Env", r#"["A=1","B=\u0000"]"#),
            ("Entrypoint", r#"["\u0000"]"#),
            ("Cmd", r#"["x","a\u0000b"]"#),
            ("Shell", r#"["\u0000"]"#),
            ("User", r#""\u0000""#),
            ("WorkingDir", r#""/\u0000""#),
        ] {
            let text = format!(r#"{{"config":{{"{key}":{text}}}}}"#);
            let error = ImageConfig::parse(text.as_bytes()).unwrap_err();
            let expected = format!("config: NUL character in config/{key}");
            assert_eq!(error.to_string(), expected);
        }
        assert!(ImageConfig::parse(br#"{"config":{"Labels":{"a":"\u0000"}}}"#).is_ok());
    }

    #[test]
    fn wrong_types_are_errors() {
        let error = ImageConfig::parse(br#"{"config":{"Env":"A=1"}}"#).unwrap_err();
        assert_eq!(error.to_string(), "config: can't parse");
    }
}
