//! Allowlist. An input has one entry per line; the last line is an origin.

use mynah::domain::allowlist::Allowlist;
use url::Url;

use crate::Target;

/// The target.
pub const TARGET: Target = Target {
    name: "allowlist",
    run,
    dictionary: &[
        "\n",
        "http://",
        "https://",
        "www.",
        "example.com",
        ".",
        "@",
        ":",
        "/",
        "\\",
        "?",
        "#",
        ":8080",
        "[::1]",
        "[",
        "]",
        "localhost",
        "127.0.0.1",
        "null",
        "EXAMPLE",
        "%2e",
        "xn--",
        "\u{3002}",
        "ß",
        "*.",
        "//",
        " ",
    ],
};

fn run(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let (entries, origin) = text.rsplit_once('\n').unwrap_or(("", &*text));
    let list = Allowlist::new(entries.lines());
    assert_eq!(Allowlist::new(list.hosts()), list, "normalising is not idempotent");
    if list.hosts().is_empty() {
        assert!(list.allows(None) && list.allows(Some(origin)), "an empty list allows everything");
        return;
    }
    assert!(!list.allows(None), "a list allows requests without an origin");
    for host in list.hosts() {
        assert!(list.allows(Some(&format!("https://{host}:8443/page"))), "{host} does not match");
    }
    list.allows(Some(origin));
    // Browsers use this parser. Its host is the one that must be on the list.
    let Some((url, host)) = Url::parse(origin).ok().and_then(host_of) else { return };
    let covered = list.hosts().iter().any(|entry| covers(entry, &host));
    for sent in [url.origin().ascii_serialization(), url.as_str().to_owned()] {
        assert_eq!(list.allows(Some(&sent)), covered, "{sent:?} against {:?}", list.hosts());
    }
}

fn covers(entry: &str, host: &str) -> bool {
    host.strip_suffix(entry).is_some_and(|before| before.is_empty() || before.ends_with('.'))
}

/// The URL of a web page and its host as browsers serialise it.
fn host_of(url: Url) -> Option<(Url, String)> {
    let page = matches!(url.scheme(), "http" | "https");
    let host = url.host_str()?.trim_end_matches('.').to_owned();
    (page && !host.is_empty()).then_some((url, host))
}
