use super::*;

const MODEL: &str = "sd_model_456abc";

/// One prompt a scene, and the pixels' hash; any change of a picture shows here.
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
    let file = paint(prompt, model).expect("a picture");
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
        assert_eq!(paint(prompt, MODEL).unwrap(), paint(prompt, MODEL).unwrap());
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
fn where_the_prompt_ends_and_the_model_begins_matters() {
    assert_ne!(Dice::thrown_for("ab", "c").seed, Dice::thrown_for("a", "bc").seed);
}

#[test]
fn the_caption_is_seen() {
    // The same canvas under both, so that only the words can differ.
    let mut shown = brush::Canvas::new().unwrap();
    let mut bare = brush::Canvas::new().unwrap();
    let light = tiny_skia::Color::WHITE;
    caption::write(&mut shown, "A beach at sunset", MODEL, light).unwrap();
    caption::write(&mut bare, "", MODEL, light).unwrap();
    assert!(differing(&shown.rgb(), &bare.rgb(), 400) > 1_000);

    assert!(differing(&pixels("cat", MODEL), &pixels("", MODEL), 400) > 1_000);
}

#[test]
fn letters_the_font_lacks_are_seen() {
    let mut shown = brush::Canvas::new().unwrap();
    let mut bare = brush::Canvas::new().unwrap();
    let light = tiny_skia::Color::WHITE;
    caption::write(&mut shown, "桜🌸مرحبا", "", light).unwrap();
    caption::write(&mut bare, "\u{200b}", "", light).unwrap();
    assert!(differing(&shown.rgb(), &bare.rgb(), 400) > 1_000);
}

#[test]
fn odd_prompts_are_painted_too() {
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
    let pen = caption::Pen::new().unwrap();
    let (size, _, lines) = pen.fit(&"lorem ipsum dolor ".repeat(30), 440.0);
    assert_eq!(lines.len(), 4);
    assert!(lines.iter().all(|line| pen.length(line) * size <= 440.0));
    assert!(lines[3].ends_with('…') && !lines[3].contains("loremipsum"));

    let (_, _, lines) = pen.fit(&"x".repeat(60), 440.0);
    assert_eq!(lines.concat(), "x".repeat(60));
    assert!(lines.len() > 1);
    assert!(pen.fit("", 440.0).2.is_empty());
}

#[test]
fn words_ask_for_scenes_only_from_their_beginning() {
    assert!(scene::mentions(" an old pine tree ", &["pine "]));
    assert!(!scene::mentions(" a pineapple ", &["pine "]));
    assert!(!scene::mentions(" an opinel ", &["pine", "pin"]));
}

#[test]
fn control_characters_and_gaps_are_single_spaces() {
    assert_eq!(tidy("  a\n\n\tb\0c \u{2003} d  "), "a b c d");
    assert_eq!(tidy(" \n "), "");
    assert_eq!(tidy(&"é".repeat(100_000)).chars().count(), READ);
}

#[test]
fn the_pictures_are_those_we_know() {
    let hash = |pixels: &[u8]| SipHasher24::new_with_keys(0, 0).hash(pixels);
    let painted = KNOWN.map(|(prompt, _)| (prompt, hash(&pixels(prompt, MODEL))));
    assert_eq!(painted, KNOWN, "if the change is meant, put the hashes on the left into KNOWN");
}
