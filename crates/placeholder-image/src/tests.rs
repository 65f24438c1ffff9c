use super::*;

const MODEL: &str = "sd_model_456abc";

/// One prompt per scene and the hash of its pixels, which detects any change.
const KNOWN: [(&str, u64); 8] = [
    ("A beach at sunset", 13_619_251_951_947_184_049),
    ("A futuristic city", 8_942_769_477_929_518_414),
    ("A ringed planet", 169_479_309_135_131_734),
    ("A foggy forest", 5_709_560_295_122_862_313),
    ("Snowy mountains", 15_742_397_124_544_527_714),
    ("Geometric pattern", 5_038_389_574_040_947_513),
    ("Magic lights", 2_220_705_429_091_806_800),
    ("35 years old, Professional, suit and tie", 13_924_558_294_400_510_723),
];

/// The picture's pixels, three bytes each.
#[track_caller]
fn pixels(prompt: &str, model: &str) -> Vec<u8> {
    let file = render(prompt, model).expect("a picture");
    let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().expect("a PNG");
    let mut pixels = vec![0; reader.output_buffer_size().expect("a size")];
    let frame = reader.next_frame(&mut pixels).expect("a whole picture");
    assert_eq!((frame.width, frame.height), (512, 512));
    assert_eq!((frame.color_type, frame.bit_depth), (ColorType::Rgb, BitDepth::Eight));
    assert_eq!(pixels.len(), 512 * 512 * 3);
    pixels
}

/// How many pixels differ in the rows from `top` down.
fn differing(one: &[u8], other: &[u8], top: usize) -> usize {
    let pairs = one.chunks(3).zip(other.chunks(3)).skip(512 * top);
    pairs.filter(|(one, other)| one != other).count()
}

#[test]
fn the_same_prompt_and_model_give_the_same_bytes() {
    for prompt in ["", "cat", "A beach at sunset", "日本 🌸"] {
        assert_eq!(render(prompt, MODEL).unwrap(), render(prompt, MODEL).unwrap());
    }
}

#[test]
fn another_prompt_or_model_gives_another_picture() {
    let cat = pixels("a cat", MODEL);
    for (prompt, model) in [("a dog", MODEL), ("a cat", "sd_other"), ("a cats", MODEL)] {
        let other = pixels(prompt, model);
        assert!(differing(&cat, &other, 0) > 512 * 512 / 2, "{prompt} by {model}");
    }
}

#[test]
fn the_boundary_between_prompt_and_model_matters() {
    assert_ne!(SeededRng::new("ab", "c").seed, SeededRng::new("a", "bc").seed);
}

#[test]
fn the_caption_is_visible() {
    // Both start from the same canvas, so that only the text differs.
    let mut shown = canvas::Canvas::new().unwrap();
    let mut bare = canvas::Canvas::new().unwrap();
    let light = tiny_skia::Color::WHITE;
    caption::draw(&mut shown, "A beach at sunset", MODEL, light).unwrap();
    caption::draw(&mut bare, "", MODEL, light).unwrap();
    assert!(differing(&shown.to_rgb_bytes(), &bare.to_rgb_bytes(), 400) > 1_000);

    assert!(differing(&pixels("cat", MODEL), &pixels("", MODEL), 400) > 1_000);
}

#[test]
fn letters_the_font_lacks_are_visible() {
    let mut shown = canvas::Canvas::new().unwrap();
    let mut bare = canvas::Canvas::new().unwrap();
    let light = tiny_skia::Color::WHITE;
    caption::draw(&mut shown, "桜🌸مرحبا", "", light).unwrap();
    caption::draw(&mut bare, "\u{200b}", "", light).unwrap();
    assert!(differing(&shown.to_rgb_bytes(), &bare.to_rgb_bytes(), 400) > 1_000);
}

#[test]
fn unusual_prompts_are_rendered() {
    let long = "many words ".repeat(10_000);
    let wide = "W".repeat(100_000);
    let marks = format!("e{}", "\u{301}".repeat(5_000));
    let odd = [
        "",
        " \t\r\n ",
        "\0\u{7}\u{1b}[31m\u{7f}\u{85}",
        "a\nb\r\nc",
        "👩‍👩‍👧‍👦🏳️‍🌈🇨🇿",
        "שלום עולם و مرحبا \u{202e}override\u{202c}",
        "\u{feff}\u{200d}\u{200b}",
        "\u{10ffff}\u{e000}\u{fffd}",
        "99999999999999999999 years old",
        " years old ",
        "İstanbul ẞ ǅ",
        &long,
        &wide,
        &marks,
    ];
    for prompt in odd {
        for model in ["", MODEL] {
            pixels(prompt, model);
        }
    }
    pixels("a cat", &wide);
}

#[test]
fn what_does_not_fit_ends_in_an_ellipsis_and_long_words_are_broken() {
    let font = caption::CaptionFont::new().unwrap();
    let (size, _, lines) = font.layout(&"lorem ipsum dolor ".repeat(30), 440.0);
    assert_eq!(lines.len(), 4);
    assert!(lines.iter().all(|line| font.length(line) * size <= 440.0));
    assert!(lines[3].ends_with('…') && !lines[3].contains("loremipsum"));

    let (_, _, lines) = font.layout(&"x".repeat(60), 440.0);
    assert_eq!(lines.concat(), "x".repeat(60));
    assert!(lines.len() > 1);
    assert!(font.layout("", 440.0).2.is_empty());
}

#[test]
fn keywords_match_at_the_beginning_of_words() {
    assert!(keywords::has_word_start(" an old pine tree ", &["pine "]));
    assert!(!keywords::has_word_start(" a pineapple ", &["pine "]));
    assert!(!keywords::has_word_start(" an opinel ", &["pine", "pin"]));
}

#[test]
fn control_characters_and_gaps_are_single_spaces() {
    assert_eq!(normalize("  a\n\n\tb\0c \u{2003} d  "), "a b c d");
    assert_eq!(normalize(" \n "), "");
    assert_eq!(normalize(&"é".repeat(100_000)).chars().count(), MAX_CHARS);
}

#[test]
fn the_pictures_have_not_changed() {
    let hash = |pixels: &[u8]| SipHasher24::new_with_keys(0, 0).hash(pixels);
    let rendered = KNOWN.map(|(prompt, _)| (prompt, hash(&pixels(prompt, MODEL))));
    assert_eq!(rendered, KNOWN, "after an intended change, copy the left hashes into KNOWN");
}
