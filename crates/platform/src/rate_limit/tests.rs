//! Tests of the queues with tokio's paused clock, so that nothing takes real time.

use std::sync::{Arc, Mutex as StdMutex};
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use tokio_util::task::TaskTracker;

use super::limiter::OVERALL;
use super::queue::DEFAULT_IN_FLIGHT;
use super::*;

fn limiter() -> Arc<RateLimiter> {
    RateLimiter::new(RateLimits::default())
}

fn refused(code: i64, retry_after: Option<u64>) -> Ending {
    Ending::Throttled { connections: code == 1041, retry_after: retry_after.map(Duration::from_secs) }
}

/// Sends a request that succeeds, so the limiter learns nothing from it.
async fn send(ticket: &mut Ticket) {
    let mut permit = ticket.acquire().await;
    permit.start();
    drop(permit.on_response(Ending::Counted));
}

#[tokio::test(start_paused = true)]
async fn requests_are_sent_in_their_order_and_within_the_limit() {
    let limiter = limiter();
    let start = Instant::now();
    let left = Arc::new(StdMutex::new(Vec::new()));
    let tracker = TaskTracker::new();
    for number in 0..16 {
        let (mut ticket, left) = (limiter.join(group::IMAGE), Arc::clone(&left));
        tracker.spawn(async move {
            let mut permit = ticket.acquire().await;
            permit.start();
            left.lock().unwrap().push((number, start.elapsed().as_millis()));
            sleep(Duration::from_secs(20)).await;
            drop(permit.on_response(Ending::Counted));
        });
    }
    tracker.close();
    tracker.wait().await;
    let left = left.lock().unwrap().clone();
    assert!(left.iter().map(|(number, _)| *number).eq(0..16), "{left:?}");
    assert!(left.windows(11).all(|some| some[10].1 > some[0].1 + 60_000), "{left:?}");
    assert_eq!(left[2].1, 0, "a handful need not wait");
    assert_eq!(limiter.counts(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_throttled_request_keeps_its_place_before_later_ones() {
    let limiter = limiter();
    let mut first = limiter.join(group::IMAGE);
    let mut permit = first.acquire().await;
    permit.start();
    let mut second = limiter.join(group::IMAGE);
    drop(permit.on_response(refused(1002, None)));
    assert!(second.try_acquire().is_none(), "the whole queue waits");
    // The throttled request comes back and is ahead of the second one again.
    assert!(first.try_acquire().is_none());
    assert_eq!(first.position().unwrap().place, 1);
    assert_eq!(second.position().unwrap().place, 2);
    send(&mut first).await;
    assert_eq!(second.position().unwrap().place, 1);
    send(&mut second).await;
}

#[tokio::test(start_paused = true)]
async fn retry_after_holds_its_group_and_no_other() {
    let limiter = limiter();
    let mut first = limiter.join(group::IMAGE);
    let mut permit = first.acquire().await;
    permit.start();
    drop(permit.on_response(refused(1002, Some(30))));
    let mut other = limiter.join(group::MUSIC);
    timeout(Duration::from_millis(10), send(&mut other)).await.expect("another group is not held up");
    let mut second = limiter.join(group::IMAGE);
    drop(first);
    assert!(timeout(Duration::from_secs(29), second.acquire()).await.is_err());
    let words = second.position().unwrap().words();
    assert!(words.contains("1st in line") && words.contains("MiniMax has refused"), "{words}");
    timeout(Duration::from_secs(2), send(&mut second)).await.expect("after 30 s");
}

#[tokio::test(start_paused = true)]
async fn a_request_that_leaves_the_queue_moves_the_others_forward() {
    let limiter = limiter();
    let mut tickets: Vec<_> = (0..5).map(|_| limiter.join(group::VIDEO_V1)).collect();
    for ticket in &mut tickets[..3] {
        send(ticket).await;
    }
    let last = tickets.pop().unwrap();
    assert_eq!(last.position().unwrap().place, 2);
    assert!(last.position().unwrap().words().contains("MiniMax allows 5 a minute"));
    let fourth = tickets.pop().unwrap();
    drop(fourth);
    assert_eq!(last.position().unwrap().place, 1);
    drop((last, tickets));
    assert_eq!(limiter.counts(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn an_unused_permit_does_not_count_against_the_limit() {
    let limiter = limiter();
    for _ in 0..20 {
        let permit = limiter.join(group::VIDEO_V1).try_acquire().expect("nothing has left");
        drop(permit);
    }
    assert_eq!(limiter.counts(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_for_too_many_connections_lowers_the_number_in_flight() {
    let limiter = limiter();
    let mut permits = Vec::new();
    let mut tickets: Vec<_> = (0..8).map(|_| limiter.join(group::MUSIC)).collect();
    for ticket in &mut tickets {
        let mut permit = ticket.acquire().await;
        permit.start();
        permits.push(permit);
    }
    let last = permits.pop().unwrap();
    drop(last.on_response(refused(1041, None)));
    let mut again = tickets.pop().unwrap();
    assert!(timeout(Duration::from_secs(3600), again.acquire()).await.is_err(), "seven are still under way");
    let words = again.position().unwrap().words();
    assert!(words.contains("MiniMax allows 4 requests at a time"), "{words}");
    for permit in permits.drain(..4) {
        drop(permit.on_response(Ending::Counted));
    }
    timeout(Duration::from_secs(60), send(&mut again)).await.expect("three are under way");
    for _ in 0..100 {
        send(&mut limiter.join(group::MUSIC)).await;
    }
    // Wait a minute, so that the rate limit is not what holds them back.
    sleep(Duration::from_secs(60)).await;
    let many: Vec<_> =
        (0..8).map(|_| limiter.join(group::MUSIC)).map(|mut ticket| ticket.try_acquire()).collect();
    let at_once = many.iter().flatten().count();
    assert!(at_once > 4, "{at_once} at once: the learned limit rises again");
}

#[tokio::test(start_paused = true)]
async fn if_minimax_counts_tasks_a_task_counts_until_it_ends() {
    let limiter = limiter();
    let mut places = Vec::new();
    for _ in 0..30 {
        let mut ticket = limiter.join(group::VIDEO_V2);
        let mut permit = ticket.acquire().await;
        permit.start();
        places.push(permit.on_response(Ending::Counted).and_then(Slot::while_task).unwrap());
    }
    let mut next = limiter.join(group::VIDEO_V2);
    assert!(timeout(Duration::from_secs(600), next.acquire()).await.is_err());
    assert!(next.position().unwrap().words().contains("30 tasks at a time"));
    places.pop();
    timeout(Duration::from_secs(1), next.acquire()).await.expect("one has ended");
    assert!(limiter.occupy(group::IMAGE).is_none(), "images are not tasks");
}

#[tokio::test(start_paused = true)]
async fn paid_requests_have_an_overall_bound_that_does_not_delay_polls() {
    let limiter = RateLimiter::new(RateLimits { keep: false, ..RateLimits::default() });
    let groups = ["a", "b", "c", "d", "e", "f"];
    let mut permits = Vec::new();
    for name in groups {
        for _ in 0..DEFAULT_IN_FLIGHT {
            permits.extend(limiter.join(name).try_acquire());
        }
    }
    assert_eq!(permits.len(), OVERALL);
    let mut waits = limiter.join("f");
    assert!(waits.try_acquire().is_none());
    assert!(limiter.join(group::POLLS).try_acquire().is_some(), "polls continue");
    drop(permits.remove(0));
    timeout(Duration::from_secs(1), waits.acquire()).await.expect("there is room again");
}

#[tokio::test(start_paused = true)]
async fn an_unlimited_queue_learns_the_limit_with_few_refusals() {
    // MiniMax allows ten a minute, but the limits of the table are off.
    let limiter = RateLimiter::new(RateLimits { keep: false, ..RateLimits::default() });
    let taken: Arc<StdMutex<Vec<Instant>>> = Arc::default();
    let refusals = Arc::new(StdMutex::new(0));
    let tracker = TaskTracker::new();
    for _ in 0..40 {
        let (mut ticket, taken, refusals) =
            (limiter.join(group::IMAGE), Arc::clone(&taken), Arc::clone(&refusals));
        tracker.spawn(async move {
            loop {
                let mut permit = ticket.acquire().await;
                permit.start();
                sleep(Duration::from_millis(100)).await;
                let now = Instant::now();
                let fits = {
                    let mut taken = taken.lock().unwrap();
                    let within = taken.iter().filter(|at| now - **at < Duration::from_secs(60)).count();
                    if within < 10 {
                        taken.push(now);
                    }
                    within < 10
                };
                if fits {
                    drop(permit.on_response(Ending::Counted));
                    return;
                }
                *refusals.lock().unwrap() += 1;
                drop(permit.on_response(refused(1002, None)));
            }
        });
    }
    tracker.close();
    timeout(Duration::from_secs(1200), tracker.wait()).await.expect("all arrive");
    let refusals = *refusals.lock().unwrap();
    assert!(refusals <= 30, "{refusals} refusals for 40 requests");
}

/// A whole day of images, videos and polls, with throttled, abandoned and cancelled calls.
#[tokio::test(start_paused = true)]
async fn a_day_of_requests_leaves_nothing_behind() {
    let limiter = limiter();
    let start = Instant::now();
    let tracker = TaskTracker::new();
    let groups = [group::IMAGE, group::VIDEO_V2, group::POLLS, group::LONG_SPEECH_POLLS, "text M3"];
    let mut number = 0_u64;
    while start.elapsed() < Duration::from_secs(86_400) {
        for name in groups {
            number += 1;
            let (mut ticket, number) = (limiter.join(name), number);
            tracker.spawn(async move {
                let patience = Duration::from_secs(if number.is_multiple_of(11) { 1 } else { 3600 });
                let Ok(mut permit) = timeout(patience, ticket.acquire()).await else { return };
                if number.is_multiple_of(13) {
                    return;
                }
                permit.start();
                sleep(Duration::from_secs(number % 30)).await;
                match number % 17 {
                    0 => drop(permit.on_response(refused(1002, Some(number % 90)))),
                    1 => drop(permit.on_response(refused(1041, None))),
                    2 => drop(permit),
                    _ => {
                        let task = permit.on_response(Ending::Counted).and_then(Slot::while_task);
                        sleep(Duration::from_secs(60)).await;
                        drop(task);
                    }
                }
            });
        }
        sleep(Duration::from_secs(90)).await;
    }
    tracker.close();
    timeout(Duration::from_secs(7200), tracker.wait()).await.expect("all come to an end");
    assert_eq!(limiter.counts(), (0, 0));
    let queues = limiter.queues();
    assert_eq!((queues.buying, queues.by_group.len()), (0, groups.len()));
    drop(queues);
    assert_eq!(Arc::strong_count(&limiter), 1, "no ticket, permit or slot is left");
}

#[test]
fn positions_are_written_as_ordinals() {
    let words = |place| QueuePosition { place, wait: None, why: "x".into() }.words();
    for (place, said) in
        [(1, "1st"), (2, "2nd"), (3, "3rd"), (4, "4th"), (11, "11th"), (21, "21st"), (112, "112th")]
    {
        assert!(words(place).starts_with(said), "{place}: {}", words(place));
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_whose_record_is_still_written_does_not_delay_others() {
    let limiter = RateLimiter::new(RateLimits::default());
    let first = limiter.expect(group::IMAGE);
    assert_eq!(first.reason_to_wait(), None);
    // Others join and take every permit, so that none is left for the one that was first.
    let permits: Vec<_> = (0..20).map_while(|_| limiter.join(group::IMAGE).try_acquire()).collect();
    assert!(!permits.is_empty());
    let late = limiter.expect(group::IMAGE);
    assert!(late.reason_to_wait().is_some());
    assert!(limiter.join(group::IMAGE).try_acquire().is_none());
    drop((first, late, permits));
    assert_eq!(limiter.counts(), (0, 0));
    // As many are promised to be sent at once as can be.
    let expected: Vec<_> = (0..20).map(|_| limiter.expect(group::IMAGE)).collect();
    let soon = expected.iter().filter(|expected| expected.reason_to_wait().is_none()).count();
    let permits: Vec<_> = (0..20).map_while(|_| limiter.join(group::IMAGE).try_acquire()).collect();
    assert_eq!(soon, permits.len());
}
