//! `HEALTHCHECK`, and the durations of its flags.

use super::context::Context;
use super::flags::Flags;
use super::form;
use super::grammar::{Node, Rule, child};
use crate::ast::{Form, Healthcheck, HealthcheckTest, Keyword};
use crate::source::Word;

/// Reads a `HEALTHCHECK`.
pub(super) fn healthcheck(node: &Node<'_>, context: &mut Context<'_>) -> Option<Healthcheck> {
    let flags = Flags::read(node, Keyword::Healthcheck, context);
    let test = test(node, context);
    let mut flags = flags?;
    let mut time = |name| {
        flags
            .text(name)
            .map(|value| duration_flag(name, &value, context))
            .transpose()
    };
    let interval = time("interval");
    let timeout = time("timeout");
    let start_period = time("start-period");
    let start_interval = time("start-interval");
    let retries = flags
        .text("retries")
        .map(|value| retries(&value, context))
        .transpose();
    Some(Healthcheck {
        test: test?,
        interval: interval.ok()?,
        timeout: timeout.ok()?,
        start_period: start_period.ok()?,
        start_interval: start_interval.ok()?,
        retries: retries.ok()?,
    })
}

fn test(node: &Node<'_>, context: &mut Context<'_>) -> Option<HealthcheckTest> {
    if let Some(command) = child(node, Rule::health_command) {
        return match form::command(&command, context)? {
            Form::Shell(text) if text.text.is_empty() => {
                context.fail(context.span, "Missing command after HEALTHCHECK CMD")
            }
            Form::Exec(elements) if elements.is_empty() => {
                context.fail(context.span, "Missing command after HEALTHCHECK CMD")
            }
            command => Some(HealthcheckTest::Command(command)),
        };
    }
    if let Some(none) = child(node, Rule::health_none) {
        return match child(&none, Rule::text) {
            Some(text) => context.fail(context.span(&text), "HEALTHCHECK NONE takes no arguments"),
            None => Some(HealthcheckTest::None),
        };
    }
    let other = child(node, Rule::health_other).and_then(|other| child(&other, Rule::word));
    match other {
        Some(word) => {
            let message = format!(
                "Unknown type \"{}\" in HEALTHCHECK (try CMD)",
                word.as_str().to_uppercase()
            );
            context.fail(context.span(&word), message)
        }
        None => context.fail(context.span, "HEALTHCHECK requires at least one argument"),
    }
}

/// What was reported already.
struct Reported;

fn duration_flag(name: &str, value: &Word, context: &mut Context<'_>) -> Result<i64, Reported> {
    let message = match nanoseconds(&value.text) {
        Ok(0) => return Ok(0),
        Ok(time) if time >= 1_000_000 => return Ok(time),
        Ok(_) => format!("Interval \"{name}\" cannot be less than 1ms"),
        Err(message) => message,
    };
    context.problems.report(
        value.span,
        format!("HEALTHCHECK: invalid option --{name}: {message}"),
    );
    Err(Reported)
}

fn retries(value: &Word, context: &mut Context<'_>) -> Result<u32, Reported> {
    value.text.parse().map_err(|_| {
        let message = format!("not a number from 0 on: {}", value.text);
        context.problems.report(
            value.span,
            format!("HEALTHCHECK: invalid option --retries: {message}"),
        );
        Reported
    })
}

/// A duration as Go writes it, `1m30s` or `1.5h`.
fn nanoseconds(text: &str) -> Result<i64, String> {
    let invalid = || format!("invalid duration \"{text}\"");
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if unsigned == "0" {
        return Ok(0);
    }
    let mut rest = unsigned;
    let mut total: i64 = 0;
    while !rest.is_empty() || unsigned.is_empty() {
        let number = rest
            .find(|character: char| !character.is_ascii_digit() && character != '.')
            .unwrap_or(rest.len());
        let (number, after) = rest.split_at(number);
        let unit = after
            .find(|character: char| character.is_ascii_digit() || character == '.')
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(unit);
        if number.is_empty() {
            return Err(invalid());
        }
        if unit.is_empty() {
            return Err(format!("missing unit in duration \"{text}\""));
        }
        let scale =
            scale(unit).ok_or_else(|| format!("unknown unit \"{unit}\" in duration \"{text}\""))?;
        let part = scaled(number, scale).ok_or_else(invalid)?;
        total = total.checked_add(part).ok_or_else(invalid)?;
        rest = after;
    }
    Ok(if text.starts_with('-') { -total } else { total })
}

fn scale(unit: &str) -> Option<i64> {
    Some(match unit {
        "ns" => 1,
        "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    })
}

/// `12` or `1.5` times `scale`; digits beyond nanoseconds are cut off.
fn scaled(number: &str, scale: i64) -> Option<i64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
        return None;
    }
    let whole: i64 = if whole.is_empty() {
        0
    } else {
        whole.parse().ok()?
    };
    let mut total = whole.checked_mul(scale)?;
    let mut place = scale;
    for digit in fraction.bytes() {
        // `place` is at most an hour, so nine times that is far from the limit.
        total = total.checked_add(i64::from(digit - b'0') * place / 10)?;
        place /= 10;
    }
    Some(total)
}
