//! Account names, and which accounts share their limits.

/// Marks the name of an account whose key a caller brought. It stands between the host and the key's fingerprint.
pub const CALLERS: &str = " (caller key ";

/// The common prefix of the accounts that share the limits of `account`, if there are several. Callers who bring their
/// own keys share the limits of the server.
pub(super) fn pool(account: &str) -> Option<&str> {
    let (host, _) = account.split_once(CALLERS)?;
    account.get(..host.len() + CALLERS.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_of_callers_at_one_host_share_their_limits_and_others_do_not() {
        assert_eq!(pool("https://a.example (caller key 0a)"), pool("https://a.example (caller key 0b)"));
        assert_ne!(pool("https://a.example (caller key 0a)"), pool("https://b.example (caller key 0a)"));
        assert_eq!(pool("https://a.example (key 0a)"), None);
        assert_eq!(pool("https://a.example"), None);
    }
}
