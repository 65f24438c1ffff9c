//! The web pages that may use a public deployment.
//!
//! Source: notes.md, "Authentication (Runner API)": entries match as host suffixes on label
//! boundaries and are normalised when saved; an empty allowlist allows every origin.

/// The hosts that may use a public deployment; empty allows every origin.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Allowlist(Vec<String>);

impl Allowlist {
    /// An allowlist of `entries`, normalised: scheme, path, port and a leading `www.` are stripped,
    /// case is folded, duplicates and entries that name no host are dropped.
    pub fn new<S: AsRef<str>>(entries: impl IntoIterator<Item = S>) -> Self {
        let mut hosts = Vec::new();
        for entry in entries {
            let entry = entry.as_ref().trim();
            let host = host_of(entry).to_ascii_lowercase();
            let host = host.trim_start_matches("www.").to_owned();
            if is_host(&host) && !hosts.contains(&host) {
                hosts.push(host);
            }
        }
        Self(hosts)
    }

    /// The normalised entries.
    pub fn hosts(&self) -> &[String] {
        &self.0
    }

    /// Whether a page of `origin` (what the client sent as `Origin`, else as `Referer`) is allowed.
    /// Without an origin only an empty allowlist allows.
    pub fn allows(&self, origin: Option<&str>) -> bool {
        if self.0.is_empty() {
            return true;
        }
        let Some(origin) = origin else { return false };
        let host = host_of(origin).to_ascii_lowercase();
        self.0.iter().any(|entry| covers(entry, &host))
    }
}

/// Whether `host` is `entry` or one of its subdomains.
fn covers(entry: &str, host: &str) -> bool {
    match host.strip_suffix(entry) {
        Some("") => true,
        Some(before) => before.ends_with('.'),
        None => false,
    }
}

/// Whether `text` can be a host: letters (of any script), digits, `-`, `_`, `.`; an IPv6 address
/// in brackets.
fn is_host(text: &str) -> bool {
    let ipv6 = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let is = |also: &'static str| move |c: char| c.is_alphanumeric() || also.contains(c);
    match ipv6 {
        Some(address) => !address.is_empty() && address.chars().all(is(":.")),
        None => !text.is_empty() && text.chars().all(is("-_.")),
    }
}

/// The host in a URL, an origin or a bare `host:port/path`.
fn host_of(url: &str) -> &str {
    let after_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
    let end_of_authority = ['/', '?', '#', '\\'];
    let authority =
        after_scheme.split_once(end_of_authority).map_or(after_scheme, |(authority, _)| authority);
    let host_and_port = authority.rsplit_once('@').map_or(authority, |(_, rest)| rest);
    if host_and_port.starts_with('[') {
        let end = host_and_port.find(']').map_or(host_and_port.len(), |bracket| bracket + 1);
        return host_and_port.split_at(end).0;
    }
    let host = host_and_port.split_once(':').map_or(host_and_port, |(host, _)| host);
    host.trim_end_matches('.')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn allows(entry: &str, origin: &str) -> bool {
        Allowlist::new([entry]).allows(Some(origin))
    }

    #[test]
    fn an_entry_matches_its_host_and_its_subdomains_only() {
        assert!(allows("example.com", "https://example.com"));
        assert!(allows("example.com", "https://app.example.com"));
        assert!(!allows("example.com", "https://notexample.com"));
        assert!(!allows("app.example.com", "https://example.com"));
    }

    #[test]
    fn localhost_is_not_its_address() {
        assert!(allows("localhost", "http://localhost:3000"));
        assert!(!allows("localhost", "http://127.0.0.1:3000"));
    }

    #[test]
    fn entries_are_normalised_and_duplicates_removed() {
        let list =
            Allowlist::new(["https://www.Example.com:8443/path", "example.com", " ", "b.org."]);
        assert_eq!(list.hosts(), ["example.com", "b.org"]);
    }

    #[test]
    fn an_ipv6_address_stands_in_brackets() {
        assert!(allows("http://[::1]:3000", "http://[::1]:8080/page"));
        assert!(!allows("[::1]", "http://[::2]"));
    }

    #[test]
    fn a_referer_matches_by_its_host_alone() {
        assert!(allows("example.com", "https://example.com/chat?next=evil.org"));
        assert!(!allows("example.com", "https://evil.org/example.com"));
        assert!(!allows("example.com", "https://example.com@evil.org/"));
        assert!(!allows("example.com", "https://evil.org\\@example.com/"));
    }

    #[test]
    fn an_empty_allowlist_allows_all_and_a_filled_one_wants_an_origin() {
        assert!(Allowlist::default().allows(None));
        assert!(!Allowlist::new(["example.com"]).allows(None));
        assert!(!Allowlist::new(["example.com"]).allows(Some("null")));
    }

    fn label() -> impl Strategy<Value = String> {
        "[a-z][a-z0-9]{0,8}"
    }

    fn host() -> impl Strategy<Value = String> {
        prop::collection::vec(label(), 1..4)
            .prop_map(|labels| labels.join("."))
            .prop_filter("normalising strips it", |host| !host.starts_with("www."))
    }

    proptest! {
        #[test]
        fn every_host_matches_itself_and_anything_below_it(host in host(), below in label()) {
            let (exact, subdomain) = (format!("https://{host}"), format!("http://{below}.{host}:8080"));
            prop_assert!(allows(&host, &exact));
            prop_assert!(allows(&host, &subdomain));
        }

        #[test]
        fn a_longer_label_never_matches(host in host(), prefix in label()) {
            let origin = format!("https://{prefix}{host}");
            prop_assert!(!allows(&host, &origin));
        }

        #[test]
        fn matching_means_equal_or_dotted_suffix(entry in host(), other in host()) {
            let expected = other == entry || other.ends_with(&format!(".{entry}"));
            let origin = format!("https://{other}");
            prop_assert_eq!(allows(&entry, &origin), expected);
        }

        #[test]
        fn normalising_twice_changes_nothing(entries in prop::collection::vec("[ -~]{0,20}", 0..6)) {
            let once = Allowlist::new(&entries);
            prop_assert_eq!(Allowlist::new(once.hosts()), once.clone());
        }
    }
}
