//! Account names, and which accounts share their limits.

/// Marks the name of an account whose key a caller brought. It stands between the host and the key's fingerprint.
pub const CALLERS: &str = " (caller key ";

/// The common prefix of the accounts that share the limits of `account`, if there are several. Callers who bring their
/// own keys share the limits of the server.
pub(super) fn pool(account: &str) -> Option<&str> {
    let (host, _) = account.split_once(CALLERS)?;
    account.get(..host.len() + CALLERS.len())
}

/// The first and the last of the names that accounts at the host of `account` can have.
///
/// An idempotency key buys once there, also after the key that pays was replaced.
pub(super) fn at_host(account: &str) -> (String, String) {
    let host = account.split(" (").next().unwrap_or_default();
    (host.to_owned(), format!("{host} (\u{10ffff}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_at_a_host_are_those_of_all_its_keys_and_of_no_other_host() {
        let (first, last) = at_host("https://a.example (key 0a)");
        let is_there = |account: &str| (first.as_str()..=last.as_str()).contains(&account);
        assert!(is_there("https://a.example") && is_there("https://a.example (key ff)"));
        assert!(is_there("https://a.example (caller key 0a)"));
        assert!(!is_there("https://a.example.org (key 0a)") && !is_there("https://a.example:81 (key 0a)"));
        assert!(!is_there("https://b.example (key 0a)"));
    }

    #[test]
    fn accounts_of_callers_at_one_host_share_their_limits_and_others_do_not() {
        assert_eq!(pool("https://a.example (caller key 0a)"), pool("https://a.example (caller key 0b)"));
        assert_ne!(pool("https://a.example (caller key 0a)"), pool("https://b.example (caller key 0a)"));
        assert_eq!(pool("https://a.example (key 0a)"), None);
        assert_eq!(pool("https://a.example"), None);
    }
}
