//! Compares paths of URLs independent of their encoding.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// `path` percent-decoded, except for slashes: `a%2Fb` stays one segment. Bytes that are not UTF-8 are
/// replaced by U+FFFD.
pub fn decoded(path: &str) -> Cow<'_, str> {
    if !path.contains('%') {
        return Cow::Borrowed(path);
    }
    let segment = |segment| percent_decode_str(segment).decode_utf8_lossy().replace('/', "%2F");
    path.split('/').map(segment).collect::<Vec<_>>().join("/").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_decoded_but_slashes_and_broken_encodings() {
        for (sent, path) in [
            ("/v1/runner/A", "/v1/runner/A"),
            ("/v1/runner/YOUR%5FID", "/v1/runner/YOUR_ID"),
            ("/v1/runner/%c3%a9", "/v1/runner/é"),
            ("/v1/runner/a%2fb", "/v1/runner/a%2Fb"),
            ("/v1/runner/100%", "/v1/runner/100%"),
            ("/v1/runner/100%25", "/v1/runner/100%"),
            ("/v1/runner/%ff", "/v1/runner/\u{fffd}"),
        ] {
            assert_eq!(decoded(sent), path, "{sent}");
        }
    }
}
