//! Where a message stands in a trace: W3C trace context that follows from the messages alone, so that
//! whoever says a thing twice says it with the same header.
//!
//! <https://www.w3.org/TR/trace-context/#traceparent-header>

use std::fmt;

use data_encoding::HEXLOWER;

use crate::EventId;

/// The trace that a message belongs to, and the span in which it was published.
///
/// A message that nothing in Aegis caused begins a trace, named by its id. What answers a message
/// belongs to the same trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceContext {
    trace: [u8; 16],
    span: [u8; 8],
}

impl TraceContext {
    /// The context of an event that begins a trace.
    #[must_use]
    pub fn root(event: EventId) -> Self {
        Self {
            trace: *event.as_bytes(),
            span: head(event),
        }
    }

    /// The context of an event that is said in answer to one with this context.
    #[must_use]
    pub fn answer(self, event: EventId) -> Self {
        Self {
            span: head(event),
            ..self
        }
    }

    /// Reads the header's value; `None` when it is not of version 0 or names nothing.
    #[must_use]
    pub fn parse(raw: &str) -> Option<Self> {
        let [version, trace, span, flags] = raw.split('-').collect::<Vec<_>>().try_into().ok()?;
        let hex = |text: &str| HEXLOWER.decode(text.as_bytes()).ok();
        let [_] = hex(flags)?.try_into().ok()?;
        let context = Self {
            trace: hex(trace)?.try_into().ok()?,
            span: hex(span)?.try_into().ok()?,
        };
        let named = context.trace != [0; 16] && context.span != [0; 8];
        (version == "00" && named).then_some(context)
    }

    /// The trace, as 32 hexadecimal digits.
    #[must_use]
    pub fn trace_id(&self) -> String {
        HEXLOWER.encode(&self.trace)
    }

    /// The span, as 16 hexadecimal digits.
    #[must_use]
    pub fn span_id(&self) -> String {
        HEXLOWER.encode(&self.span)
    }
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Always sampled: whether spans are kept is decided by who collects them.
        write!(f, "00-{}-{}-01", self.trace_id(), self.span_id())
    }
}

/// Ids are hashes, so a part of one names as well.
fn head(event: EventId) -> [u8; 8] {
    let (head, _) = event
        .as_bytes()
        .split_first_chunk()
        .expect("16 bytes are more than 8");
    *head
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_stays_in_the_trace_of_what_caused_it() {
        let (first, second) = (
            EventId::of_content("test", b"first"),
            EventId::of_content("test", b"second"),
        );
        let root = TraceContext::root(first);
        let answer = root.answer(second);
        assert_eq!(answer.trace_id(), HEXLOWER.encode(first.as_bytes()));
        assert_eq!(answer.span_id(), TraceContext::root(second).span_id());
        assert_eq!(TraceContext::parse(&answer.to_string()), Some(answer));
    }

    #[test]
    fn only_a_header_that_names_something_is_one() {
        let (trace, span) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
        let right = format!("00-{trace}-{span}-01");
        assert_eq!(
            TraceContext::parse(&right).map(|context| context.to_string()),
            Some(right)
        );
        for wrong in [
            String::new(),
            "00\r\n\r\n".to_owned(),
            format!("01-{trace}-{span}-01"),
            format!("00-{trace}-{span}"),
            format!("00-{trace}-{span}-01-more"),
            format!("00-{}-{span}-01", "0".repeat(32)),
            format!("00-{trace}-{}-01", "0".repeat(16)),
            format!("00-{}-{span}-01", trace.to_uppercase()),
            format!("00-{trace}ff-{span}-01"),
        ] {
            assert_eq!(TraceContext::parse(&wrong), None, "{wrong}");
        }
    }
}
