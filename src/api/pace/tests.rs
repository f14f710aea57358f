//! The lines with tokio's paused clock: nothing here takes real time.

use std::sync::Mutex as StdMutex;

use tokio::time::{advance, sleep, timeout};
use tokio_util::task::TaskTracker;

use super::line::USUAL_IN_FLIGHT;
use super::*;

fn pace() -> Arc<Pace> {
    Pace::new(Pacing::default())
}

fn refused(code: i64, retry_after: Option<u64>) -> Result<(), ApiError> {
    Err(ApiError::Refused {
        path: "/v1/x",
        status: 200,
        code: Some(code),
        message: String::new(),
        trace_id: None,
        retry_after: retry_after.map(Duration::from_secs),
    })
}

/// Sends without an answer that teaches.
async fn send(ticket: &mut Ticket) {
    let mut turn = ticket.turn().await;
    turn.leaves();
    drop(turn.heard(&Ok(())));
}

#[tokio::test(start_paused = true)]
async fn those_who_came_first_leave_first_and_none_too_many() {
    let pace = pace();
    let start = Instant::now();
    let left = Arc::new(StdMutex::new(Vec::new()));
    let tracker = TaskTracker::new();
    for number in 0..16 {
        let (mut ticket, left) = (pace.join(group::IMAGE), Arc::clone(&left));
        tracker.spawn(async move {
            let mut turn = ticket.turn().await;
            turn.leaves();
            left.lock().unwrap().push((number, start.elapsed().as_millis()));
            sleep(Duration::from_secs(20)).await;
            drop(turn.heard(&Ok(())));
        });
    }
    tracker.close();
    tracker.wait().await;
    let left = left.lock().unwrap().clone();
    assert!(left.iter().map(|(number, _)| *number).eq(0..16), "{left:?}");
    assert!(left.windows(11).all(|some| some[10].1 > some[0].1 + 60_000), "{left:?}");
    assert_eq!(left[2].1, 0, "a handful need not wait");
    assert_eq!(pace.census(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_refused_request_keeps_its_place_before_newcomers() {
    let pace = pace();
    let mut first = pace.join(group::IMAGE);
    let mut turn = first.turn().await;
    turn.leaves();
    let mut second = pace.join(group::IMAGE);
    drop(turn.heard(&refused(1002, None)));
    assert!(second.try_turn().is_none(), "the whole line waits");
    // It comes back and stands before the one that was second.
    assert!(first.try_turn().is_none());
    assert_eq!(first.standing().unwrap().place, 1);
    assert_eq!(second.standing().unwrap().place, 2);
    send(&mut first).await;
    assert_eq!(second.standing().unwrap().place, 1);
    send(&mut second).await;
}

#[tokio::test(start_paused = true)]
async fn retry_after_holds_the_group_and_no_other() {
    let pace = pace();
    let mut first = pace.join(group::IMAGE);
    let mut turn = first.turn().await;
    turn.leaves();
    drop(turn.heard(&refused(1002, Some(30))));
    let mut other = pace.join(group::MUSIC);
    timeout(Duration::from_millis(10), send(&mut other)).await.expect("another group is not held up");
    let mut second = pace.join(group::IMAGE);
    drop(first);
    assert!(timeout(Duration::from_secs(29), second.turn()).await.is_err());
    let words = second.standing().unwrap().words();
    assert!(words.contains("1st in line") && words.contains("MiniMax has refused"), "{words}");
    timeout(Duration::from_secs(2), send(&mut second)).await.expect("after 30 s");
}

#[tokio::test(start_paused = true)]
async fn whoever_leaves_the_line_makes_room() {
    let pace = pace();
    let mut tickets: Vec<_> = (0..5).map(|_| pace.join(group::VIDEO_V1)).collect();
    for ticket in &mut tickets[..3] {
        send(ticket).await;
    }
    let last = tickets.pop().unwrap();
    assert_eq!(last.standing().unwrap().place, 2);
    assert!(last.standing().unwrap().words().contains("MiniMax allows 5 a minute"));
    let fourth = tickets.pop().unwrap();
    drop(fourth);
    assert_eq!(last.standing().unwrap().place, 1);
    drop((last, tickets));
    assert_eq!(pace.census(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_is_not_used_takes_nothing_of_the_limit() {
    let pace = pace();
    for _ in 0..20 {
        let turn = pace.join(group::VIDEO_V1).try_turn().expect("nothing has left");
        drop(turn);
    }
    assert_eq!(pace.census(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn too_many_connections_mean_fewer_at_once() {
    let pace = pace();
    let mut turns = Vec::new();
    let mut tickets: Vec<_> = (0..8).map(|_| pace.join(group::MUSIC)).collect();
    for ticket in &mut tickets {
        let mut turn = ticket.turn().await;
        turn.leaves();
        turns.push(turn);
    }
    let last = turns.pop().unwrap();
    drop(last.heard(&refused(1041, None)));
    let mut again = tickets.pop().unwrap();
    assert!(timeout(Duration::from_secs(3600), again.turn()).await.is_err(), "seven are still under way");
    let words = again.standing().unwrap().words();
    assert!(words.contains("MiniMax allows 4 requests at a time"), "{words}");
    for turn in turns.drain(..4) {
        drop(turn.heard(&Ok(())));
    }
    timeout(Duration::from_secs(60), send(&mut again)).await.expect("three are under way");
    for _ in 0..100 {
        send(&mut pace.join(group::MUSIC)).await;
    }
    // A rest, so that the rate is not what holds them.
    sleep(Duration::from_secs(60)).await;
    let many: Vec<_> = (0..8).map(|_| pace.join(group::MUSIC)).map(|mut ticket| ticket.try_turn()).collect();
    let at_once = many.iter().flatten().count();
    assert!(at_once > 4, "{at_once} at once: what was learned loosens");
}

#[tokio::test(start_paused = true)]
async fn tasks_count_until_they_end_where_minimax_counts_tasks() {
    let pace = pace();
    let mut places = Vec::new();
    for _ in 0..30 {
        let mut ticket = pace.join(group::VIDEO_V2);
        let mut turn = ticket.turn().await;
        turn.leaves();
        places.push(turn.heard(&Ok(())).and_then(Place::while_task).unwrap());
    }
    let mut next = pace.join(group::VIDEO_V2);
    assert!(timeout(Duration::from_secs(600), next.turn()).await.is_err());
    assert!(next.standing().unwrap().words().contains("30 tasks at a time"));
    places.pop();
    timeout(Duration::from_secs(1), next.turn()).await.expect("one has ended");
    assert!(pace.occupy(group::IMAGE).is_none(), "images are no tasks");
}

#[tokio::test(start_paused = true)]
async fn requests_that_buy_are_bounded_over_all_and_looks_are_not_held_by_them() {
    let pace = Pace::new(Pacing { keep: false, china: false });
    let groups = ["a", "b", "c", "d", "e", "f"];
    let mut turns = Vec::new();
    for name in groups {
        for _ in 0..USUAL_IN_FLIGHT {
            turns.extend(pace.join(name).try_turn());
        }
    }
    assert_eq!(turns.len(), OVERALL);
    let mut waits = pace.join("f");
    assert!(waits.try_turn().is_none());
    assert!(pace.join(group::LOOKS).try_turn().is_some(), "a look goes on");
    drop(turns.remove(0));
    timeout(Duration::from_secs(1), waits.turn()).await.expect("there is room again");
}

#[tokio::test(start_paused = true)]
async fn a_line_that_knows_nothing_finds_the_limit_with_few_refusals() {
    // MiniMax takes ten a minute and our table thinks that it takes any number.
    let pace = Pace::new(Pacing { keep: false, china: false });
    let taken: Arc<StdMutex<Vec<Instant>>> = Arc::default();
    let refusals = Arc::new(StdMutex::new(0));
    let tracker = TaskTracker::new();
    for _ in 0..40 {
        let (mut ticket, taken, refusals) =
            (pace.join(group::IMAGE), Arc::clone(&taken), Arc::clone(&refusals));
        tracker.spawn(async move {
            loop {
                let mut turn = ticket.turn().await;
                turn.leaves();
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
                    drop(turn.heard(&Ok(())));
                    return;
                }
                *refusals.lock().unwrap() += 1;
                drop(turn.heard(&refused(1002, None)));
            }
        });
    }
    tracker.close();
    timeout(Duration::from_secs(1200), tracker.wait()).await.expect("all arrive");
    let refusals = *refusals.lock().unwrap();
    assert!(refusals <= 30, "{refusals} refusals for 40 requests");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_would_wait_too_long_is_told_which_limit_holds_it() {
    use crate::api::retry::Nature;
    let pace = pace();
    for _ in 0..3 {
        send(&mut pace.join(group::VIDEO_V1)).await;
    }
    let ticket = pace.join(group::VIDEO_V1);
    let start = Instant::now();
    let asked = in_turn(ticket, Nature::Paid, Duration::from_secs(5), async || Ok(())).await;
    let error = asked.unwrap_err();
    assert_eq!(start.elapsed(), Duration::ZERO, "it need not wait to know");
    assert!(
        error.to_string().contains("5 a minute") && error.advice().contains("Nothing was bought"),
        "{error}"
    );
    let ticket = pace.join(group::VIDEO_V1);
    in_turn(ticket, Nature::Paid, PATIENCE, async || Ok(())).await.expect("twelve seconds are not too long");
    advance(Duration::from_secs(1)).await;
    assert_eq!(pace.census(), (0, 0));
}

/// Images, clips and looks of a whole day, with refusals, calls that give up and calls that are cancelled.
#[tokio::test(start_paused = true)]
async fn a_day_of_requests_leaves_nothing_behind() {
    let pace = pace();
    let start = Instant::now();
    let tracker = TaskTracker::new();
    let groups = [group::IMAGE, group::VIDEO_V2, group::LOOKS, group::LONG_SPEECH_LOOKS, "text M3"];
    let mut number = 0_u64;
    while start.elapsed() < Duration::from_secs(86_400) {
        for name in groups {
            number += 1;
            let (mut ticket, number) = (pace.join(name), number);
            tracker.spawn(async move {
                let patience = Duration::from_secs(if number.is_multiple_of(11) { 1 } else { 3600 });
                let Ok(mut turn) = timeout(patience, ticket.turn()).await else { return };
                if number.is_multiple_of(13) {
                    return;
                }
                turn.leaves();
                sleep(Duration::from_secs(number % 30)).await;
                match number % 17 {
                    0 => drop(turn.heard(&refused(1002, Some(number % 90)))),
                    1 => drop(turn.heard(&refused(1041, None))),
                    2 => drop(turn),
                    _ => {
                        let task = turn.heard(&Ok(())).and_then(Place::while_task);
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
    assert_eq!(pace.census(), (0, 0));
    let lines = pace.lines();
    assert_eq!((lines.buying, lines.by_group.len()), (0, groups.len()));
    drop(lines);
    assert_eq!(Arc::strong_count(&pace), 1, "no ticket, turn or place is kept");
}

#[test]
fn places_are_counted_as_people_count() {
    let words = |place| Standing { place, wait: None, why: "x".into() }.words();
    for (place, said) in
        [(1, "1st"), (2, "2nd"), (3, "3rd"), (4, "4th"), (11, "11th"), (21, "21st"), (112, "112th")]
    {
        assert!(words(place).starts_with(said), "{place}: {}", words(place));
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_still_writes_a_record_holds_nobody_up() {
    let pace = Pace::new(Pacing::default());
    let first = pace.expect(group::IMAGE);
    assert_eq!(first.why_not(), None);
    // Others join, take all that is to be had, and leave nothing to the one that was first.
    let turns: Vec<_> = (0..20).map_while(|_| pace.join(group::IMAGE).try_turn()).collect();
    assert!(!turns.is_empty());
    let late = pace.expect(group::IMAGE);
    assert!(late.why_not().is_some());
    assert!(pace.join(group::IMAGE).try_turn().is_none());
    drop((first, late, turns));
    assert_eq!(pace.census(), (0, 0));
    // As many are told that they may leave at once as may.
    let expected: Vec<_> = (0..20).map(|_| pace.expect(group::IMAGE)).collect();
    let soon = expected.iter().filter(|expected| expected.why_not().is_none()).count();
    let turns: Vec<_> = (0..20).map_while(|_| pace.join(group::IMAGE).try_turn()).collect();
    assert_eq!(soon, turns.len());
}
