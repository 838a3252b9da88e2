//! How an image on its way is shown.

use ch_transfer::{Event, LayerEvent, PartEvent, PushEvent};

use crate::terminal::{Terminal, Transfers};

/// Shows one event: as a line that stays, or as progress of one layer, by its number.
pub(super) fn show(event: &Event, transfers: &Transfers<'_, usize>, terminal: &Terminal) {
    match event {
        Event::Layer(label, LayerEvent::Started { total }) => {
            let line = event.line().unwrap_or_default();
            transfers.start(label.index, line, Some(*total));
        }
        Event::Layer(label, LayerEvent::Progress { done, .. }) => {
            transfers.advance(&label.index, *done);
        }
        Event::Layer(label, LayerEvent::Unpacking) => {
            transfers.arrived(&label.index, format_args!("{label}: unpacking"));
        }
        Event::Layer(label, LayerEvent::Downloaded { .. }) => transfers.finish(&label.index),
        Event::Push(event) => show_push(event, transfers, terminal),
        Event::Warning(text) => terminal.warning(text),
        // On a terminal there is no log that somebody would search for these.
        Event::Unpacked(_) if terminal.has_live_area() => {}
        Event::Unpacked(_) => event.phases().iter().for_each(|line| terminal.info(line)),
        _ => event.line().iter().for_each(|line| terminal.info(line)),
    }
}

/// Shows one event of a push.
fn show_push(event: &PushEvent, transfers: &Transfers<'_, usize>, terminal: &Terminal) {
    match event {
        PushEvent::Part(part, PartEvent::Started { total }) => {
            let line = event.line().unwrap_or_default();
            transfers.start(part.number(), line, Some(*total));
        }
        PushEvent::Part(part, PartEvent::Progress { done }) => {
            transfers.advance(&part.number(), *done);
        }
        PushEvent::Part(part, PartEvent::Uploaded) => transfers.finish(&part.number()),
        _ if event.is_for_logs() && terminal.has_live_area() => {}
        _ => event.line().iter().for_each(|line| terminal.info(line)),
    }
}
