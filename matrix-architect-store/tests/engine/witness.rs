//! Whoever reads what the process itself logs.

use std::{
    fmt::{Debug, Write as _},
    sync::{Arc, Mutex},
};

use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

/// Keeps every field of every span and event on its thread.
#[derive(Clone, Default)]
pub(crate) struct Witness(Arc<Mutex<String>>);

impl Witness {
    pub(crate) fn text(&self) -> String {
        self.0.lock().unwrap().clone()
    }

    fn note(&self, record: impl FnOnce(&mut dyn Visit)) {
        record(&mut Fields(&mut self.0.lock().unwrap()));
    }
}

struct Fields<'a>(&'a mut String);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = writeln!(self.0, "{field}={value:?}");
    }
}

impl Subscriber for Witness {
    fn enabled(&self, _metadata: &Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, span: &span::Attributes<'_>) -> span::Id {
        self.note(|fields| span.record(fields));
        span::Id::from_u64(1)
    }
    fn event(&self, event: &Event<'_>) {
        self.note(|fields| event.record(fields));
    }
    fn record(&self, _span: &span::Id, values: &span::Record<'_>) {
        self.note(|fields| values.record(fields));
    }
    fn record_follows_from(&self, _span: &span::Id, _follows: &span::Id) {}
    fn enter(&self, _span: &span::Id) {}
    fn exit(&self, _span: &span::Id) {}
}
