//! A stage while it is built: what the image is so far.

use ch_container::environment::DEFAULT_PATH;
use ch_dockerfile::ast::File;
use ch_dockerfile::substitute::{self, Expanded};
use ch_oci::{History, ImageConfig, Platform};
use ch_storage::{ImageLayer, LayerId, StateId};

use crate::error::{BuildError, Problem};
use crate::fakeroot::Recipe;
use crate::plan;
use crate::scope::Scope;

/// The shell of shell forms where nobody chose one.
const DEFAULT_SHELL: [&str; 2] = ["/bin/sh", "-c"];

/// What the image is so far.
#[derive(Debug, Clone)]
pub(crate) struct Stage {
    /// The configuration, with the history.
    pub(crate) config: ImageConfig,
    /// The layers, lowest first.
    pub(crate) layers: Vec<LayerId>,
    /// What is known of those of the base image, which are passed on as they came.
    pub(crate) base: Vec<ImageLayer>,
    /// The variables.
    pub(crate) scope: Scope,
    /// The state that the instructions so far have led to.
    pub(crate) state: StateId,
    /// This stage has a `CMD` of its own, which `ENTRYPOINT` leaves alone.
    pub(crate) has_command: bool,
    /// What the distribution needs for `fakeroot`, if it is known.
    pub(crate) recipe: Option<&'static Recipe>,
    /// Whether that was done in this stage.
    pub(crate) initialised: bool,
    /// It is executed again, whatever the build cache has.
    pub(crate) is_rebuilt: bool,
    /// A dry run has left out steps, so layers are missing.
    pub(crate) is_partial: bool,
}

impl Stage {
    /// A stage on an image with this configuration, layers and identity.
    pub(crate) fn new(mut config: ImageConfig, base: Vec<ImageLayer>, state: StateId) -> Self {
        config.created = None;
        config.config.on_build = None;
        if config.config.variable("PATH").is_none() {
            config.config.set_variable("PATH", DEFAULT_PATH);
        }
        let mut scope = Scope::default();
        for entry in config.config.env.iter().flatten() {
            let (name, value) = entry.split_once('=').unwrap_or((entry, ""));
            scope.set(name, value.to_owned());
        }
        Self {
            config,
            layers: base.iter().map(|layer| layer.id.clone()).collect(),
            base,
            scope,
            state,
            has_command: false,
            recipe: None,
            initialised: false,
            is_rebuilt: false,
            is_partial: false,
        }
    }

    /// The configuration of the empty image.
    pub(crate) fn scratch_config(platform: &Platform) -> ImageConfig {
        let mut config = ImageConfig::new(platform);
        config.config.working_dir = Some("/".to_owned());
        config
    }

    /// Where relative paths start; absolute.
    pub(crate) fn working_directory(&self) -> &str {
        match self.config.config.working_dir.as_deref() {
            None | Some("") => "/",
            Some(directory) => directory,
        }
    }

    /// The shell of shell forms.
    pub(crate) fn shell(&self) -> Vec<String> {
        match &self.config.config.shell {
            Some(shell) if !shell.is_empty() => shell.clone(),
            _ => DEFAULT_SHELL.map(str::to_owned).to_vec(),
        }
    }

    /// The layers as an image record has them, lowest first.
    pub(crate) fn image_layers(&self) -> Vec<ImageLayer> {
        let known = |id: &LayerId| self.base.iter().find(|layer| layer.id == *id).cloned();
        let layers = self.layers.iter();
        layers
            .map(|id| known(id).unwrap_or_else(|| ImageLayer::made(id.clone())))
            .collect()
    }

    /// Adds a line to the history.
    pub(crate) fn remember(&mut self, created_by: String, created: &str, made_layer: bool) {
        self.config.created = Some(created.to_owned());
        self.config.history.push(History {
            created: Some(created.to_owned()),
            created_by: Some(created_by),
            comment: Some("ch-image".to_owned()),
            empty_layer: !made_layer,
            ..History::default()
        });
    }
}

/// Substitution for one instruction: all its words see the variables as they were before it.
pub(crate) struct Words<'a> {
    file: &'a File,
    keyword: &'static str,
    scope: &'a Scope,
    globals: &'a Scope,
    hints: Vec<String>,
}

impl<'a> Words<'a> {
    /// For an instruction in a stage with these variables.
    pub(crate) fn new(
        file: &'a File,
        keyword: &'static str,
        scope: &'a Scope,
        globals: &'a Scope,
    ) -> Self {
        Self {
            file,
            keyword,
            scope,
            globals,
            hints: Vec::new(),
        }
    }

    /// The word with quotes, escapes and variables resolved.
    pub(crate) fn expand(&mut self, text: &str) -> Result<String, BuildError> {
        let expanded = plan::expand(self.file, self.keyword, text, self.scope)?;
        Ok(self.note(expanded))
    }

    /// Likewise for a word that may have wildcards, in which escapes stay.
    pub(crate) fn expand_wildcards(&mut self, text: &str) -> Result<String, BuildError> {
        let expanded = plan::expand_wildcards(self.file, self.keyword, text, self.scope)?;
        Ok(self.note(expanded))
    }

    fn note(&mut self, expanded: Expanded) -> String {
        for name in expanded.undefined {
            if self.globals.get(&name).is_some() {
                self.hints.push(format!(
                    "variable {name:?} is not set in this stage; add \"ARG {name}\" to it"
                ));
            }
        }
        expanded.text
    }

    /// The body of a here-document with variables and escapes resolved.
    pub(crate) fn expand_body(&mut self, text: &str) -> Result<String, BuildError> {
        let lookup = |name: &str| self.scope.get(name).map(str::to_owned);
        let expanded = substitute::body(text, &lookup).map_err(|source| {
            let word = "here-document".to_owned();
            Problem::Substitute {
                keyword: self.keyword,
                word,
                source,
            }
        })?;
        Ok(self.note(expanded))
    }

    /// The word with only those variables replaced that are set.
    pub(crate) fn expand_set(&self, text: &str) -> Result<String, BuildError> {
        let lookup = |name: &str| self.scope.get(name).map(str::to_owned);
        substitute::set_only(text, &lookup).map_err(|source| {
            let word = text.to_owned();
            Problem::Substitute {
                keyword: self.keyword,
                word,
                source,
            }
            .into()
        })
    }

    /// What the author should be told.
    pub(crate) fn into_hints(self) -> Vec<String> {
        self.hints
    }
}
