//! Sets up the log and the export of spans.

use std::fmt::{self, Write as _};
use std::time::Duration;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tokio::runtime::Handle;
use tracing::field::{Field, Visit};
use tracing::{Level, Metadata};
use tracing_subscriber::field::{RecordFields, VisitOutput as _};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::{DefaultVisitor, Writer};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

use super::{otlp, redact};
use crate::config::{DEFAULT_LOG, TelemetrySettings};

/// How long the program waits for unsent spans when it exits.
const FLUSH: Duration = Duration::from_millis(500);

/// How much of one value a log line shows, in bytes. At the level `trace`, a whole message with a file in it is one value.
const LONGEST: usize = 8 * 1024;

/// The running telemetry. Stop it at the end of the program, so that the last spans are sent.
#[derive(Debug)]
#[must_use]
pub struct Telemetry {
    spans: Option<SdkTracerProvider>,
}

/// Whether a text is a log filter. If it is not, the default filter applies.
pub fn is_filter(text: &str) -> bool {
    EnvFilter::try_new(text).is_ok() && text.split(',').all(|part| !is_misspelt_level(part.trim()))
}

/// True for a word that is probably a misspelt level. The library reads it as the name of a target, and then logs nothing
/// else.
fn is_misspelt_level(part: &str) -> bool {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    let is_word = !part.is_empty() && part.chars().all(|letter| letter.is_ascii_alphabetic());
    is_word && part != "rmcp" && !LEVELS.iter().any(|level| level.eq_ignore_ascii_case(part))
}

/// Writes log lines to stderr, because stdout is the protocol, and exports spans on `runtime` if the settings name a
/// collector. A second call in the same process, as in tests, has no effect.
pub fn start(filter: &str, settings: &TelemetrySettings, runtime: &Handle) -> Telemetry {
    let log = tracing_subscriber::fmt::layer()
        .fmt_fields(Fields)
        .with_writer(redact::stderr)
        .with_ansi(false)
        .with_filter(EnvFilter::new(if is_filter(filter) { filter } else { DEFAULT_LOG }));
    let (spans, problem) = match settings.otlp.as_ref().map(|otlp| otlp::provider(otlp, runtime)).transpose()
    {
        Ok(spans) => (spans, None),
        Err(problem) => (None, Some(problem)),
    };
    let traces = spans.as_ref().map(|spans| {
        tracing_opentelemetry::layer()
            .with_tracer(spans.tracer("minimax-mcp"))
            // The source location of a span is of no use to the operator.
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false)
            .with_filter(filter_fn(is_our_span))
    });
    let _ = tracing_subscriber::registry().with(log).with(traces).try_init();
    if let Some(problem) = problem {
        tracing::warn!("no spans are sent: {problem}");
    }
    Telemetry { spans }
}

/// Exports spans only. A log line may quote an error, and an error may contain anything.
fn is_our_span(metadata: &Metadata<'_>) -> bool {
    metadata.is_span() && metadata.target().starts_with("minimax_mcp") && *metadata.level() <= Level::INFO
}

impl Telemetry {
    /// Sends the remaining spans. Gives up after half a second.
    pub fn stop(self) {
        if let Some(spans) = self.spans {
            let _ = spans.shutdown_with_timeout(FLUSH);
        }
    }
}

/// The usual format of fields, without the fields that only concern the export of spans.
struct Fields;

struct Shown<'a>(DefaultVisitor<'a>);

impl<'writer> FormatFields<'writer> for Fields {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'writer>, fields: R) -> fmt::Result {
        let mut shown = Shown(DefaultVisitor::new(writer, true));
        fields.record(&mut shown);
        shown.0.finish()
    }
}

fn is_shown(field: &Field) -> bool {
    !field.name().starts_with("otel.")
}

impl Visit for Shown<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if is_shown(field) {
            self.0.record_debug(field, &Beginning(value));
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.record_debug(field, &format_args!("{value}"));
        } else {
            self.record_debug(field, &value);
        }
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        if is_shown(field) {
            self.0.record_error(field, value);
        }
    }
}

/// The first [`LONGEST`] bytes of a value. The rest is not formatted.
struct Beginning<'a>(&'a dyn fmt::Debug);

impl fmt::Debug for Beginning<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut cut = Cut { writer: f, left: LONGEST, is_full: false };
        let written = write!(cut, "{:?}", self.0);
        if cut.is_full { f.write_str("… (cut)") } else { written }
    }
}

/// A writer that fails after a number of bytes, which ends the formatting.
struct Cut<'a, 'b> {
    writer: &'a mut fmt::Formatter<'b>,
    left: usize,
    is_full: bool,
}

impl fmt::Write for Cut<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let (start, rest) = text.split_at(text.floor_char_boundary(self.left));
        self.writer.write_str(start)?;
        self.left = self.left.saturating_sub(start.len());
        if rest.is_empty() {
            return Ok(());
        }
        self.is_full = true;
        Err(fmt::Error)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn only_the_beginning_of_a_long_value_is_formatted() {
        struct Long<'a>(&'a Cell<usize>);
        impl fmt::Debug for Long<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                for n in 1..=1_000_000 {
                    self.0.set(n);
                    f.write_str("长")?;
                }
                Ok(())
            }
        }
        let letters = Cell::new(0);
        let shown = format!("{:?}", Beginning(&Long(&letters)));
        assert_eq!(letters.get(), LONGEST / 3 + 1);
        assert_eq!(shown, "长".repeat(LONGEST / 3) + "… (cut)");
        for whole in ["", "a \"short\" one", &"x".repeat(LONGEST - 2)] {
            assert_eq!(format!("{:?}", Beginning(&whole)), format!("{whole:?}"));
        }
    }

    #[test]
    fn a_misspelt_level_is_not_a_filter() {
        for text in [
            "info",
            "WARN",
            "off",
            DEFAULT_LOG,
            "minimax_mcp=debug",
            "rmcp",
            "hyper::client",
            "warn,rmcp=off",
        ] {
            assert!(is_filter(text), "{text}");
        }
        for text in ["loud", "inof", "verbose", "warn,debg", "minimax_mcp=loud"] {
            assert!(!is_filter(text), "{text}");
        }
    }
}
