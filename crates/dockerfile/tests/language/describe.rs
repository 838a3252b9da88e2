//! Instructions in a notation that fits into a table.

use ch_dockerfile::ast::{
    Command, CopySource, Files, Form, Healthcheck, HealthcheckTest, Heredoc, Pair, Run, RunInput,
};
use ch_dockerfile::{File, Word};

/// Everything that the file says after its first `FROM`, instruction by instruction; then the findings.
pub(crate) fn file(file: &File) -> Vec<String> {
    let mut lines = Vec::new();
    for (index, stage) in file.stages.iter().enumerate() {
        if index > 0 {
            lines.push(stage.header.to_string());
        }
        let instructions = stage.instructions.iter();
        lines.extend(instructions.map(|instruction| command(&instruction.command)));
    }
    for finding in &file.findings {
        let line = file.source.location(finding.span.start).line;
        lines.push(format!("{}:{line}", finding.rule.name()));
    }
    lines
}

/// One instruction.
pub(crate) fn command(command: &Command) -> String {
    match command {
        Command::Add(add) => {
            let unpack = add
                .unpack
                .map(|unpack| format!(" unpack={unpack}"))
                .unwrap_or_default();
            format!(
                "ADD{}{unpack}{}",
                text_flag("checksum", &add.checksum),
                files(&add.files)
            )
        }
        Command::Arg(definitions) => {
            let one = |name: &Word, value: &Option<Word>| match value {
                Some(value) => format!("{}={}", name.text, value.text),
                None => name.text.clone(),
            };
            let all = definitions
                .iter()
                .map(|definition| one(&definition.name, &definition.value));
            format!("ARG {}", all.collect::<Vec<_>>().join(" | "))
        }
        Command::Cmd(command) => format!("CMD {}", form(command)),
        Command::Copy(copy) => {
            let parents = if copy.parents { " parents" } else { "" };
            format!(
                "COPY{}{parents}{}",
                text_flag("from", &copy.from),
                files(&copy.files)
            )
        }
        Command::Entrypoint(command) => format!("ENTRYPOINT {}", form(command)),
        Command::Env(all) => format!("ENV {}", pairs(all)),
        Command::Expose(all) => format!("EXPOSE {}", words(all)),
        Command::Healthcheck(check) => healthcheck(check),
        Command::Label(all) => format!("LABEL {}", pairs(all)),
        Command::Maintainer(text) => format!("MAINTAINER {:?}", text.text),
        Command::OnBuild(on_build) => format!("ONBUILD {:?}", on_build.text),
        Command::Rsync(all) => format!("RSYNC {}", words(all)),
        Command::Run(command) => run(command),
        Command::Shell(all) => format!("SHELL {}", words(all)),
        Command::StopSignal(text) => format!("STOPSIGNAL {:?}", text.text),
        Command::User(text) => format!("USER {:?}", text.text),
        Command::Volume(all) => format!("VOLUME {}", words(all)),
        Command::Workdir(text) => format!("WORKDIR {:?}", text.text),
    }
}

/// What a `RUN` starts, after its flags and before its here-documents.
fn run(run: &Run) -> String {
    let mut text = "RUN".to_owned();
    for mount in &run.mounts {
        let options = mount.options.iter();
        let options = options.map(|option| {
            format!(
                "{:?}={}",
                option.key,
                option.value.as_deref().unwrap_or("-")
            )
        });
        text.push_str(&format!(
            " mount({})",
            options.collect::<Vec<_>>().join(",")
        ));
    }
    text.push_str(&text_flag("network", &run.network));
    text.push_str(&format!(" {}", form(&run.command)));
    for document in &run.heredocs {
        text.push_str(&heredoc(document));
    }
    text
}

/// What the shell of a `RUN` gets.
pub(crate) fn shell_input(run: &Run) -> String {
    match run.shell_input() {
        None => form(&run.command),
        Some(RunInput::Text(text)) => format!("{text:?}"),
        Some(RunInput::Script { name, content }) => format!("script {name} {content:?}"),
    }
}

fn heredoc(heredoc: &Heredoc) -> String {
    let expand = if heredoc.expand { "" } else { " literal" };
    let tabs = if heredoc.strip_tabs { " tabs" } else { "" };
    format!(" <<{}{expand}{tabs} {:?}", heredoc.name, heredoc.body)
}

fn form(form: &Form) -> String {
    match form {
        Form::Shell(text) => format!("{:?}", text.text),
        Form::Exec(elements) => words(elements),
    }
}

fn words(words: &[Word]) -> String {
    let texts: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
    format!("{texts:?}")
}

fn pairs(pairs: &[Pair]) -> String {
    let all = pairs
        .iter()
        .map(|pair| format!("{}={}", pair.name.text, pair.value.text));
    all.collect::<Vec<_>>().join(" | ")
}

fn files(files: &Files) -> String {
    let mut text = text_flag("chown", &files.chown);
    text.push_str(&text_flag("chmod", &files.chmod));
    if files.link {
        text.push_str(" link");
    }
    for source in &files.sources {
        match source {
            CopySource::Path(path) => text.push_str(&format!(" {:?}", path.text)),
            CopySource::Heredoc(document) => text.push_str(&heredoc(document)),
        }
    }
    text.push_str(&format!(" -> {:?}", files.destination.text));
    text
}

fn text_flag(name: &str, value: &Option<Word>) -> String {
    value
        .as_ref()
        .map(|value| format!(" {name}={}", value.text))
        .unwrap_or_default()
}

fn healthcheck(check: &Healthcheck) -> String {
    let test = match &check.test {
        HealthcheckTest::None => "NONE".to_owned(),
        HealthcheckTest::Command(command) => form(command),
    };
    let (interval, timeout, retries) = (check.interval, check.timeout, check.retries);
    format!("HEALTHCHECK {test} {interval:?} {timeout:?} {retries:?}")
}
