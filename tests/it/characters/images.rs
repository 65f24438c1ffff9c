//! Images of the Characters API, the pages they are listed on, and the pictures themselves.

use std::collections::HashSet;
use std::io::Cursor;
use std::time::Duration;

use mynah::config::Config;
use serde_json::{Value, json};

use crate::support::timeout::within;
use crate::support::{NOW, TestApp};

const SIDE: usize = 512;
/// The edges of the caption's band that stay where they are, in pixels.
const BAND_BOTTOM: usize = 496;
const BAND_TOP_AT_MOST: usize = 417;

fn image(prompt: &str, model: &str) -> Value {
    json!({"prompt": prompt, "sd_model_id": model})
}

async fn draw(app: &TestApp, prompt: &str, model: &str) -> Vec<u8> {
    let made = app.characters().create_image(&image(prompt, model)).await.created();
    let (status, _, png) = app.get_picture(made["url"].as_str().unwrap()).await;
    assert_eq!(status, 200);
    png.to_vec()
}

/// The pixels of a PNG, which must be 512 by 512, eight bits a channel.
fn pixels(png: &[u8]) -> Vec<[u8; 3]> {
    let mut reader = png::Decoder::new(Cursor::new(png)).read_info().expect("a PNG");
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let frame = reader.next_frame(&mut pixels).expect("a whole PNG");
    assert_eq!((frame.width, frame.height), (512, 512));
    assert_eq!((frame.color_type, frame.bit_depth), (png::ColorType::Rgb, png::BitDepth::Eight));
    pixels.as_chunks::<3>().0.to_vec()
}

/// The part of a picture that the caption stands on.
fn band(pixels: &[[u8; 3]]) -> &[[u8; 3]] {
    &pixels[BAND_TOP_AT_MOST * SIDE..BAND_BOTTOM * SIDE]
}

/// The number of pixels as white as the letters of the caption.
fn white_pixels(pixels: &[[u8; 3]]) -> usize {
    band(pixels).iter().filter(|pixel| pixel.iter().all(|channel| *channel > 250)).count()
}

#[tokio::test]
async fn a_new_image_is_201_and_stands_first_in_the_list() {
    let app = TestApp::start().await;
    let made = app.characters().create_image(&image("A hill", "sd_model_456abc")).await;
    let made = made.created();
    let id = made["id"].as_str().unwrap();
    let random = id.strip_prefix("img_").unwrap();
    assert!(random.len() == 20 && random.bytes().all(|b| b.is_ascii_alphanumeric()), "{id}");
    assert_eq!(
        made,
        json!({"id": id, "prompt": "A hill", "url": app.url(&format!("/images/{id}.png")),
            "created_at": NOW})
    );
    let page = app.characters().list_images("").await.good();
    assert_eq!((&page["data"][0], &page["pagination"]["total_items"]), (&made, &json!(26)));
}

#[tokio::test]
async fn images_of_one_second_are_listed_newest_first_too() {
    let app = TestApp::start().await;
    for prompt in ["one", "two", "three"] {
        app.characters().create_image(&image(prompt, "sd_model_456abc")).await.created();
    }
    let page = app.characters().list_images("?page_size=4").await.good();
    let prompts: Vec<&str> =
        page["data"].as_array().unwrap().iter().map(|i| i["prompt"].as_str().unwrap()).collect();
    assert_eq!(prompts, ["three", "two", "one", "A futuristic city with flying cars"]);
}

#[tokio::test]
async fn an_unknown_sd_model_is_404_and_an_llm_400() {
    let app = TestApp::start().await;
    let answer = app.characters().create_image(&image("A hill", "sd_x")).await;
    assert_eq!(answer.error_message(404), "there is no SD model `sd_x`");
    let answer = app
        .characters()
        .create_image(&image("A hill", "model_abc123"))
        .deliberately_invalid()
        .await;
    assert_eq!(
        answer.error_message(400),
        "sd_model_id must be the id of an SD model, and `model_abc123` is an LLM"
    );
    let page = app.characters().list_images("").await.good();
    assert_eq!(page["pagination"]["total_items"], 25);
}

// --- in a conversation ------------------------------------------------------------------------

#[tokio::test]
async fn an_image_enters_its_conversation_as_a_message_without_text_and_moves_it_up() {
    let app = TestApp::start().await;
    let newer = json!({"title": "T", "llm_id": "model_echo"});
    app.characters().create_conversation(&newer).await.created();
    app.clock("demo").advance(Duration::from_mins(1));
    let mut body = image("A hill", "sd_model_456abc");
    body["conversation_id"] = json!("conv_123abc");
    let made = app.characters().create_image(&body).await.created();
    let messages = app.characters().list_messages("conv_123abc").await.array();
    assert_eq!(messages.len(), 3);
    let message = &messages[2];
    let id = message["id"].as_str().unwrap();
    assert!(id.starts_with("msg_"), "{id}");
    let expected = json!({"id": id, "content": "", "role": "agent", "image_url": made["url"],
        "created_at": "2026-05-01T12:01:00Z"});
    assert_eq!(message.to_string(), expected.to_string());
    let first = &app.characters().list_conversations().await.array()[0];
    assert_eq!(first["id"], "conv_123abc");
    assert_eq!(first["last_message_at"], "2026-05-01T12:01:00Z");
}

#[tokio::test]
async fn an_image_without_a_conversation_enters_none() {
    let app = TestApp::start().await;
    let before = app.characters().list_messages("conv_123abc").await.body;
    app.characters().create_image(&image("A hill", "sd_model_456abc")).await.created();
    assert_eq!(app.characters().list_messages("conv_123abc").await.body, before);
    let first = &app.characters().list_conversations().await.array()[0];
    assert_eq!(first["last_message_at"], "2023-09-01T12:00:00Z");
}

#[tokio::test]
async fn an_unknown_conversation_is_404_and_no_image_is_made_or_paid_for() {
    let app = TestApp::start().await;
    let mut body = image("A hill", "sd_model_456abc");
    for id in ["conv_x", crate::support::CONVERSATION] {
        body["conversation_id"] = json!(id);
        let answer = app.characters().create_image(&body).await;
        assert_eq!(answer.error_message(404), format!("there is no conversation `{id}`"));
    }
    let page = app.characters().list_images("").await.good();
    assert_eq!(page["pagination"]["total_items"], 25);
    assert_eq!(app.balance("demo").await, 1_000_000_000_000);
}

// --- pages ------------------------------------------------------------------------------------

#[tokio::test]
async fn the_pages_hold_every_image_once_whatever_their_size() {
    let app = TestApp::start().await;
    for size in [1_u64, 7, 10, 24, 25, 26, 100] {
        let pages = 25_u64.div_ceil(size);
        let mut seen = Vec::new();
        for page in 1..=pages {
            // One's own limit is a hundred requests a minute.
            app.clock("demo").advance(Duration::from_mins(1));
            let path = format!("/images?page={page}&page_size={size}");
            let answer = app.characters().get(&path).await.good();
            let next = (page < pages).then_some(page + 1);
            let previous = (page > 1).then_some(page - 1);
            assert_eq!(
                answer["pagination"],
                json!({"total_items": 25, "current_page": page, "page_size": size,
                    "total_pages": pages, "next_page": next, "prev_page": previous})
            );
            seen.extend(answer["data"].as_array().unwrap().clone());
        }
        let distinct: HashSet<&str> = seen.iter().map(|i| i["id"].as_str().unwrap()).collect();
        assert_eq!((seen.len(), distinct.len()), (25, 25), "{size}");
        let times: Vec<&str> = seen.iter().map(|i| i["created_at"].as_str().unwrap()).collect();
        assert!(times.is_sorted_by(|newer, older| newer >= older), "{times:?}");
    }
}

#[tokio::test]
async fn without_a_word_it_is_page_1_of_10() {
    let app = TestApp::start().await;
    let plain = app.characters().list_images("").await;
    assert_eq!(plain.good()["data"].as_array().unwrap().len(), 10);
    assert_eq!(plain.body, app.characters().list_images("?page=1&page_size=10").await.body);
}

#[tokio::test]
async fn past_the_end_there_is_nothing_and_no_next_page() {
    let app = TestApp::start().await;
    for page in ["4", "18446744073709551615", "99999999999999999999999"] {
        let answer = app.characters().get(&format!("/images?page={page}")).await.good();
        assert_eq!(answer["data"], json!([]));
        assert_eq!(answer["pagination"]["next_page"], Value::Null);
        assert_eq!(answer["pagination"]["total_items"], 25);
        assert_eq!(answer["pagination"]["total_pages"], 3);
    }
}

#[tokio::test]
async fn an_account_without_images_has_no_pages() {
    let app = TestApp::with_character_rules("").await;
    let answer = app.characters().list_images("").await.good();
    let pagination = json!({"total_items": 0, "current_page": 1, "page_size": 10,
        "total_pages": 0, "next_page": null, "prev_page": null});
    assert_eq!(answer, json!({"data": [], "pagination": pagination}));
}

#[tokio::test]
async fn pages_and_sizes_out_of_range_are_400() {
    let app = TestApp::start().await;
    let page = "page must be a whole number of 1 or more";
    let size = "page_size must be a whole number from 1 to 100";
    for (query, said) in [
        ("page=0", page),
        ("page=-1", page),
        ("page=", page),
        ("page=x", page),
        ("page=1.5", page),
        ("page=%2B1", page),
        ("page_size=0", size),
        ("page_size=101", size),
        ("page_size=ten", size),
        ("page_size=99999999999999999999999", size),
        ("page=1&page=2", "page is given more than once"),
    ] {
        let answer = app.characters().get(&format!("/images?{query}")).await;
        assert_eq!(answer.error_message(400), said, "{query}");
    }
    app.characters().list_images("?page_size=100").await.good();
}

// --- pictures ---------------------------------------------------------------------------------

#[tokio::test]
async fn every_link_leads_to_a_real_png_that_needs_no_key_and_never_changes() {
    let app = TestApp::start().await;
    let page = app.characters().list_images("?page_size=3").await.good();
    let agent = json!({"name": "Ada", "sd_model_id": "sd_model_456abc", "age": 35});
    let agent = app.characters().create_agent(&agent).await.created();
    let mut urls: Vec<&str> =
        page["data"].as_array().unwrap().iter().map(|i| i["url"].as_str().unwrap()).collect();
    urls.push(agent["avatar_url"].as_str().unwrap());
    let mut seen = HashSet::new();
    for url in urls {
        assert!(url.starts_with(&app.url("/images/")), "{url}");
        let (status, headers, png) = app.get_picture(url).await;
        assert_eq!(status, 200);
        assert_eq!(headers["content-type"], "image/png");
        assert_eq!(headers["cache-control"], "public, max-age=31536000, immutable");
        pixels(&png);
        assert_eq!(app.get_picture(url).await.2, png);
        assert!(seen.insert(png), "each shows something else");
    }
}

#[tokio::test]
async fn the_same_prompt_and_model_give_the_same_bytes_and_others_do_not() {
    let sd_model = |id: &str| {
        format!("[[sd_model]]\nid = \"{id}\"\nname = \"{id}\"\ncost_per_image = \"0\"\n")
    };
    let models = format!("{}{}", sd_model("sd_a"), sd_model("sd_b"));
    let accounts = include_str!("../../../fixtures/accounts.toml");
    let files = [("accounts.toml", accounts), ("models.toml", models.as_str())];
    let app = TestApp::with_fixtures(&files).await;
    let hill = draw(&app, "A hill in the rain", "sd_a").await;
    assert_eq!(draw(&app, "A hill in the rain", "sd_a").await, hill);
    assert_ne!(draw(&app, "A hill in the rain", "sd_b").await, hill);
    assert_ne!(draw(&app, "A hill in the sun", "sd_a").await, hill);
    let another_server = TestApp::with_fixtures(&files).await;
    assert_eq!(draw(&another_server, "A hill in the rain", "sd_a").await, hill);
}

#[tokio::test]
async fn the_prompt_is_written_on_the_picture() {
    let app = TestApp::start().await;
    let model = "sd_model_456abc";
    let short = pixels(&draw(&app, "i", model).await);
    let long = pixels(&draw(&app, "A wide meadow with many more words", model).await);
    assert!(
        white_pixels(&short) < white_pixels(&long) / 4,
        "{} and {}",
        white_pixels(&short),
        white_pixels(&long)
    );
    assert_ne!(band(&short), band(&long));
}

#[tokio::test]
async fn pictures_survive_a_restart_and_ids_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let database = format!("sqlite://{}", folder.path().join("mynah.db").display());
    let on_file = |config: &mut Config| config.database.clone_from(&database);
    let app = TestApp::with(on_file).await;
    let id = app.characters().create_image(&image("A hill", "sd_model_456abc")).await.created_id();
    let agent = json!({"name": "Ada", "sd_model_id": "sd_model_456abc"});
    let agent = app.characters().create_agent(&agent).await.created_id();
    let paths = [format!("/images/{id}.png"), format!("/images/{agent}.png")];
    let drawn = [app.get_picture(&paths[0]).await.2, app.get_picture(&paths[1]).await.2];
    let balance = app.balance("demo").await;
    app.stop().await;

    let app = TestApp::with(on_file).await;
    assert_eq!([app.get_picture(&paths[0]).await.2, app.get_picture(&paths[1]).await.2], drawn);
    assert_eq!(app.balance("demo").await, balance);
    let next =
        app.characters().create_image(&image("A hill", "sd_model_456abc")).await.created_id();
    assert_ne!(next, id);
    let page = app.characters().list_images("").await.good();
    assert_eq!((&page["data"][0]["id"], &page["data"][1]["id"]), (&json!(next), &json!(id)));
}

#[tokio::test]
async fn a_picture_that_is_not_there_is_404() {
    let app = TestApp::start().await;
    for (path, said) in [
        ("/images/img_x.png", "there is no picture `img_x`"),
        ("/images/.png", "there is no picture ``"),
        ("/images/img_123abc", "there is nothing at this path"),
        ("/images/img_123abc.jpg", "there is nothing at this path"),
        ("/images/a/b.png", "there is nothing at this path"),
    ] {
        let answer = app.request(reqwest::Method::GET, path).await;
        assert_eq!(answer.error_message(404), said, "{path}");
        assert_eq!(answer.header("cache-control"), None, "{path}: it may come to be");
    }
}

#[tokio::test]
async fn links_begin_with_the_public_url_else_with_the_host_asked() {
    let behind_a_proxy = |config: &mut Config| {
        config.public_url = Some("https://mock.example/mynah/".parse().unwrap());
    };
    let app = TestApp::with(behind_a_proxy).await;
    let made = app.characters().create_image(&image("A hill", "sd_model_456abc")).await;
    let url = made.created()["url"].as_str().unwrap().to_owned();
    assert!(url.starts_with("https://mock.example/mynah/images/img_"), "{url}");

    let app = TestApp::start().await;
    for (host, base) in
        [("mock.internal:8080", "http://mock.internal:8080"), ("", "http://localhost")]
    {
        let request = app.characters().request(reqwest::Method::GET, "/images?page_size=1");
        let page = request.header("host", host).await.good();
        assert_eq!(page["data"][0]["url"], format!("{base}/images/img_123abc.png"));
    }
}

/// The one thread that could draw is busy, so nothing is drawn until it is let go: whatever is
/// answered meanwhile did not wait for a drawing.
#[test]
fn no_post_waits_for_a_drawing() {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().max_blocking_threads(1).build().unwrap();
    runtime.block_on(async {
        let (busy, is_busy) = tokio::sync::oneshot::channel();
        let (let_go, until_let_go) = std::sync::mpsc::channel::<()>();
        let holding = tokio::task::spawn_blocking(move || {
            busy.send(()).unwrap();
            until_let_go.recv()
        });
        within("the thread that draws", is_busy).await.unwrap();
        let app = std::sync::Arc::new(TestApp::start().await);
        let asking = tokio::spawn({
            let app = std::sync::Arc::clone(&app);
            async move { app.get_picture("/images/img_123abc.png").await.0 }
        });
        let agent = json!({"name": "Ada", "sd_model_id": "sd_model_456abc"});
        let posts = async {
            for _ in 0..20 {
                let body = image("A hill", "sd_model_456abc");
                app.characters().create_image(&body).await.created();
                app.characters().create_agent(&agent).await.created();
                app.characters().list_images("").await.good();
            }
        };
        within("answers while nothing is drawn", posts).await;
        assert!(!asking.is_finished(), "nothing can be drawn yet");
        let_go.send(()).unwrap();
        within("the end of the work", holding).await.unwrap().unwrap();
        assert_eq!(asking.await.unwrap(), 200);
    });
}
