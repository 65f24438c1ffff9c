use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::time::Instant;

use super::mode::system_now;
use super::*;

fn nine_o_clock() -> DateTime<Utc> {
    "2026-03-24T09:00:00Z".parse().unwrap()
}

#[test]
fn a_frozen_clock_moves_only_when_it_is_advanced() {
    let clock = Clock::frozen(nine_o_clock());
    assert_eq!(clock.now(), clock.now());
    clock.advance(Duration::from_secs(61));
    assert_eq!(rfc3339(clock.now()), "2026-03-24T09:01:01Z");
}

#[test]
fn a_running_clock_that_is_advanced_is_ahead_of_the_system() {
    let clock = Clock::system();
    let before = clock.now();
    clock.advance(Duration::from_hours(1));
    assert!(clock.now() - before >= TimeDelta::seconds(3600));
}

#[test]
fn an_advance_stops_at_the_end_of_the_year_9999() {
    let clock = Clock::frozen(nine_o_clock());
    clock.advance(Duration::MAX);
    assert_eq!(rfc3339(clock.now()), "9999-12-31T23:59:59Z");
    let running = Clock::system();
    running.advance(Duration::MAX);
    running.advance(Duration::MAX);
    assert_eq!(rfc3339(running.now()), "9999-12-31T23:59:59Z");
}

#[tokio::test]
async fn an_advance_ends_a_wait_that_it_covers_in_full() {
    let clock = Clock::frozen(nine_o_clock());
    let hour = Duration::from_hours(1);
    let mut wait = Box::pin(clock.sleep(hour));
    assert!(futures::poll!(&mut wait).is_pending());
    clock.advance(hour / 2);
    assert!(futures::poll!(&mut wait).is_pending());
    clock.advance(hour / 2);
    wait.await;
}

#[tokio::test(start_paused = true)]
async fn waits_one_after_the_other_do_not_drift() {
    let ms = Duration::from_millis;
    let pacer = Pacer::on(Arc::new(Clock::frozen(system_now())));
    let start = Instant::now();
    for _ in 0..10 {
        pacer.next(ms(20)).await;
        // The work between two waits.
        tokio::time::advance(ms(3)).await;
    }
    assert_eq!(start.elapsed(), ms(10 * 20 + 3));
    // A delay of several waits shortens only the next one.
    tokio::time::advance(ms(500)).await;
    let start = Instant::now();
    pacer.next(ms(20)).await;
    pacer.next(ms(20)).await;
    assert_eq!(start.elapsed(), ms(20));
}

#[tokio::test(start_paused = true)]
async fn an_advance_also_shortens_the_waits_after_the_one_that_it_ends() {
    let ms = Duration::from_millis;
    let clock = Arc::new(Clock::frozen(nine_o_clock()));
    let pacer = Pacer::on(Arc::clone(&clock));
    // Before the first wait, in the middle of one, and between two.
    clock.advance(ms(250));
    let start = Instant::now();
    for _ in 0..3 {
        pacer.next(ms(100)).await;
    }
    assert_eq!(start.elapsed(), ms(50));
    let mut wait = Box::pin(pacer.next(ms(100)));
    assert!(futures::poll!(&mut wait).is_pending());
    clock.advance(ms(350));
    wait.await;
    pacer.next(ms(100)).await;
    pacer.next(ms(100)).await;
    assert_eq!(start.elapsed(), ms(50));
    clock.advance(ms(1));
    pacer.next(ms(100)).await;
    assert_eq!(start.elapsed(), ms(50 + 49));
}

#[test]
fn a_clock_counts_how_often_it_is_set_back() {
    let clock = Clock::frozen(nine_o_clock());
    for later in [0, 1, 60] {
        clock.set(nine_o_clock() + TimeDelta::seconds(later));
    }
    clock.advance(Duration::from_secs(1));
    clock.freeze();
    assert_eq!(clock.reading().set_back, 0);
    clock.set(nine_o_clock() + TimeDelta::milliseconds(60_999));
    clock.freeze_at(nine_o_clock());
    assert_eq!(clock.reading(), ClockReading { now: nine_o_clock(), set_back: 2 });
}
