//! The caller's trace context (W3C Trace Context).

use std::collections::HashMap;

use opentelemetry::Context;
use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::TraceContextExt as _;
use opentelemetry_sdk::propagation::TraceContextPropagator;

/// The caller's span, if the caller sent one.
#[derive(Debug, Clone, Default)]
pub struct Parent {
    context: Option<Context>,
}

/// The longest value that is read. The recommendation asks for at least 512 characters.
const LONGEST: usize = 4096;

impl Parent {
    /// Reads `traceparent` and `tracestate`. Malformed values are ignored.
    pub fn read(traceparent: Option<&str>, tracestate: Option<&str>) -> Self {
        let traceparent = traceparent.filter(|text| is_in_form(text));
        let fields = [("traceparent", traceparent), ("tracestate", tracestate)];
        let fields =
            fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())));
        let fields: HashMap<_, _> = fields.filter(|(_, value)| value.len() <= LONGEST).collect();
        let context = TraceContextPropagator::new().extract_with_context(&Context::new(), &fields);
        let valid = context.span().span_context().is_valid();
        Self { context: valid.then_some(context) }
    }

    /// True if the caller sent a valid trace context.
    pub fn is_known(&self) -> bool {
        self.context.is_some()
    }

    pub(super) fn context(&self) -> Option<Context> {
        self.context.clone()
    }

    /// The trace id, as 32 hexadecimal digits.
    pub fn trace(&self) -> Option<String> {
        self.context.as_ref().map(|context| context.span().span_context().trace_id().to_string())
    }
}

/// Checks the form, because the library accepts short ids and pads them.
fn is_in_form(traceparent: &str) -> bool {
    let hexadecimal = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    let mut parts = traceparent.split('-');
    let mut fits =
        |length| parts.next().is_some_and(|part| part.len() == length && part.bytes().all(hexadecimal));
    let known = [2, 32, 16, 2].into_iter().all(&mut fits);
    // Only future versions may have more parts.
    known && (parts.next().is_none() || !traceparent.starts_with("00"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_valid_trace_context_is_read_and_anything_else_is_ignored() {
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let parent = Parent::read(Some(good), Some("vendor=1"));
        assert_eq!(parent.trace().as_deref(), Some("0af7651916cd43dd8448eb211c80319c"));
        assert_eq!(Parent::read(Some(good), Some("=,=;\u{0}")).trace(), parent.trace());
        for bad in [
            "",
            "00",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0af7651916cd43dd8448eb211c8031-b7ad6b7169203331-01",
            "00-ÿÿf7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            &"0".repeat(100_000),
        ] {
            assert_eq!(Parent::read(Some(bad), None).trace(), None, "{bad:.80}");
        }
        assert!(!Parent::read(None, Some("vendor=1")).is_known());
    }
}
