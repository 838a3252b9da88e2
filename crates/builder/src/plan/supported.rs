//! The part of the language that is executed; the rest is refused before anything happens.

use ch_dockerfile::ast::{Command, Copy, CopySource, Dialect, File, Run, RunInput};

use crate::error::{BuildError, Problem};

/// Refuses a Dockerfile whose instructions are to mean what they do not mean here.
pub(super) fn check_directives(file: &File) -> Result<(), BuildError> {
    match file.directives.dialect {
        Some((Dialect::Charliecloud, span)) => {
            let what = "dialect=charliecloud".to_owned();
            Err(BuildError::from(Problem::NotSupported(what)).at(&file.source, span))
        }
        Some((Dialect::Docker, _)) | None => Ok(()),
    }
}

/// Refuses what can't be executed.
pub(super) fn check(command: &Command) -> Result<(), BuildError> {
    match unsupported(command) {
        Some(what) => {
            let error = BuildError::from(Problem::NotSupported(what));
            Err(error.with_any_hint(instead_of(command)))
        }
        None => Ok(()),
    }
}

fn unsupported(command: &Command) -> Option<String> {
    match command {
        Command::Add(_) => Some("ADD".to_owned()),
        Command::Rsync(_) => Some("RSYNC".to_owned()),
        Command::Copy(copy) => copy_option(copy).map(|what| format!("COPY {what}")),
        Command::Run(run) => run_option(run).map(|what| format!("RUN {what}")),
        Command::Arg(_)
        | Command::Cmd(_)
        | Command::Entrypoint(_)
        | Command::Env(_)
        | Command::Expose(_)
        | Command::Healthcheck(_)
        | Command::Label(_)
        | Command::Maintainer(_)
        | Command::OnBuild(_)
        | Command::Shell(_)
        | Command::StopSignal(_)
        | Command::User(_)
        | Command::Volume(_)
        | Command::Workdir(_) => None,
    }
}

/// What does the same.
fn instead_of(command: &Command) -> Option<String> {
    let Command::Add(add) = command else {
        return None;
    };
    let is_local = |source: &CopySource| match source {
        CopySource::Path(word) => !word.text.contains("://") && !word.text.starts_with("git@"),
        CopySource::Heredoc(_) => false,
    };
    let local = add.files.sources.iter().all(is_local);
    local.then(|| "use COPY for local files; it unpacks no archives".to_owned())
}

fn copy_option(copy: &Copy) -> Option<&'static str> {
    let files = &copy.files;
    let table = [
        (copy.parents, "--parents"),
        (files.link, "--link"),
        (!files.excludes.is_empty(), "--exclude"),
    ];
    table
        .into_iter()
        .find_map(|(present, what)| present.then_some(what))
}

fn run_option(run: &Run) -> Option<&'static str> {
    let security = run
        .security
        .as_ref()
        .is_some_and(|mode| mode.text == "insecure");
    let script = matches!(run.shell_input(), Some(RunInput::Script { .. }));
    let table = [
        (!run.mounts.is_empty(), "--mount"),
        (security, "--security=insecure"),
        (!run.devices.is_empty(), "--device"),
        (script, "of a here-document that starts with #!"),
    ];
    table
        .into_iter()
        .find_map(|(present, what)| present.then_some(what))
}
