//! Validators (RFC 9110): which version of a file a host has. A download may only resume with the same version.

use reqwest::header::{ACCEPT_RANGES, CONTENT_RANGE, ETAG, HeaderMap, HeaderName, LAST_MODIFIED};
use serde::{Deserialize, Serialize};

/// What distinguishes versions of a file on a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Validator {
    /// The length in bytes.
    pub(crate) length: u64,
    etag: Option<String>,
    modified: Option<String>,
}

impl Validator {
    /// `None` if the host sends no length or no validator, or does not support ranges.
    pub(crate) fn of(headers: &HeaderMap, length: Option<u64>) -> Option<Self> {
        if text(headers, &ACCEPT_RANGES).is_some_and(|unit| unit.eq_ignore_ascii_case("none")) {
            return None;
        }
        // A weak tag may stand for files with different bytes.
        let etag = text(headers, &ETAG).filter(|tag| tag.starts_with('"'));
        let modified = text(headers, &LAST_MODIFIED);
        let version = Self { length: length?, etag, modified };
        (version.length > 0 && version.condition().is_some()).then_some(version)
    }

    /// The value for `If-Range`.
    pub(crate) fn condition(&self) -> Option<&str> {
        self.etag.as_deref().or(self.modified.as_deref())
    }

    /// True if a response with status 206 matches the request: the same version, from `start` to the end.
    pub(crate) fn goes_on(&self, headers: &HeaderMap, start: u64) -> bool {
        let last = self.length.saturating_sub(1);
        let wanted = format!("bytes {start}-{last}/{}", self.length);
        let same = |known: &Option<String>, name| {
            let said = text(headers, &name);
            said.is_none() || known.is_none() || said == *known
        };
        text(headers, &CONTENT_RANGE).is_some_and(|range| range.eq_ignore_ascii_case(&wanted))
            && same(&self.etag, ETAG)
            && (self.etag.is_some() || same(&self.modified, LAST_MODIFIED))
    }
}

fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    Some(headers.get(name)?.to_str().ok()?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    #[test]
    fn a_download_is_resumed_only_from_a_host_with_validators_and_ranges() {
        let of = |headers: &[(HeaderName, &'static str)], length| {
            let headers =
                headers.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect();
            Validator::of(&headers, length)
        };
        assert!(of(&[(ETAG, "\"a\"")], Some(5)).is_some());
        assert!(of(&[(LAST_MODIFIED, "Sat, 01 Aug 2026 00:00:00 GMT")], Some(5)).is_some());
        assert!(of(&[(ETAG, "\"a\"")], None).is_none());
        assert!(of(&[(ETAG, "W/\"a\"")], Some(5)).is_none());
        assert!(of(&[], Some(5)).is_none());
        assert!(of(&[(ETAG, "\"a\""), (ACCEPT_RANGES, "none")], Some(5)).is_none());
        let goes_on = |range, tag| {
            let headers = [(CONTENT_RANGE, range), (ETAG, tag)];
            let headers =
                headers.into_iter().map(|(name, value)| (name, HeaderValue::from_static(value))).collect();
            of(&[(ETAG, "\"a\"")], Some(500)).unwrap().goes_on(&headers, 100)
        };
        assert!(goes_on("bytes 100-499/500", "\"a\""));
        for (range, tag) in [
            ("bytes 101-499/500", "\"a\""),
            ("bytes 100-498/500", "\"a\""),
            ("bytes 100-499/501", "\"a\""),
            ("bytes 100-499/*", "\"a\""),
            ("", "\"a\""),
            ("bytes 100-499/500", "\"b\""),
        ] {
            assert!(!goes_on(range, tag), "{range} {tag}");
        }
    }
}
