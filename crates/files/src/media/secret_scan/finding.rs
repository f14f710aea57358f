//! The finding of a scan.

/// A finding, without the secret itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    /// The rule that matched.
    pub(crate) rule: &'static str,
    /// The kind of secret, with its article if it has one.
    pub(crate) what: &'static str,
    /// The place: `, line 3` or `, in notes.txt, line 3`. May be empty.
    pub(crate) place: String,
}

impl Finding {
    pub(super) fn at(rule: &'static str, what: &'static str, text: &[u8], offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or_default();
        let line = before.split(|byte| *byte == b'\n').count();
        Self { rule, what, place: format!(", line {line}") }
    }
}
