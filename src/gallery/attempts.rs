//! Limits the wrong tokens of an address. After too many it has to wait.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::HeaderMap;
use tokio::time::Instant;

/// The most wrong tokens of an address within [`WINDOW`].
const MOST: u32 = 10;

/// How long wrong tokens count.
const WINDOW: Duration = Duration::from_mins(10);

/// The most addresses that are remembered. A new one replaces the one whose time ends first.
const ADDRESSES: usize = 4096;

/// The wrong tokens of the last minutes, by address.
#[derive(Debug, Default)]
pub(super) struct Attempts(Mutex<HashMap<IpAddr, Wrong>>);

#[derive(Debug, Clone, Copy)]
struct Wrong {
    count: u32,
    ends: Instant,
}

impl Attempts {
    fn known(&self) -> MutexGuard<'_, HashMap<IpAddr, Wrong>> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        known.retain(|_, wrong| wrong.ends > now);
        known
    }

    /// Counts an attempt as a wrong token until [`Self::succeeded`] takes it back, so that many at once do not pass the
    /// bound. The error is the time to wait.
    pub(super) fn begin(&self, from: IpAddr) -> Result<(), Duration> {
        let mut known = self.known();
        let now = Instant::now();
        let from = network(from);
        if !known.contains_key(&from)
            && known.len() >= ADDRESSES
            && let Some(first) = known.iter().min_by_key(|(_, wrong)| wrong.ends).map(|(from, _)| *from)
        {
            known.remove(&first);
        }
        let wrong = known.entry(from).or_insert(Wrong { count: 0, ends: now + WINDOW });
        if wrong.count >= MOST {
            return Err(wrong.ends.duration_since(now));
        }
        wrong.count += 1;
        Ok(())
    }

    /// Takes back an attempt that had a right token.
    pub(super) fn succeeded(&self, from: IpAddr) {
        if let Some(wrong) = self.known().get_mut(&network(from)) {
            wrong.count = wrong.count.saturating_sub(1);
        }
    }
}

/// The address for which attempts count: one household or server has a whole /64 of IPv6.
fn network(from: IpAddr) -> IpAddr {
    match from.to_canonical() {
        IpAddr::V4(from) => from.into(),
        IpAddr::V6(from) => {
            let [a, b, c, d, ..] = from.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
    }
}

/// The address that a request comes from. A proxy in a private network appends the address of its client to
/// `X-Forwarded-For`; any entry before it may be forged by the client.
pub(super) fn origin(peer: IpAddr, headers: &HeaderMap, has_proxy: bool) -> IpAddr {
    let peer = peer.to_canonical();
    let is_near = match peer {
        IpAddr::V4(peer) => peer.is_loopback() || peer.is_private() || peer.is_link_local(),
        IpAddr::V6(peer) => peer.is_loopback() || peer.is_unique_local() || peer.is_unicast_link_local(),
    };
    if !has_proxy || !is_near {
        return peer;
    }
    let mut lines = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok());
    let last = lines.next_back().and_then(|line| line.rsplit(',').next()).map(str::trim);
    last.and_then(|address| address.parse().ok()).unwrap_or(peer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_has_to_wait_after_wrong_tokens_and_others_do_not() {
        let attempts = Attempts::default();
        for _ in 0..MOST {
            attempts.begin(ip("192.0.2.1")).unwrap();
        }
        assert_eq!(attempts.begin(ip("192.0.2.1")), Err(WINDOW));
        assert_eq!(attempts.begin(ip("::ffff:192.0.2.1")), Err(WINDOW), "the same address");
        assert_eq!(attempts.begin(ip("192.0.2.2")), Ok(()));
        tokio::time::advance(WINDOW / 2).await;
        assert_eq!(attempts.begin(ip("192.0.2.1")), Err(WINDOW / 2), "the wait does not start again");
        tokio::time::advance(WINDOW / 2).await;
        assert_eq!(attempts.begin(ip("192.0.2.1")), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn right_tokens_do_not_count_and_a_network_of_ipv6_is_one_address() {
        let attempts = Attempts::default();
        for number in 0..u16::try_from(10 * MOST).unwrap() {
            let from = Ipv6Addr::new(0x2001, 0xdb8, 0, 1, number, 0, 0, 1).into();
            attempts.begin(from).unwrap();
            attempts.succeeded(from);
        }
        for number in 0..u16::try_from(MOST).unwrap() {
            attempts.begin(Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 0, 0, 0, number).into()).unwrap();
        }
        assert!(attempts.begin(ip("2001:db8:0:1::ffff")).is_err());
        assert!(attempts.begin(ip("2001:db8:0:2::ffff")).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn many_addresses_take_a_bounded_amount_of_memory() {
        let attempts = Attempts::default();
        for number in 0..2 * u32::try_from(ADDRESSES).unwrap() {
            tokio::time::advance(Duration::from_millis(1)).await;
            attempts.begin(std::net::Ipv4Addr::from(number).into()).unwrap();
        }
        assert_eq!(attempts.known().len(), ADDRESSES);
    }

    #[test]
    fn only_a_proxy_in_a_private_network_may_name_its_client() {
        let of = |peer: &str, lines: &[&str], has_proxy: bool| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append("x-forwarded-for", line.parse().unwrap());
            }
            origin(ip(peer), &headers, has_proxy).to_string()
        };
        for (peer, lines, has_proxy, expected) in [
            ("127.0.0.1", &["198.51.100.7"][..], true, "198.51.100.7"),
            ("127.0.0.1", &["203.0.113.1, 198.51.100.7"], true, "198.51.100.7"),
            ("10.0.0.2", &["203.0.113.1", "198.51.100.7"], true, "198.51.100.7"),
            ("::1", &["2001:db8::1"], true, "2001:db8::1"),
            ("127.0.0.1", &["198.51.100.7"], false, "127.0.0.1"),
            ("198.51.100.9", &["198.51.100.7"], true, "198.51.100.9"),
            ("127.0.0.1", &["unknown"], true, "127.0.0.1"),
            ("127.0.0.1", &[], true, "127.0.0.1"),
            ("::ffff:127.0.0.1", &[], true, "127.0.0.1"),
        ] {
            assert_eq!(of(peer, lines, has_proxy), expected, "{peer} {lines:?}");
        }
    }
}
