//! URLs in options.

use url::Url;

/// A URL that paths can be appended to.
pub(super) fn base_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| error.to_string())?;
    // The parser reads `http:mynah` as `http://mynah`.
    let has_slashes =
        text.trim_start().get(url.scheme().len()..).is_some_and(|rest| rest.starts_with("://"));
    let wrong = if !["http", "https"].contains(&url.scheme()) {
        "the scheme must be http or https"
    } else if !has_slashes || !url.has_host() {
        "there must be a host, as in http://127.0.0.1:4310"
    } else if url.query().is_some() {
        "there must be no query, since paths are appended"
    } else if url.fragment().is_some() {
        "there must be no fragment, since paths are appended"
    } else {
        return Ok(url);
    };
    Err(wrong.to_owned())
}

/// Like [`base_url`], without credentials, because clients see the URL.
pub(super) fn public_url(text: &str) -> Result<Url, String> {
    let url = base_url(text)?;
    if url.username().is_empty() && url.password().is_none() {
        Ok(url)
    } else {
        Err("there must be no user name and no password, since it is given to clients".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_that_paths_cannot_be_appended_to_is_refused_with_the_reason() {
        for (text, reason) in [
            ("ftp://localhost:1", "scheme"),
            ("mailto:a@b.c", "scheme"),
            ("localhost:4310", "scheme"),
            ("http://localhost:1/base?q=1", "query"),
            ("http://localhost:1/base?", "query"),
            ("http://localhost:1/base#f", "fragment"),
            ("http://user@localhost", "user name"),
            ("http://:word@localhost", "password"),
            ("http:localhost", "host"),
            ("http://", "host"),
            ("localhost", "base"),
        ] {
            let refused = public_url(text).unwrap_err();
            assert!(refused.contains(reason), "{text}: {refused}");
        }
        for text in ["http://localhost", "https://mynah.example/here/", "HTTP://[::1]:4310"] {
            public_url(text).unwrap();
        }
    }
}
