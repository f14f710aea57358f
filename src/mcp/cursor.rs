//! Cursors of lists: a place in a list, with a mark by which the list recognizes its own cursors.
//!
//! A client that sends any other cursor gets an error, because an arbitrary page would repeat rows or skip them.

use data_encoding::HEXLOWER;
use rmcp::ErrorData;
use rmcp::model::PaginatedRequestParams;
use sha2::{Digest as _, Sha256};

use crate::mcp::error::ToolError;

/// The cursor for a place in a list.
pub(crate) fn give(list: &str, place: &str) -> String {
    format!("{place}.{}", mark(list, place))
}

/// The place that a cursor names, if this list gave it.
pub(crate) fn place<'a>(list: &str, cursor: &'a str) -> Option<&'a str> {
    let (place, given) = cursor.trim().rsplit_once('.')?;
    (given == mark(list, place)).then_some(place)
}

/// As [`place`], for the argument `cursor` of the tool that the list is named after. `read` parses the place.
pub(crate) fn read<T>(
    list: &str,
    cursor: &str,
    read: impl FnOnce(&str) -> Option<T>,
) -> Result<T, ToolError> {
    place(list, cursor).and_then(read).ok_or_else(|| {
        let problem = format!("is not one that {list} gave; leave it out for the first page");
        ToolError::argument("cursor", problem)
    })
}

/// Refuses a cursor for a list of the protocol that has only one page.
pub(crate) fn only_page(page: Option<PaginatedRequestParams>) -> Result<(), ErrorData> {
    match page.and_then(|page| page.cursor).filter(|cursor| !cursor.is_empty()) {
        Some(_) => Err(unknown()),
        None => Ok(()),
    }
}

/// The error for a cursor that no list of the protocol gave.
pub(crate) fn unknown() -> ErrorData {
    let text = "`cursor` is not one that this list gave; leave it out for the first page";
    ErrorData::invalid_params(text, None)
}

/// Part of a hash, enough to tell a cursor from a text that only looks like one. It protects nothing secret.
fn mark(list: &str, place: &str) -> String {
    let hash = Sha256::digest(format!("{list}\n{place}"));
    HEXLOWER.encode(hash.get(..4).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_reads_its_own_cursors_and_no_others() {
        let cursor = give("rows", "17.job.1");
        assert_eq!(place("rows", &cursor), Some("17.job.1"));
        assert_eq!(place("columns", &cursor), None);
        for never_given in ["", "abc", "0", "17.job.1", "17.job.2.00000000", "17.job.1.", "…"] {
            assert_eq!(place("rows", never_given), None, "{never_given}");
        }
    }
}
