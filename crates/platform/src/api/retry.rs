//! When a request may be retried. A pure function, without a clock.

use std::time::Duration;

use super::{Accepted, ApiError, Blame};
use crate::facts::Class;

/// How long a free read may take with all its retries. For a call without a job this includes its wait in the queue.
pub const READ_LIMIT: Duration = Duration::from_secs(40);

/// What a retry would cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nature {
    /// A read. Sending it twice changes nothing.
    Read,
    /// A paid request. Every accepted request is billed.
    Paid,
    /// A paid text request. It may also be retried when MiniMax was overloaded (text generation > errors).
    Text,
}

/// The HTTP status for an overloaded MiniMax.
const OVERLOADED: u16 = 529;

/// The longest wait between two tries, even if `Retry-After` asks for more.
const LONGEST: Duration = Duration::from_secs(60);

/// How long to wait before the next try, or `None` to give up.
///
/// `tries` counts the tries already made and starts at 1. `chance` is the jitter, in 0..1. Any request is tried up to
/// eight times while it is throttled, and a read up to five times while the error is transient. A paid request is retried
/// only if MiniMax certainly did not accept it: it was throttled, or no connection was made. The exception is a text
/// request that an overloaded MiniMax refused.
pub fn pause(nature: Nature, error: &ApiError, tries: u32, chance: f64) -> Option<Duration> {
    let overloaded = matches!(error, ApiError::Refused { status: OVERLOADED, .. });
    let (most, first) = match (nature, error.class()) {
        (Nature::Text, _) if overloaded => (5, Duration::from_secs(1)),
        (_, Class::Rate) => (8, Duration::from_secs(1)),
        (Nature::Read, _) if error.blame() == Blame::Transient => (5, Duration::from_millis(500)),
        (Nature::Paid | Nature::Text, _) if matches!(error, ApiError::Unsent { .. }) => {
            (3, Duration::from_millis(500))
        }
        _ => return None,
    };
    let refused_as_busy = nature == Nature::Text && overloaded;
    let unsafe_to_repeat = nature != Nature::Read && error.accepted() != Accepted::No && !refused_as_busy;
    if tries >= most || unsafe_to_repeat {
        return None;
    }
    let grown = first.saturating_mul(2_u32.saturating_pow(tries.saturating_sub(1)));
    let spread = grown.mul_f64(0.75 + chance.clamp(0.0, 1.0) / 2.0);
    Some(error.retry_after().unwrap_or(spread).min(LONGEST))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::facts::facts;

    fn refused(code: Option<i64>, status: u16) -> ApiError {
        ApiError::Refused {
            at: "/v1/x".into(),
            status,
            code,
            message: String::new(),
            trace_id: None,
            retry_after: None,
        }
    }

    #[test]
    fn a_paid_request_is_repeated_only_if_minimax_did_not_accept_it() {
        let lost = ApiError::Lost { at: "/v1/x".into(), why: "reset".into(), answer: None };
        let unsent = ApiError::Unsent { at: "/v1/x".into(), why: "refused".into() };
        assert_eq!(pause(Nature::Paid, &lost, 1, 0.5), None);
        assert!(pause(Nature::Paid, &unsent, 1, 0.5).is_some());
        for row in facts().codes() {
            let again = pause(Nature::Paid, &refused(Some(row.code), 200), 1, 0.5).is_some();
            assert_eq!(again, row.class == Class::Rate, "code {}", row.code);
        }
        for status in [500, 502, 503, 504, 529, 408, 400, 401, 402, 302, 200] {
            assert_eq!(pause(Nature::Paid, &refused(None, status), 1, 0.5), None, "HTTP {status}");
        }
    }

    #[test]
    fn a_read_is_repeated_only_after_a_transient_error() {
        let again = |error: &ApiError| pause(Nature::Read, error, 1, 0.5).is_some();
        assert!(again(&ApiError::Lost { at: "/v1/x".into(), why: "reset".into(), answer: None }));
        assert!(
            again(&refused(None, 502))
                && again(&refused(Some(1000), 200))
                && again(&refused(Some(1002), 429))
        );
        assert!(
            !again(&refused(Some(2013), 200))
                && !again(&refused(Some(1004), 200))
                && !again(&ApiError::NoKey)
        );
    }

    #[test]
    fn waits_grow_end_and_obey_retry_after() {
        let error = refused(Some(1002), 429);
        let waits: Vec<_> = (1..=8).map(|tries| pause(Nature::Paid, &error, tries, 0.5)).collect();
        assert!(
            waits.windows(2).all(|pair| pair[1].is_none() || pair[0] < pair[1] || pair[1] == Some(LONGEST))
        );
        assert_eq!(waits.last(), Some(&None));
        let asked = ApiError::Refused {
            at: "/v1/x".into(),
            status: 429,
            code: None,
            message: String::new(),
            trace_id: None,
            retry_after: Some(Duration::from_secs(7)),
        };
        assert_eq!(pause(Nature::Paid, &asked, 1, 0.9), Some(Duration::from_secs(7)));
    }

    fn any_error() -> impl Strategy<Value = ApiError> {
        let known: Vec<i64> = facts().codes().iter().map(|row| row.code).collect();
        let code =
            prop_oneof![Just(None), prop::sample::select(known).prop_map(Some), any::<i64>().prop_map(Some)];
        let status = prop_oneof![Just(200), Just(429), Just(OVERLOADED), 100..600_u16, any::<u16>()];
        let asked = prop::option::of((0..u64::MAX).prop_map(Duration::from_secs));
        let refused = (code, status, asked).prop_map(|(code, status, retry_after)| ApiError::Refused {
            at: "/v1/x".into(),
            status,
            code,
            message: String::new(),
            trace_id: None,
            retry_after,
        });
        prop_oneof![
            6 => refused,
            1 => Just(ApiError::NoKey),
            1 => Just(ApiError::Unsent { at: "/v1/x".into(), why: String::new() }),
            1 => Just(ApiError::Lost { at: "/v1/x".into(), why: String::new(), answer: None }),
            1 => Just(ApiError::Shape { at: "/v1/x".into(), why: String::new(), trace_id: None, answer: None }),
        ]
    }

    fn any_nature() -> impl Strategy<Value = Nature> {
        prop::sample::select(vec![Nature::Read, Nature::Paid, Nature::Text])
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1500) })]

        /// States the rule independently of the functions that `pause` uses.
        #[test]
        fn a_paid_request_is_never_repeated_after_a_failure_that_leaves_open_whether_it_was_accepted(
            error in any_error(), tries in 1..20_u32, chance in 0.0..1.0_f64
        ) {
            let never_arrived = matches!(error, ApiError::Unsent { .. });
            let turned_away = matches!(error, ApiError::Refused { .. }) && error.class() == Class::Rate;
            let again = pause(Nature::Paid, &error, tries, chance).is_some();
            prop_assert!(!again || never_arrived || turned_away, "{error:?}");
            let busy = matches!(error, ApiError::Refused { status: OVERLOADED, .. });
            let again = pause(Nature::Text, &error, tries, chance).is_some();
            prop_assert!(!again || never_arrived || turned_away || busy, "{error:?}");
        }

        #[test]
        fn no_wait_is_longer_than_a_minute_and_no_request_is_tried_more_than_eight_times(
            error in any_error(), nature in any_nature(), tries in 1..u32::MAX, chance in 0.0..1.0_f64
        ) {
            let wait = pause(nature, &error, tries, chance);
            prop_assert!(wait.is_none_or(|wait| wait <= LONGEST && tries < 8), "{wait:?} after {tries}");
        }

        #[test]
        fn waits_never_shrink_and_giving_up_is_final(
            error in any_error(), nature in any_nature(), chance in 0.0..1.0_f64
        ) {
            let waits: Vec<_> = (1..12).map(|tries| pause(nature, &error, tries, chance)).collect();
            for pair in waits.windows(2) {
                prop_assert!(pair[1].is_none() || (pair[0].is_some() && pair[0] <= pair[1]), "{waits:?}");
            }
        }
    }
}
