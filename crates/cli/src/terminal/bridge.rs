//! From the libraries' `tracing` events to the log.
//!
//! A library's `info` is our verbose: what the user is to see without `-v` are the typed events,
//! which the commands draw.

use std::fmt::{self, Write as _};
use std::sync::Arc;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::{EnvFilter, Registry};

use super::{Kind, Terminal, Verbosity};
use crate::environment::{self, Environment};

/// Makes `terminal` the process' receiver of events; `RUST_LOG` replaces the filter.
pub(super) fn install(terminal: Arc<Terminal>, environment: &Environment) {
    let filter = match environment.text(environment::RUST_LOG) {
        Some(filter) => filter,
        None => default_filter(terminal.verbosity()).to_owned(),
    };
    let subscriber = Registry::default()
        .with(EnvFilter::new(filter))
        .with(Bridge { terminal });
    // Only tests can have installed another one; theirs may stay.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

/// What the libraries need not even format.
fn default_filter(verbosity: Verbosity) -> &'static str {
    match verbosity {
        Verbosity::TRACE => "trace",
        Verbosity::DEBUG => "debug",
        Verbosity::VERBOSE => "info",
        _ => "warn",
    }
}

struct Bridge {
    terminal: Arc<Terminal>,
}

impl<S: Subscriber> Layer<S> for Bridge {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut text = Text::default();
        event.record(&mut text);
        let text = format!("{}{}", text.message, text.fields);
        match *event.metadata().level() {
            Level::ERROR | Level::WARN => self.terminal.warning(text),
            Level::INFO => self.terminal.message(Kind::Verbose, &text),
            Level::DEBUG => self.terminal.message(Kind::Debug, &text),
            Level::TRACE => self.terminal.message(Kind::Trace, &text),
        }
    }
}

/// An event as one line: its message, then its fields.
#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let _ = if field.name() == "message" {
            write!(self.message, "{value:?}")
        } else {
            write!(self.fields, " {field}={value:?}")
        };
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }
}
