//! Names of accounts, and which of them share their limits.

/// What stands in the name of each account whose key a caller has brought, between the host and a print of the key.
pub const CALLERS: &str = " (caller key ";

/// The accounts that the limits of `account` hold for, by the beginning of their names, if they are several: what may
/// be spent by a server whose callers bring their keys may be spent by all of them together.
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
