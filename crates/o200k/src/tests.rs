//! The counts are those of the official tiktoken (Python, 0.14.0, `o200k_base`).

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::merge::Merger;
use crate::{count, vocabulary, warm_up};

#[test]
fn counts_are_those_of_tiktoken() {
    let cases = [
        ("", 0),
        ("a", 1),
        ("hello world", 2),
        ("Hello, world!", 4),
        ("tiktoken is great!", 6),
        ("antidisestablishmentarianism", 6),
        ("<|endoftext|>", 7),
        ("2 + 2 = 4", 7),
        ("1234567890", 4),
        ("½ ²³ Ⅷ ٣٤٥٦", 12),
        ("the  quick   brown\tfox", 7),
        ("line\r\nbreak\n\n\n  indented", 7),
        ("trailing   ", 3),
        ("   ", 1),
        ("\u{a0}\u{2003}\u{3000}x", 4),
        ("\u{feff}\u{0}\u{200b}", 3),
        ("fn main() {\n    println!(\"{}\", 1);\n}\n", 11),
        ("https://example.com/a?b=c&d=e", 11),
        ("..!!//\n//", 3),
        ("DON'T don't we'll WE'LL it'ſ", 10),
        ("a'ſ'type", 4),
        ("HTTPServerError camelCase", 5),
        ("ǅungla ʰʰ", 9),
        ("Übergrößenträger", 5),
        ("e\u{301}te\u{301}", 4),
        ("中A\u{301}文", 4),
        ("お誕生日おめでとう", 8),
        ("吾輩は猫である。名前はまだ無い。", 14),
        ("𠮷野家", 6),
        ("안녕하세요 세계", 3),
        ("Привет, мир!", 5),
        ("مرحبا بالعالم", 4),
        ("שלום עולם", 2),
        ("नमस्ते दुनिया", 5),
        ("สวัสดีชาวโลก", 7),
        ("👩‍👩‍👧‍👦", 11),
        ("🇩🇪🏳️‍🌈", 10),
    ];
    for (text, tokens) in cases {
        assert_eq!(count(text), tokens, "{text:?}");
    }
}

/// A quadratic merge takes minutes for the first case. The limit is generous: this takes 0.2 s in
/// release and 3 s without optimization.
#[test]
fn a_megabyte_without_a_break_is_counted_in_a_moment() {
    for (unit, tokens) in [("a", 131_072), ("1", 349_526)] {
        let (done, answer) = mpsc::channel();
        thread::spawn(move || done.send(count(&unit.repeat(1 << 20))));
        assert_eq!(answer.recv_timeout(Duration::from_secs(30)), Ok(tokens), "{unit:?}");
    }
}

#[test]
fn windows_count_as_the_whole_does() {
    let pieces = [
        "a".repeat(1000),
        "ab".repeat(700),
        "lorem".repeat(300),
        "xyzé".repeat(300),
        "吾輩は猫である名前はまだ無い".repeat(40),
        "antidisestablishmentarianism".repeat(40),
    ];
    for piece in pieces {
        let mut merger = Merger::default();
        let whole = merger.count_in_windows(piece.as_bytes(), piece.len());
        assert!(whole.is_some());
        let mut fitting = 0;
        for window in (2..300).step_by(5) {
            if let Some(tokens) = merger.count_in_windows(piece.as_bytes(), window) {
                assert_eq!(Some(tokens), whole, "{piece:.20} in windows of {window} bytes");
                fitting += 1;
            }
        }
        assert!(fitting > 20, "{piece:.20} fits in {fitting} windows only");
    }
}

#[test]
fn the_vocabulary_is_whole() {
    assert!((0..=u8::MAX).all(|byte| vocabulary::rank(&[byte]).is_some()));
    assert_eq!(vocabulary::rank(b"!"), Some(0));
    assert_eq!(vocabulary::rank(b" cocos"), Some(199_997));
    assert_eq!(vocabulary::rank(b"tokentoken"), None);
    assert_eq!(vocabulary::rank(" ".repeat(128).as_bytes()), Some(72_056));
    warm_up();
}

/// Later Unicode versions have letters that the official tokenizer does not know. If this fails
/// after an update, compare the counts with the current tiktoken.
#[test]
fn unicode_is_as_old_as_in_tiktoken() {
    assert_eq!(unicode_general_category::UNICODE_VERSION, (16, 0, 0));
}
