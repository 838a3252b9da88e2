//! Options that other builders' scripts give and that change nothing here.
//!
//! No containers or layers are left behind that one could keep, a context is sent nowhere, there is one kind of
//! isolation, and images are stored in no format of their own.

use clap::Args;

use crate::failure::Failure;
use crate::terminal::Terminal;

/// Options without meaning. Those that are switches take `true` and `false`, too.
#[derive(Debug, Args)]
pub(super) struct WithoutMeaning {
    /// The context is read in place (accepted, no effect)
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", hide = true)]
    compress: Option<bool>,

    /// Digests are always checked (accepted, no effect)
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", hide = true)]
    disable_content_trust: Option<bool>,

    /// Containers are always removed (accepted, no effect)
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", hide = true)]
    force_rm: Option<bool>,

    /// Images are stored in no format: push and export choose one (accepted, no effect)
    #[arg(long, value_name = "oci|docker", hide = true)]
    format: Option<String>,

    /// Containers are isolated in one way (accepted, no effect)
    #[arg(long, value_name = "KIND", hide = true)]
    isolation: Option<String>,

    /// Every step is cached (accepted, no effect)
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", hide = true)]
    layers: Option<bool>,

    /// Containers are always removed (accepted, no effect)
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", hide = true)]
    rm: Option<bool>,

    /// Commands have no privileges that could be taken away (accepted, no effect)
    #[arg(long, value_name = "OPTION", hide = true)]
    security_opt: Vec<String>,

    /// Stages that the result does not need are never built (accepted, no effect)
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", hide = true)]
    skip_unused_stages: Option<bool>,

    /// The user namespace is always our own (accepted, no effect)
    #[arg(long, value_name = "HOW", hide = true)]
    userns: Option<String>,

    /// Owners are remembered, not mapped (accepted, no effect)
    #[arg(long, value_name = "MAPPING", hide = true)]
    userns_gid_map: Vec<String>,

    /// Owners are remembered, not mapped (accepted, no effect)
    #[arg(long, value_name = "NAME", hide = true)]
    userns_gid_map_group: Option<String>,

    /// Owners are remembered, not mapped (accepted, no effect)
    #[arg(long, value_name = "MAPPING", hide = true)]
    userns_uid_map: Vec<String>,

    /// Owners are remembered, not mapped (accepted, no effect)
    #[arg(long, value_name = "NAME", hide = true)]
    userns_uid_map_user: Option<String>,
}

impl WithoutMeaning {
    /// Says which were given. Fails if one has a value that would mean something.
    pub(super) fn note(&self, terminal: &Terminal) -> Result<(), Failure> {
        if self.skip_unused_stages == Some(false) {
            return Err(Failure::not_yet("--skip-unused-stages=false"));
        }
        match self.format.as_deref() {
            None | Some("oci" | "docker") => {}
            Some("json") => return Err(Failure::not_yet("--format=json")),
            Some(other) => {
                return Err(Failure::usage(format_args!(
                    "argument --format: invalid choice: '{other}' (choose from 'oci', 'docker')"
                )));
            }
        }
        for option in self.given() {
            terminal.verbose(format_args!("{option} has no meaning here: ignored"));
        }
        Ok(())
    }

    /// The names of those that were given.
    fn given(&self) -> impl Iterator<Item = &'static str> {
        [
            (self.compress.is_some(), "--compress"),
            (
                self.disable_content_trust.is_some(),
                "--disable-content-trust",
            ),
            (self.force_rm.is_some(), "--force-rm"),
            (self.format.is_some(), "--format"),
            (self.isolation.is_some(), "--isolation"),
            (self.layers.is_some(), "--layers"),
            (self.rm.is_some(), "--rm"),
            (!self.security_opt.is_empty(), "--security-opt"),
            (self.skip_unused_stages.is_some(), "--skip-unused-stages"),
            (self.userns.is_some(), "--userns"),
            (!self.userns_gid_map.is_empty(), "--userns-gid-map"),
            (
                self.userns_gid_map_group.is_some(),
                "--userns-gid-map-group",
            ),
            (!self.userns_uid_map.is_empty(), "--userns-uid-map"),
            (self.userns_uid_map_user.is_some(), "--userns-uid-map-user"),
        ]
        .into_iter()
        .filter_map(|(given, name)| given.then_some(name))
    }
}
