use futures::FutureExt as _;

use super::*;
use crate::ids::RequestId;

fn entry(body: &[u8]) -> Entry {
    let request = LoggedRequest {
        method: "POST".into(),
        target: "/v1/runner/A?b=c".into(),
        route: None,
        headers: HeaderLines::new(|| {
            [("a", b"1".as_slice()), ("b", b"2: 3".as_slice())].into_iter()
        }),
        body: Some(BodyExcerpt::of(body)),
    };
    Entry::new(
        request,
        chrono::DateTime::UNIX_EPOCH,
        RequestId::from("req_1"),
        &RequestTrace::default(),
    )
}

fn add(request_log: &RequestLog, times: usize) {
    for _ in 0..times {
        request_log.add(request_log.position(), entry(b"{}"));
    }
}

fn numbers(entries: &[Arc<Entry>]) -> Vec<u64> {
    entries.iter().map(|entry| entry.number()).collect()
}

#[test]
fn the_oldest_entries_make_place_for_new_ones_and_are_counted() {
    let request_log = RequestLog::new(3);
    add(&request_log, 5);
    let look = request_log.snapshot();
    assert_eq!(numbers(&look.entries), [3, 4, 5]);
    assert_eq!((look.last, look.dropped), (5, 2));
    request_log.clear();
    let look = request_log.snapshot();
    assert_eq!((look.entries.len(), look.bytes, look.last, look.dropped), (0, 0, 5, 0));
}

#[test]
fn heavy_entries_make_place_before_there_are_many() {
    let request_log = RequestLog::new(100_000);
    let body = vec![b'x'; 1024 * 1024];
    for _ in 0..1000 {
        request_log.add(request_log.position(), entry(&body));
    }
    let LogSnapshot { entries, bytes, dropped, .. } = request_log.snapshot();
    assert!(bytes <= MAX_BYTES && bytes > MAX_BYTES * 9 / 10, "{bytes}");
    assert_eq!(u64::try_from(entries.len()).unwrap() + dropped, 1000);
    let sum: usize = entries.iter().map(|entry| entry.weight()).sum();
    assert_eq!(sum, bytes);
    let kept = entries[0].request.body.as_ref().unwrap();
    assert_eq!((kept.kept_length(), kept.length(), kept.is_cut()), (64 * 1024, 1024 * 1024, true));
}

#[test]
fn a_journal_of_nothing_keeps_nothing() {
    let request_log = RequestLog::new(0);
    add(&request_log, 2);
    assert_eq!(request_log.snapshot().last, 0);
}

#[test]
fn what_came_before_the_journal_was_cleared_is_not_kept() {
    let request_log = RequestLog::new(3);
    let before = request_log.position();
    request_log.clear();
    request_log.add(before, entry(b""));
    assert_eq!(request_log.snapshot().last, 0);
}

#[test]
fn a_follower_reads_what_comes_and_is_told_what_it_missed() {
    let request_log = Arc::new(RequestLog::new(2));
    add(&request_log, 1);
    let mut from_now = request_log.follow(None);
    let mut from_the_start = request_log.follow(Some(0));
    assert!(from_now.next().now_or_never().is_none());
    let told = |update: LogUpdate| {
        (update.entry.map(|entry| entry.number()), update.missed, update.cleared)
    };
    assert_eq!(told(from_the_start.update().unwrap()), (Some(1), 0, false));
    add(&request_log, 3);
    let mut next = || told(from_now.next().now_or_never().unwrap().unwrap());
    assert_eq!(next(), (Some(3), 1, false));
    assert_eq!(next(), (Some(4), 0, false));
    request_log.clear();
    add(&request_log, 1);
    assert_eq!(next(), (Some(5), 0, true));
    request_log.close();
    assert!(from_now.next().now_or_never().unwrap().is_none());
}

#[test]
fn header_lines_are_read_as_they_were_written() {
    let lines: Vec<_> = entry(b"").request.headers.iter().collect();
    assert_eq!(lines, [("a".to_owned(), "1".to_owned()), ("b".to_owned(), "2: 3".to_owned())]);
}

#[test]
fn filters_take_what_is_like_them() {
    let entry = entry(b"{\"content\":1}");
    let takes = |filter: EntryFilter| filter.matches(&entry);
    let some = |text: &str| Some(text.to_owned());
    assert!(takes(EntryFilter { method: some("post"), ..EntryFilter::default() }));
    assert!(takes(EntryFilter { path: some("/v1/runner/A"), ..EntryFilter::default() }));
    assert!(takes(EntryFilter { path: some("/v1/*"), ..EntryFilter::default() }));
    assert!(takes(EntryFilter { body: some("content"), ..EntryFilter::default() }));
    assert!(!takes(EntryFilter { path: some("/v1/runner"), ..EntryFilter::default() }));
    assert!(!takes(EntryFilter { route: some("/v1/runner/A"), ..EntryFilter::default() }));
    assert!(!takes(EntryFilter {
        status: Some(StatusFilter::Begins(2)),
        ..EntryFilter::default()
    }));
    assert!(!takes(EntryFilter { since: Some(Since::Number(0)), ..EntryFilter::default() }));
}
