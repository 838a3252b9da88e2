//! One instruction: which one it is, and what it says.

use super::context::Context;
use super::flags::Flags;
use super::grammar::{Node, Rule, child};
use super::{files, form, healthcheck, pairs, run, variables};
use crate::ast::{Command, Form, From, Header, Keyword, OnBuild};
use crate::check::Rule as Check;
use crate::source::Word;
use crate::suggest::suggestion;

/// An instruction.
pub(super) struct Statement {
    pub(super) header: Header,
    pub(super) content: Content,
}

/// What it says.
pub(super) enum Content {
    From(From),
    Command(Command),
}

/// Reads an instruction.
pub(super) fn statement(node: &Node<'_>, context: &mut Context<'_>) -> Option<Statement> {
    let header = header(node, context)?;
    let content = match node.as_rule() {
        Rule::from => Content::From(from(node, context)?),
        Rule::onbuild => Content::Command(on_build(node, context)?),
        _ => Content::Command(command(node, header.keyword, context)?),
    };
    let good = match &content {
        Content::From(from) => variables::verify_from(from, context),
        Content::Command(command) => variables::verify(command, context),
    };
    good.then_some(Statement { header, content })
}

fn header(node: &Node<'_>, context: &mut Context<'_>) -> Option<Header> {
    let word = child(node, Rule::keyword).expect("every instruction has a word");
    let keyword = keyword(&word, context)?;
    let line = context.line;
    let after = context.range(&word).end;
    let text = line.text()[after..].trim_start_matches([' ', '\t', '\u{B}', '\u{C}', '\r']);
    Some(Header {
        keyword,
        keyword_span: context.span(&word),
        span: context.span,
        text: text.to_owned(),
        comments: line.comments.clone(),
        skip: line.skip.clone(),
    })
}

fn keyword(word: &Node<'_>, context: &mut Context<'_>) -> Option<Keyword> {
    let written = word.as_str();
    let upper = written.to_uppercase();
    let found = Keyword::ALL
        .into_iter()
        .find(|keyword| keyword.name() == upper);
    if found.is_none() {
        let similar = suggestion(&upper, Keyword::ALL.map(Keyword::name));
        let similar = similar
            .map(|similar| format!(" (did you mean {similar}?)"))
            .unwrap_or_default();
        let hint = context.open_quote.map(|line| {
            format!("the quote opened on line {line} is not closed, so `<<` was not read as a here-document")
        });
        let span = context.span(word);
        context.problems.report_with_hint(
            span,
            format!("unknown instruction: {written}{similar}"),
            hint,
        );
    }
    found
}

/// Reads any instruction but `FROM` and `ONBUILD`.
fn command(node: &Node<'_>, keyword: Keyword, context: &mut Context<'_>) -> Option<Command> {
    Some(match keyword {
        Keyword::Add => Command::Add(files::add(node, context)?),
        Keyword::Copy => Command::Copy(files::copy(node, context)?),
        Keyword::Run => Command::Run(run::run(node, context)?),
        Keyword::Healthcheck => Command::Healthcheck(healthcheck::healthcheck(node, context)?),
        Keyword::Rsync | Keyword::Nsync => Command::Rsync(form::words(node, context)),
        keyword => {
            Flags::read(node, keyword, context)?;
            without_flags(node, keyword, context)?
        }
    })
}

fn without_flags(node: &Node<'_>, keyword: Keyword, context: &mut Context<'_>) -> Option<Command> {
    let name = keyword.name();
    Some(match keyword {
        Keyword::Arg => Command::Arg(pairs::definitions(node, context)?),
        Keyword::Cmd => Command::Cmd(form::command(node, context)?),
        Keyword::Entrypoint => Command::Entrypoint(form::command(node, context)?),
        Keyword::Env => Command::Env(pairs::pairs(node, keyword, context)?),
        Keyword::Expose => {
            let words = form::words(node, context);
            Command::Expose(at_least_one(words, name, context)?)
        }
        Keyword::Label => Command::Label(pairs::pairs(node, keyword, context)?),
        Keyword::Maintainer => {
            let text = form::argument(node, context, name)?;
            context.find(Check::MaintainerDeprecated, context.span);
            Command::Maintainer(text)
        }
        Keyword::Shell => Command::Shell(shell(node, context)?),
        Keyword::StopSignal => Command::StopSignal(form::argument(node, context, name)?),
        Keyword::User => Command::User(form::argument(node, context, name)?),
        Keyword::Volume => Command::Volume(volume(node, context)?),
        Keyword::Workdir => Command::Workdir(form::argument(node, context, name)?),
        other => unreachable!("{other} is read elsewhere"),
    })
}

fn at_least_one(words: Vec<Word>, name: &str, context: &mut Context<'_>) -> Option<Vec<Word>> {
    if words.is_empty() {
        return context.fail(
            context.span,
            format!("{name} requires at least one argument"),
        );
    }
    Some(words)
}

fn shell(node: &Node<'_>, context: &mut Context<'_>) -> Option<Vec<Word>> {
    match form::command(node, context)? {
        Form::Exec(elements) => at_least_one(elements, "SHELL", context),
        Form::Shell(_) => context.fail(
            context.span,
            "SHELL requires the arguments to be in JSON form",
        ),
    }
}

fn volume(node: &Node<'_>, context: &mut Context<'_>) -> Option<Vec<Word>> {
    let volumes = form::list(node, context)?;
    let volumes = at_least_one(volumes, "VOLUME", context)?;
    match volumes.iter().find(|volume| volume.text.trim().is_empty()) {
        Some(empty) => context.fail(empty.span, "VOLUME specified can not be an empty string"),
        None => Some(volumes),
    }
}

fn from(node: &Node<'_>, context: &mut Context<'_>) -> Option<From> {
    let flags = Flags::read(node, Keyword::From, context);
    let (image, name) = match form::words(node, context).as_slice() {
        [image] => (image.clone(), None),
        [image, word, name] if word.text.eq_ignore_ascii_case("as") => {
            (image.clone(), Some(stage_name(name, context)?))
        }
        _ => return context.fail(context.span, "FROM requires either one or three arguments"),
    };
    let mut flags = flags?;
    let arguments = flags.texts("arg");
    if let Some(wrong) = arguments
        .iter()
        .find(|argument| argument.text.find('=').is_none_or(|at| at == 0))
    {
        let message = format!(
            "FROM: invalid option --arg: not of the form NAME=VALUE: {}",
            wrong.text
        );
        return context.fail(wrong.span, message);
    }
    Some(From {
        platform: flags.text("platform"),
        arguments,
        image,
        name,
    })
}

/// A stage's name, in lower case.
fn stage_name(name: &Word, context: &mut Context<'_>) -> Option<Word> {
    let text = name.text.to_lowercase();
    let good = text.starts_with(|first: char| first.is_ascii_lowercase())
        && text
            .chars()
            .all(|other| matches!(other, 'a'..='z' | '0'..='9' | '-' | '_' | '.'));
    if !good {
        let reason = "name can't start with a number or contain symbols";
        return context.fail(
            name.span,
            format!("invalid name for build stage: \"{}\", {reason}", name.text),
        );
    }
    if text != name.text {
        context.find(Check::StageNameCasing, name.span);
    }
    if text == "scratch" || text == "context" {
        context.find(Check::ReservedStageName, name.span);
    }
    Some(Word {
        text,
        span: name.span,
    })
}

fn on_build(node: &Node<'_>, context: &mut Context<'_>) -> Option<Command> {
    Flags::read(node, Keyword::OnBuild, context)?;
    let is_trigger = |inner: &Node<'_>| !matches!(inner.as_rule(), Rule::keyword | Rule::flags);
    let Some(trigger) = node.clone().into_inner().find(is_trigger) else {
        return context.fail(context.span, "ONBUILD requires at least one argument");
    };
    let word = child(&trigger, Rule::keyword).expect("every instruction has a word");
    let span = context.span(&word);
    let keyword = match keyword(&word, context)? {
        Keyword::OnBuild => {
            return context.fail(span, "Chaining ONBUILD via ONBUILD ONBUILD isn't allowed");
        }
        refused @ (Keyword::From | Keyword::Maintainer) => {
            return context.fail(
                span,
                format!("{refused} isn't allowed as an ONBUILD trigger"),
            );
        }
        keyword => keyword,
    };
    let mut text = trigger.as_str().to_owned();
    for heredoc in context.heredocs {
        text.push('\n');
        text.push_str(&heredoc.body);
        text.push_str(&heredoc.name);
    }
    let command = Box::new(command(&trigger, keyword, context)?);
    Some(Command::OnBuild(OnBuild { text, command }))
}
