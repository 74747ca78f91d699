//! What the process says about itself: lines for people on a terminal, JSON everywhere else.
//!
//! The JSON has the seed system's members: `timestamp`, `level`, `logger`, `message`, and beside
//! them whatever the event and its spans carry, such as `job_id`, `worker_id` and `trace_id`.

use std::{fmt, io::IsTerminal as _, sync::Arc};

use matrix_architect_core::traits::Clock;
use serde_json::{Map, Value};
use tracing::{Event, Subscriber, field::Visit};
use tracing_subscriber::{
    EnvFilter,
    fmt::{
        FmtContext, FormatEvent, FormatFields, FormattedFields,
        format::{JsonFields, Writer},
    },
    registry::{LookupSpan, Scope},
};

/// Installs the subscriber of this process. `filter` is what `ARCHITECT_LOG` says; `fallback` holds
/// when it says nothing or nothing legible. A second call changes nothing.
pub fn install(filter: Option<&str>, fallback: &str, clock: Arc<dyn Clock>) {
    let filter = filter.and_then(|text| EnvFilter::try_new(text).ok());
    let filter = filter.unwrap_or_else(|| EnvFilter::new(fallback));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // Only a second subscriber in the same process is an error, and then the first one stays.
    let _ = if std::io::stderr().is_terminal() {
        builder.compact().try_init()
    } else {
        let format = JsonLines { clock };
        builder.fmt_fields(JsonFields::new()).event_format(format).try_init()
    };
}

/// One JSON object a line.
struct JsonLines {
    clock: Arc<dyn Clock>,
}

impl<S> FormatEvent<S, JsonFields> for JsonLines
where
    S: Subscriber + for<'lookup> LookupSpan<'lookup>,
    JsonFields: for<'writer> FormatFields<'writer>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, JsonFields>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = Map::new();
        line.insert("timestamp".into(), self.clock.now().to_string().into());
        line.insert("level".into(), event.metadata().level().as_str().into());
        line.insert("logger".into(), event.metadata().target().replace("::", ".").into());
        for span in context.event_scope().into_iter().flat_map(Scope::from_root) {
            let extensions = span.extensions();
            let fields = extensions.get::<FormattedFields<JsonFields>>();
            let fields = fields.and_then(|text| serde_json::from_str(&text.fields).ok());
            line.extend(fields.into_iter().flat_map(|fields: Map<_, _>| fields));
        }
        event.record(&mut Members(&mut line));
        writeln!(writer, "{}", Value::Object(line))
    }
}

/// Puts an event's fields into the line.
struct Members<'a>(&'a mut Map<String, Value>);

impl Visit for Members<'_> {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &tracing::field::Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_u64(&mut self, field: &tracing::field::Field, value: u64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_i64(&mut self, field: &tracing::field::Field, value: i64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_bool(&mut self, field: &tracing::field::Field, value: bool) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}
