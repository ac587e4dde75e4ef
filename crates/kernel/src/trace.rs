use std::{fmt, str::FromStr};

/// A position in a trace, as in a W3C `traceparent`: trace id and span id.
///
/// A saga stores the position of its root span, so that all its work belongs to one trace, in every
/// process and after every crash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceRef {
    trace_id: String,
    span_id: String,
}

/// The text is not a `traceparent`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a W3C traceparent: 00-<32 hex digits>-<16 hex digits>-<2 hex digits> is expected")]
pub struct TraceRefError;

impl TraceRef {
    /// Creates a position from the hexadecimal ids.
    ///
    /// # Errors
    /// When an id has the wrong length, contains anything but lower-case hex digits, or is all
    /// zero.
    pub fn new(trace_id: &str, span_id: &str) -> Result<Self, TraceRefError> {
        let hex = |id: &str, len| {
            id.len() == len
                && id
                    .bytes()
                    .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
                && id.bytes().any(|b| b != b'0')
        };
        (hex(trace_id, 32) && hex(span_id, 16))
            .then(|| Self {
                trace_id: trace_id.to_owned(),
                span_id: span_id.to_owned(),
            })
            .ok_or(TraceRefError)
    }

    /// A new trace with random ids.
    pub fn random() -> Self {
        loop {
            let (trace_id, span_id) = (rand::random::<u128>(), rand::random::<u64>());
            if trace_id != 0 && span_id != 0 {
                return Self {
                    trace_id: format!("{trace_id:032x}"),
                    span_id: format!("{span_id:016x}"),
                };
            }
        }
    }

    /// The same trace, under a new random span id.
    #[must_use]
    pub fn child(&self) -> Self {
        Self {
            trace_id: self.trace_id.clone(),
            span_id: Self::random().span_id,
        }
    }

    /// 32 hex digits.
    pub fn trace_id(&self) -> &str {
        &self.trace_id
    }

    /// 16 hex digits.
    pub fn span_id(&self) -> &str {
        &self.span_id
    }
}

impl fmt::Display for TraceRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{}-{}-01", self.trace_id, self.span_id)
    }
}

impl FromStr for TraceRef {
    type Err = TraceRefError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.split('-');
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(version), Some(trace_id), Some(span_id), Some(_))
                if version.len() == 2 && version != "ff" =>
            {
                Self::new(trace_id, span_id)
            }
            _ => Err(TraceRefError),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_traceparent_reads_back_as_written() {
        let trace = TraceRef::random();
        assert_eq!(trace.to_string().parse(), Ok(trace.clone()));
        assert_eq!(trace.child().trace_id(), trace.trace_id());
        assert_ne!(trace.child().span_id(), trace.span_id());
    }

    #[test]
    fn nonsense_is_refused() {
        for wrong in [
            "",
            "00-0-0-01",
            "00-00000000000000000000000000000000-0000000000000001-01",
            "hello",
        ] {
            assert!(wrong.parse::<TraceRef>().is_err(), "{wrong}");
        }
    }
}
