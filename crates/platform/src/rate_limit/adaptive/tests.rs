//! When requests are sent, and what throttled ones teach.

use proptest::prelude::*;

use super::*;

fn rule(count: u32, seconds: u64, burst: u32) -> Rule {
    Rule { count, window: Duration::from_secs(seconds), burst }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The send times of `count` requests that are all ready at once.
fn sends(limiter: &mut AdaptiveLimiter, start: Instant, count: usize) -> Vec<Instant> {
    let mut now = start;
    let mut left = Vec::new();
    for _ in 0..count {
        now = limiter.ready_at(now);
        limiter.record_send(now);
        left.push(now);
    }
    left
}

#[test]
fn three_requests_are_sent_at_once_and_sixteen_within_two_windows() {
    let start = Instant::now();
    let mut limiter = AdaptiveLimiter::new(Some(rule(10, 60, 3)));
    let left = sends(&mut limiter, start, 16);
    assert_eq!(left[2], start);
    assert!(left[3] > start && left[15] < start + seconds(100));
    for pair in left.windows(11) {
        assert!(pair[10] - pair[0] > seconds(60), "eleven within a minute");
    }
}

#[test]
fn a_pause_allows_one_burst_again_and_no_more() {
    let start = Instant::now();
    let mut limiter = AdaptiveLimiter::new(Some(rule(10, 60, 3)));
    sends(&mut limiter, start, 10);
    let later = start + seconds(3600);
    let left = sends(&mut limiter, later, 5);
    assert_eq!((left[0], left[2]), (later, later));
    assert!(left[3] > later);
}

#[test]
fn a_refusal_pauses_the_group_and_halves_the_rate_until_requests_are_accepted() {
    let start = Instant::now();
    let mut limiter = AdaptiveLimiter::new(Some(rule(10, 60, 3)));
    limiter.record_send(start);
    limiter.record_send(start);
    limiter.refused(start, None, start + seconds(1), 0.5);
    let gap = limiter.gap(start + seconds(1)).unwrap();
    // Another refusal from the same moment changes nothing.
    limiter.refused(start, None, start + seconds(1), 0.5);
    assert_eq!(limiter.gap(start + seconds(1)), Some(gap));
    assert!(gap >= seconds(12), "half of ten a minute: {gap:?}");
    let mut now = start + seconds(1);
    let mut taken = 0;
    while limiter.gap(now).is_some() {
        now = limiter.ready_at(now);
        limiter.record_send(now);
        limiter.accepted(now);
        taken += 1;
        assert!(taken < 20, "it recovers");
    }
    assert!(taken > 2, "slowly");
}

#[test]
fn refusals_in_a_row_lengthen_the_pauses_up_to_a_minute() {
    let start = Instant::now();
    let mut limiter = AdaptiveLimiter::new(None);
    let (mut now, mut waits) = (start, Vec::new());
    for _ in 0..9 {
        limiter.record_send(now);
        limiter.refused(now, None, now, 0.5);
        waits.push(limiter.pause(now).unwrap());
        now = limiter.ready_at(now);
    }
    assert!(waits.windows(2).all(|pair| pair[0] < pair[1] || pair[1] == LONGEST), "{waits:?}");
    assert_eq!(waits.last(), Some(&LONGEST));
}

#[test]
fn retry_after_holds_the_whole_group_and_is_capped() {
    let start = Instant::now();
    let mut limiter = AdaptiveLimiter::new(Some(rule(10, 60, 10)));
    limiter.record_send(start);
    limiter.refused(start, Some(seconds(20)), start, 0.0);
    assert_eq!(limiter.pause(start), Some(seconds(20)));
    assert!(limiter.ready_at(start) >= start + seconds(20));
    limiter.record_send(start + seconds(21));
    limiter.refused(start + seconds(21), Some(seconds(1_000_000_000)), start + seconds(21), 0.0);
    assert_eq!(limiter.pause(start + seconds(21)), Some(LONGEST));
}

#[test]
fn a_learned_limit_is_forgotten_after_a_while() {
    let start = Instant::now();
    let mut limiter = AdaptiveLimiter::new(None);
    limiter.record_send(start);
    limiter.refused(start, None, start, 0.5);
    assert!(limiter.gap(start + seconds(60)).is_some());
    assert_eq!(limiter.gap(start + seconds(700)), None);
    // The old refusal does not make the next pause longer either.
    let later = start + seconds(700);
    limiter.record_send(later);
    limiter.refused(later, None, later, 0.5);
    assert_eq!(limiter.pause(later), Some(FIRST));
}

proptest! {
    /// No window holds more than the limit, for any arrivals and any responses.
    #[test]
    fn no_window_ever_holds_more_than_the_limit(
        count in 1_u32..30,
        window in 1_u64..90,
        burst in 1_u32..30,
        arrivals in prop::collection::vec((0_u64..20_000, 0_u8..8), 1..200),
    ) {
        let rule = rule(count, window, burst.min(count));
        let mut limiter = AdaptiveLimiter::new(Some(rule));
        let mut now = Instant::now();
        let mut left: Vec<Instant> = Vec::new();
        for (pause, answer) in arrivals {
            now = limiter.ready_at(now + Duration::from_millis(pause));
            limiter.record_send(now);
            match answer {
                0 => limiter.refused(now, None, now, 0.5),
                1 => limiter.refused(now, Some(Duration::from_secs(3)), now, 0.5),
                2 => {
                    limiter.cancel_send(now);
                    continue;
                }
                3 => {
                    let later = now + Duration::from_millis(100);
                    limiter.correct_send(now, later);
                    now = later;
                    limiter.accepted(now);
                }
                _ => limiter.accepted(now),
            }
            left.push(now);
        }
        let most = count as usize;
        for pair in left.windows(most + 1) {
            prop_assert!(pair[most] - pair[0] > rule.window);
        }
    }

    /// The forecast for a position is exact if nothing else happens.
    #[test]
    fn the_forecast_equals_the_actual_wait(count in 1_u32..20, window in 1_u64..60, place in 1_usize..60) {
        let start = Instant::now();
        let mut limiter = AdaptiveLimiter::new(Some(rule(count, window, 3.min(count))));
        sends(&mut limiter, start, 4);
        let forecast = limiter.forecast(place, start);
        let left = sends(&mut limiter, start, place);
        prop_assert_eq!(left.last(), Some(&forecast));
    }
}
