//! The host that a request is addressed to (RFC 9112, 3.2), and whether it comes from this machine.

use std::net::IpAddr;

use axum::http::{HeaderMap, HeaderName, Uri, Version, header};

use crate::http::response::error::HttpError;

/// Headers in which proxies name the client, or the host that the client addressed.
const NAMED_BY_PROXIES: [HeaderName; 10] = [
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-real-ip"),
    HeaderName::from_static("x-client-ip"),
    HeaderName::from_static("x-cluster-client-ip"),
    HeaderName::from_static("x-envoy-external-address"),
    HeaderName::from_static("cf-connecting-ip"),
    HeaderName::from_static("fastly-client-ip"),
    HeaderName::from_static("fly-client-ip"),
    HeaderName::from_static("true-client-ip"),
];

/// Refuses a request whose `Host` is missing (HTTP/1.1), sent more than once, or not a host.
pub(crate) fn check(version: Version, headers: &HeaderMap) -> Result<(), HttpError> {
    let mut sent = headers.get_all(header::HOST).iter();
    let (first, more) = (sent.next(), sent.next());
    let reason = match first {
        _ if more.is_some() => "is sent more than once",
        None if version == Version::HTTP_11 => "is missing",
        Some(host) if !is_host(host.as_bytes()) => "is not a host with an optional port",
        None | Some(_) => return Ok(()),
    };
    Err(HttpError::BadHost { reason })
}

/// Whether `text` is a host with or without a port (RFC 9110, 7.2; RFC 3986, 3.2.2).
fn is_host(text: &[u8]) -> bool {
    let in_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=".contains(byte);
    let in_address = |byte: &u8| byte.is_ascii_alphanumeric() || b":.-_~%".contains(byte);
    let end = match text.first() {
        Some(b'[') => text.iter().position(|byte| *byte == b']').map(|place| place + 1),
        _ => text.iter().position(|byte| *byte == b':').or(Some(text.len())),
    };
    let Some((host, port)) = end.and_then(|end| text.split_at_checked(end)) else { return false };
    let host_is_good = match host {
        [b'[', address @ .., b']'] => !address.is_empty() && address.iter().all(in_address),
        name => name.iter().all(in_name),
    };
    host_is_good && matches!(port, [] | [b':', ..]) && port.iter().skip(1).all(u8::is_ascii_digit)
}

/// The host and port that a request is addressed to: those of an absolute target, else `Host`.
pub(crate) fn addressed<'r>(target: &'r Uri, headers: &'r HeaderMap) -> Option<&'r str> {
    let host = || headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let sent = target.authority().map(axum::http::uri::Authority::as_str).or_else(host)?;
    // A target can also contain a user.
    let host = sent.rsplit_once('@').map_or(sent, |(_, host)| host);
    (!host.is_empty() && is_host(host.as_bytes())).then_some(host)
}

/// Whether a request is addressed to a loopback name or address.
pub(crate) fn is_to_this_machine(target: &Uri, headers: &HeaderMap) -> bool {
    addressed(target, headers).is_some_and(is_loopback)
}

/// Whether a request came through a proxy that names another machine.
pub(crate) fn is_from_elsewhere(headers: &HeaderMap) -> bool {
    let is_elsewhere = |text: &str| !text.is_empty() && !is_loopback(text);
    let named = |name: &HeaderName| {
        headers.get_all(name).iter().any(|value| match value.to_str() {
            Ok(list) => list.split(',').map(str::trim).any(is_elsewhere),
            Err(_) => true,
        })
    };
    NAMED_BY_PROXIES.iter().any(named)
        || elements(headers, &header::FORWARDED).any(|element| {
            element.split(';').filter_map(|pair| pair.split_once('=')).any(|(name, value)| {
                ["for", "by", "host"].contains(&name.trim().to_lowercase().as_str())
                    && is_elsewhere(value.trim().trim_matches('"'))
            })
        })
        // `1.1 proxy.example (comment)`: the second word is the proxy's own name.
        || elements(headers, &header::VIA)
            .any(|element| element.split_whitespace().nth(1).is_none_or(is_elsewhere))
}

/// The elements of a list, which may be spread over several lines. A line that is not text counts as
/// an unknown machine.
fn elements<'h>(headers: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'h str> {
    let lines = headers.get_all(name).iter();
    let lists = lines.map(|line| line.to_str().unwrap_or("for=unknown"));
    lists.flat_map(|list| list.split(',')).map(str::trim).filter(|element| !element.is_empty())
}

/// Whether `text`, a host or an address with a port or without, is this machine's loopback.
fn is_loopback(text: &str) -> bool {
    let name = match text.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map_or(rest, |(address, _)| address),
        None if text.parse::<IpAddr>().is_ok() => text,
        None => text.split_once(':').map_or(text, |(host, _)| host),
    };
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), value.parse().unwrap())
        };
        lines.iter().map(pair).collect()
    }

    #[test]
    fn a_host_is_a_name_or_an_address_with_or_without_a_port() {
        for host in ["", "mynah", "a.b-c:80", "127.0.0.1:4310", "[::1]", "[::1]:80", "mynah:"] {
            assert!(is_host(host.as_bytes()), "{host}");
        }
        for host in ["a b", "a/b", "u@a", "[::1", "[]", "[::1]x", "a:80:80", "a:x", "é", "a?"] {
            assert!(!is_host(host.as_bytes()), "{host}");
        }
    }

    #[test]
    fn a_request_that_a_proxy_forwards_from_another_machine_is_not_local() {
        for (name, value, elsewhere) in [
            ("x-forwarded-for", "203.0.113.7", true),
            ("x-forwarded-for", "127.0.0.1, 203.0.113.7", true),
            ("x-forwarded-for", "127.0.0.1, ::1", false),
            ("x-forwarded-for", "", false),
            ("x-forwarded-host", "localhost:5173", false),
            ("x-forwarded-host", "mynah.example", true),
            ("x-real-ip", "::ffff:127.0.0.1", false),
            ("x-real-ip", "10.0.0.1", true),
            ("cf-connecting-ip", "203.0.113.7", true),
            ("forwarded", "for=127.0.0.1;proto=http, for=\"[::1]:4711\"", false),
            ("forwarded", "for=127.0.0.1, For=\"[2001:db8::1]\"", true),
            ("forwarded", "for=_hidden", true),
            ("forwarded", "proto=https", false),
            ("via", "1.1 localhost:3000", false),
            ("via", "1.1 nginx", true),
            ("via", "1.0 127.0.0.1 (squid), 1.1 proxy.example", true),
        ] {
            let found = is_from_elsewhere(&headers(&[(name, value)]));
            assert_eq!(found, elsewhere, "{name}: {value}");
        }
    }

    #[test]
    fn an_absolute_targets_authority_counts_instead_of_host() {
        let headers = headers(&[("host", "localhost")]);
        for (target, host) in [
            ("/", Some("localhost")),
            ("http://mynah.example:80/", Some("mynah.example:80")),
            ("http://user@mynah.example/", Some("mynah.example")),
        ] {
            let target: Uri = target.parse().unwrap();
            assert_eq!(addressed(&target, &headers), host, "{target}");
        }
    }
}
