//! `RUN`: a command in a container on the workspace.

use std::ffi::OsString;

use ch_container::environment::pass_through;
use ch_container::{RunEnvironment, Source, Spec, Surroundings, Variables};
use ch_dockerfile::ast::{Form, Run, RunInput};
use ch_emulation::Mode;
use ch_storage::StateId;

use crate::Options;
use crate::error::{BuildError, Problem};
use crate::fakeroot::{ForceCommand, inject};
use crate::key::KeyHash;
use crate::stage::{Stage, Words};

/// Programs that substitute variables themselves.
const SHELLS: [&str; 11] = [
    "sh", "bash", "dash", "ash", "ksh", "mksh", "zsh", "fish", "csh", "tcsh", "busybox",
];

/// What the container calls itself unless the build says otherwise.
const HOST_NAME: &str = "buildkitsandbox";
/// The build argument by which it does.
const HOST_NAME_ARGUMENT: &str = "BUILDKIT_SANDBOX_HOSTNAME";

/// A command, ready to be executed.
#[derive(Debug, Clone)]
pub(crate) struct Prepared {
    /// What the author wrote: in history and key.
    pub(crate) argv: Vec<String>,
    /// What is executed instead, where root emulation wants something changed.
    pub(crate) changed: Option<Vec<String>>,
    /// Where it runs.
    working_directory: String,
    /// Who it is meant to be, as `USER` has it.
    user: String,
    /// Everything that `ENV` and `ARG` have set.
    variables: Variables,
    /// What comes from the host.
    passed_through: Variables,
    /// What is otherwise than on the host.
    surroundings: Surroundings,
}

/// Makes the argument vector of `run` and everything that goes with it.
pub(crate) fn prepare(
    run: &Run,
    words: &Words<'_>,
    stage: &Stage,
    options: &Options,
) -> Result<Prepared, BuildError> {
    let (argv, shell_text) = argument_vector(run, words, stage)?;
    let changed = match options.emulation {
        Mode::Seccomp => inject(&options.force_commands, &argv, shell_text),
        Mode::Fakeroot => {
            let recipe = stage.recipe.filter(|recipe| recipe.applies(&argv));
            recipe.map(|recipe| recipe.prefixed(&argv))
        }
        Mode::Supervisor | Mode::None => None,
    };
    Ok(Prepared {
        changed,
        argv,
        working_directory: stage.working_directory().to_owned(),
        user: stage.config.config.user.clone().unwrap_or_default(),
        variables: variables(stage),
        passed_through: passed_through(options),
        surroundings: Surroundings {
            isolated: isolated(run, options),
            ..options.surroundings.clone()
        },
    })
}

/// Makes a command of our own, for root and the image's `/bin/sh`, with the variables that `RUN` would have.
pub(crate) fn script(text: &str, stage: &Stage, options: &Options) -> Prepared {
    Prepared {
        changed: None,
        argv: ["/bin/sh", "-c", text].map(str::to_owned).to_vec(),
        working_directory: "/".to_owned(),
        user: String::new(),
        variables: variables(stage),
        passed_through: passed_through(options),
        surroundings: options.surroundings.clone(),
    }
}

/// Whether `run` has no network: its own `--network`, unless that leaves it to the build.
fn isolated(run: &Run, options: &Options) -> bool {
    match run.network.as_ref().map(|mode| mode.text.as_str()) {
        Some("none") => true,
        Some("host") => false,
        _ => options.surroundings.isolated,
    }
}

fn variables(stage: &Stage) -> Variables {
    let owned = |(name, value): (&str, &str)| (name.into(), value.into());
    stage.scope.set_variables().map(owned).collect()
}

fn passed_through(options: &Options) -> Variables {
    let owned = |name: &str| Some((name.into(), options.passed_through(name)?.into()));
    pass_through().filter_map(owned).collect()
}

/// The words of the process, and whether the last one is text for a shell.
fn argument_vector(
    run: &Run,
    words: &Words<'_>,
    stage: &Stage,
) -> Result<(Vec<String>, bool), BuildError> {
    match (&run.command, run.shell_input()) {
        (_, Some(RunInput::Text(text))) => {
            let mut argv = stage.shell();
            argv.push(text.into_owned());
            Ok((argv, true))
        }
        (_, Some(RunInput::Script { .. })) => {
            let what = "RUN of a here-document that starts with #!".to_owned();
            Err(Problem::NotSupported(what).into())
        }
        (Form::Exec(elements), None) => {
            let first = elements
                .first()
                .map(|e| e.text.as_str())
                .unwrap_or_default();
            let program = first.rsplit('/').next().unwrap_or_default();
            let substitute = !SHELLS.contains(&program);
            let argv: Vec<_> = elements
                .iter()
                .map(|element| match substitute {
                    true => words.expand_set(&element.text),
                    false => Ok(element.text.clone()),
                })
                .collect::<Result<_, _>>()?;
            Ok((argv, false))
        }
        (Form::Shell(_), None) => unreachable!("a shell form has an input"),
    }
}

fn host_name(options: &Options) -> &str {
    let given = options.build_argument(HOST_NAME_ARGUMENT);
    given.filter(|name| !name.is_empty()).unwrap_or(HOST_NAME)
}

impl Prepared {
    /// Whether it is meant to be anyone but root.
    pub(crate) fn is_other_user(&self) -> bool {
        let name = self.user.split(':').next().unwrap_or_default();
        !matches!(name, "" | "0" | "root")
    }

    /// What is executed.
    fn executed(&self) -> &[String] {
        self.changed.as_ref().unwrap_or(&self.argv)
    }

    /// The state that the command leads to.
    pub(crate) fn state(&self, parent: &StateId, options: &Options) -> StateId {
        let mut key = self.key("RUN 2", parent, options);
        match options.emulation {
            Mode::Seccomp => {
                let rules = options.force_commands.iter().map(ForceCommand::canonical);
                key.list("force", rules.collect::<Vec<_>>());
            }
            Mode::Fakeroot => {
                key.list("executed", self.executed());
            }
            Mode::Supervisor | Mode::None => {}
        }
        key.state()
    }

    /// The state that the command leads to if it is executed only where `check` fails.
    pub(crate) fn state_unless(
        &self,
        check: &Self,
        parent: &StateId,
        options: &Options,
    ) -> StateId {
        let mut key = self.key("fakeroot 1", parent, options);
        key.list("unless", &check.argv);
        key.state()
    }

    /// What every command's state depends on.
    fn key(&self, kind: &str, parent: &StateId, options: &Options) -> KeyHash {
        let mut key = KeyHash::after(parent, kind);
        key.list("argv", &self.argv)
            .field("directory", &self.working_directory)
            .field("user", &self.user)
            .field("emulation", options.emulation.name())
            .field("platform", options.platform.to_string())
            .field("host name", host_name(options));
        // What is as on the host leaves no trace, or older states would be lost.
        if self.surroundings.isolated {
            key.field("network", "none");
        }
        for (address, name) in &self.surroundings.hosts {
            key.field("host", format!("{address} {name}"));
        }
        for bind in &options.binds {
            key.field("mount", bind.target.as_os_str().as_encoded_bytes());
            if let Source::Bind(source) = &bind.source {
                key.field("of", source.as_os_str().as_encoded_bytes());
            }
            if let Some(literal) = &bind.literal {
                key.field("written", literal.as_encoded_bytes());
            }
        }
        key
    }

    /// The line of the history: arguments in scope, then the command.
    pub(crate) fn history(&self, stage: &Stage) -> String {
        let arguments: Vec<_> = stage
            .scope
            .arguments()
            .map(|(name, value)| format!("{name}={value} "))
            .collect();
        let count = match arguments.len() {
            0 => String::new(),
            count => format!("|{count} "),
        };
        format!(
            "RUN {count}{}{} # buildkit",
            arguments.concat(),
            self.argv.join(" ")
        )
    }

    /// What the container is to execute.
    pub(crate) fn spec(&self, label: String, options: &Options) -> Spec {
        Spec {
            label,
            command: self.executed().iter().map(OsString::from).collect(),
            directory: self.working_directory.clone().into(),
            environment: RunEnvironment {
                image: self.variables.clone(),
                host: self.passed_through.clone(),
            },
            user: self.user.clone(),
            host_name: host_name(options).to_owned(),
            surroundings: self.surroundings.clone(),
            emulation: options.emulation,
            remembered: Vec::new(),
            mounts: options.binds.clone(),
        }
    }
}
