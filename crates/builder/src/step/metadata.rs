//! Instructions that change the configuration and nothing else: nothing is mounted for them, and
//! they make no layer.
//!
//! Those that a later `RUN` or `COPY` can notice are links of the chain of states; the others are
//! computed anew on every build.

use ch_dockerfile::ast::{Command, Definition, Form, Healthcheck, HealthcheckTest, Pair};
use ch_storage::StateId;

use crate::Options;
use crate::error::{BuildError, Problem};
use crate::key::KeyHash;
use crate::plan;
use crate::scope::Scope;
use crate::stage::{Stage, Words};
use crate::step::{healthcheck, port, signal};

/// What an instruction leaves behind beside the new configuration.
#[derive(Debug)]
pub(crate) struct Applied {
    /// The line of the history, if it tells of the instruction.
    pub(crate) history: Option<String>,
    /// The state, if the instruction is a link of the chain.
    pub(crate) state: Option<StateId>,
}

/// Applies `command`; `None` if it is one that is executed on files.
pub(crate) fn apply(
    command: &Command,
    words: &mut Words<'_>,
    stage: &mut Stage,
) -> Result<Option<Applied>, BuildError> {
    let applied = match command {
        Command::Env(pairs) => environment(pairs, words, stage)?,
        Command::User(word) => user(&words.expand(&word.text)?, stage),
        Command::Shell(elements) => {
            let elements: Vec<_> = elements
                .iter()
                .map(|e| words.expand_set(&e.text))
                .collect::<Result<_, _>>()?;
            shell(elements, stage)
        }
        Command::Label(pairs) => labels(pairs, words, stage)?,
        Command::Expose(list) => expose(list.iter().map(|w| w.text.as_str()), words, stage)?,
        Command::Volume(list) => volume(list.iter().map(|w| w.text.as_str()), words, stage)?,
        Command::Cmd(form) => cmd(form, stage),
        Command::Entrypoint(form) => entrypoint(form, stage),
        Command::Healthcheck(check) => health(check, stage),
        Command::StopSignal(word) => stop_signal(words.expand(&word.text)?, stage)?,
        Command::Maintainer(word) => maintainer(&word.text, stage),
        Command::OnBuild(trigger) => on_build(&trigger.text, stage),
        _ => return Ok(None),
    };
    Ok(Some(applied))
}

/// `ARG` in a stage: its definitions see each other, from left to right.
pub(crate) fn arguments(
    definitions: &[Definition],
    file: &ch_dockerfile::File,
    options: &Options,
    globals: &Scope,
    stage: &mut Stage,
) -> Result<Applied, BuildError> {
    let mut key = KeyHash::after(&stage.state, "ARG 1");
    let mut shown = Vec::new();
    for definition in definitions {
        let (name, value) = plan::define(definition, file, options, &stage.scope, Some(globals))?;
        key.field("name", &name);
        if let Some(value) = &value {
            key.field("value", value);
        }
        shown.push(match &value {
            Some(value) => format!("{name}={value}"),
            None => name.clone(),
        });
        stage.scope.declare(&name, value);
    }
    Ok(Applied {
        history: Some(format!("ARG {}", shown.join(" "))),
        state: Some(key.state()),
    })
}

fn environment(
    pairs: &[Pair],
    words: &mut Words<'_>,
    stage: &mut Stage,
) -> Result<Applied, BuildError> {
    let mut key = KeyHash::after(&stage.state, "ENV 1");
    let mut shown = Vec::new();
    let pairs = expanded(pairs, "ENV", words)?;
    let borrowed = pairs.iter().map(|(name, value)| (&**name, &**value));
    stage.config.config.set_variables(borrowed);
    for (name, value) in pairs {
        key.field("name", &name).field("value", &value);
        shown.push(format!("{name}={value}"));
        stage.scope.set(&name, value);
    }
    Ok(Applied {
        history: Some(format!("ENV {}", shown.join(" "))),
        state: Some(key.state()),
    })
}

/// All pairs with names and values substituted, before any of them takes effect.
fn expanded(
    pairs: &[Pair],
    keyword: &'static str,
    words: &mut Words<'_>,
) -> Result<Vec<(String, String)>, BuildError> {
    let mut all = Vec::new();
    for pair in pairs {
        let name = words.expand(&pair.name.text)?;
        if name.is_empty() {
            return Err(Problem::BlankName(keyword).into());
        }
        all.push((name, words.expand(&pair.value.text)?));
    }
    Ok(all)
}

fn user(text: &str, stage: &mut Stage) -> Applied {
    let user = text.strip_suffix(':').unwrap_or(text).to_owned();
    let mut key = KeyHash::after(&stage.state, "USER 1");
    key.field("user", &user);
    let history = Some(format!("USER {user}"));
    stage.config.config.user = Some(user);
    Applied {
        history,
        state: Some(key.state()),
    }
}

fn shell(elements: Vec<String>, stage: &mut Stage) -> Applied {
    let mut key = KeyHash::after(&stage.state, "SHELL 1");
    key.list("shell", &elements);
    let history = Some(format!("SHELL [{}]", elements.join(" ")));
    stage.config.config.shell = Some(elements);
    Applied {
        history,
        state: Some(key.state()),
    }
}

/// A line of history for what later instructions can't notice.
fn unnoticed(history: String) -> Applied {
    Applied {
        history: Some(history),
        state: None,
    }
}

fn labels(pairs: &[Pair], words: &mut Words<'_>, stage: &mut Stage) -> Result<Applied, BuildError> {
    let pairs = expanded(pairs, "LABEL", words)?;
    let shown: Vec<_> = pairs
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let labels = stage.config.config.labels.get_or_insert_default();
    for (name, value) in pairs {
        labels.insert(name, value);
    }
    Ok(unnoticed(format!("LABEL {}", shown.join(" "))))
}

fn expose<'a>(
    list: impl Iterator<Item = &'a str>,
    words: &mut Words<'_>,
    stage: &mut Stage,
) -> Result<Applied, BuildError> {
    let mut all = Vec::new();
    for word in list {
        for text in words.expand(word)?.split_whitespace() {
            all.extend(port::ports(text)?);
        }
    }
    let exposed = stage.config.config.exposed_ports.get_or_insert_default();
    for port in &all {
        exposed.insert(port.as_str(), serde_json::Map::new());
    }
    Ok(unnoticed(format!("EXPOSE [{}]", all.join(" "))))
}

fn volume<'a>(
    list: impl Iterator<Item = &'a str>,
    words: &mut Words<'_>,
    stage: &mut Stage,
) -> Result<Applied, BuildError> {
    let all: Vec<_> = list
        .map(|word| words.expand(word))
        .collect::<Result<_, _>>()?;
    if all.iter().any(String::is_empty) {
        return Err(Problem::EmptyElement("VOLUME").into());
    }
    let volumes = stage.config.config.volumes.get_or_insert_default();
    for path in &all {
        volumes.insert(path.as_str(), serde_json::Map::new());
    }
    Ok(unnoticed(format!("VOLUME [{}]", all.join(" "))))
}

fn cmd(form: &Form, stage: &mut Stage) -> Applied {
    let argv = argument_vector(form, stage);
    let history = format!("CMD {}", quoted(&argv));
    stage.config.config.cmd = Some(argv);
    stage.has_command = true;
    unnoticed(history)
}

fn entrypoint(form: &Form, stage: &mut Stage) -> Applied {
    let argv = argument_vector(form, stage);
    let history = format!("ENTRYPOINT {}", quoted(&argv));
    stage.config.config.entrypoint = Some(argv);
    if !stage.has_command {
        stage.config.config.cmd = None;
    }
    unnoticed(history)
}

fn health(check: &Healthcheck, stage: &mut Stage) -> Applied {
    let test = match &check.test {
        HealthcheckTest::None => vec!["NONE".to_owned()],
        // The shell is chosen when the image runs.
        HealthcheckTest::Command(Form::Shell(text)) => {
            vec!["CMD-SHELL".to_owned(), text.text.clone()]
        }
        HealthcheckTest::Command(form @ Form::Exec(_)) => {
            let mut test = vec!["CMD".to_owned()];
            test.extend(argument_vector(form, stage));
            test
        }
    };
    let member = healthcheck::member(check, &test);
    let members = &mut stage.config.config.rest;
    members.insert("Healthcheck".to_owned(), member);
    unnoticed(healthcheck::history(check, &test))
}

fn argument_vector(form: &Form, stage: &Stage) -> Vec<String> {
    match form {
        Form::Exec(elements) => elements.iter().map(|e| e.text.clone()).collect(),
        Form::Shell(text) => {
            let mut argv = stage.shell();
            argv.push(text.text.clone());
            argv
        }
    }
}

/// `["a" "b"]`, as Go prints a list of quoted strings.
fn quoted(argv: &[String]) -> String {
    let elements: Vec<_> = argv.iter().map(|element| format!("{element:?}")).collect();
    format!("[{}]", elements.join(" "))
}

fn stop_signal(text: String, stage: &mut Stage) -> Result<Applied, BuildError> {
    if !signal::is_signal(&text) {
        return Err(Problem::Signal(text).into());
    }
    let history = format!("STOPSIGNAL {text}");
    stage.config.config.stop_signal = Some(text);
    Ok(unnoticed(history))
}

fn maintainer(text: &str, stage: &mut Stage) -> Applied {
    stage.config.author = Some(text.to_owned());
    unnoticed(format!("MAINTAINER {text}"))
}

/// Whatever is built on the image will do it; until then it is nobody's business.
fn on_build(text: &str, stage: &mut Stage) -> Applied {
    let triggers = stage.config.config.on_build.get_or_insert_default();
    triggers.push(text.to_owned());
    Applied {
        history: None,
        state: None,
    }
}
