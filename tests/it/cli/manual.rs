//! `mynah completions` and `mynah man`: there for every command and every option.

use std::collections::BTreeSet;
use std::process::Stdio;

use tokio::io::AsyncWriteExt as _;

use crate::support::binary::output;
use crate::support::process;
use crate::support::timeout::within;

async fn printed(arguments: &[&str]) -> String {
    let output = output(arguments).await;
    assert!(output.status.success(), "{arguments:?}");
    assert_eq!(output.stderr, b"");
    String::from_utf8(output.stdout).unwrap()
}

/// The long options that `--help` of a command tells of.
async fn options(command: &[&str]) -> BTreeSet<String> {
    let help = printed(&[command, &["--help"]].concat()).await;
    let options: BTreeSet<String> = help
        .split_whitespace()
        .filter_map(|word| word.strip_prefix("--"))
        .map(|name| name.trim_end_matches(|end: char| !end.is_ascii_alphanumeric()).to_owned())
        .filter(|name| !name.is_empty())
        .collect();
    assert!(options.contains("help"), "{help}");
    options
}

/// Whether a program takes `script` on its standard input; nothing where there is no such program.
async fn takes(program: &str, arguments: &[&str], script: &str) -> Option<bool> {
    let mut child = process::program(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .ok()?;
    child.stdin.take().unwrap().write_all(script.as_bytes()).await.unwrap();
    Some(process::wait_for_exit(&mut child).await.success())
}

#[tokio::test]
async fn every_shell_gets_a_script_with_every_option() {
    let options = options(&[]).await;
    assert!(options.len() > 15);
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = printed(&["completions", shell]).await;
        for option in &options {
            let long = [format!("--{option}"), format!("-l {option}")];
            assert!(long.iter().any(|long| script.contains(long)), "{shell}: {option}");
        }
        for command in ["serve", "exec", "fixtures", "export", "healthcheck", "snapshot", "man"] {
            assert!(script.contains(command), "{shell}: {command}");
        }
        assert_ne!(takes(shell, &["-n"], &script).await, Some(false), "{shell}");
    }
    let unknown = output(&["completions", "csh"]).await;
    assert_eq!(unknown.status.code(), Some(2));
}

#[tokio::test]
async fn bash_completes_options_and_their_values() {
    let script = printed(&["completions", "bash"]).await;
    let ask = |words: &[&str]| {
        format!(
            "{script}\nCOMP_WORDS=({}) COMP_CWORD={}\n_mynah mynah '{}' '{}'\nprintf '%s\\n' \"${{COMPREPLY[@]}}\"\n",
            words.join(" "),
            words.len() - 1,
            words[words.len() - 1],
            words[words.len() - 2],
        )
    };
    for (words, among) in [
        (vec!["mynah", "--rate"], "--rate-limit-reset"),
        (vec!["mynah", "fixtures", "ex"], "export"),
        (vec!["mynah", "serve", "--backend", "e"], "echo"),
    ] {
        let mut bash = process::program("bash");
        let asked = bash.args(["-c", &ask(&words)]).output();
        let Ok(output) = within("what bash offers", asked).await else {
            return; // There is no bash.
        };
        let offered = String::from_utf8(output.stdout).unwrap();
        assert!(offered.lines().any(|line| line == among), "{words:?}: {offered}");
    }
}

/// The long options that a page describes. A hyphen is written `\-` in roff.
fn described(page: &str) -> BTreeSet<String> {
    let page = page.replace("\\-", "-");
    let heads = page.lines().filter(|line| line.starts_with("\\fB-"));
    let longs = heads.filter_map(|head| head.split_once("--").map(|(_, rest)| rest));
    longs.filter_map(|rest| Some(rest.split_once("\\f")?.0.to_owned())).collect()
}

#[track_caller]
fn is_a_page(page: &str) {
    let mut sections = page.lines().filter_map(|line| line.strip_prefix(".SH "));
    assert_eq!(sections.next(), Some("NAME"));
    assert_eq!(sections.next(), Some("SYNOPSIS"));
    assert_eq!(sections.next(), Some("DESCRIPTION"));
    assert_eq!(page.lines().filter(|line| line.starts_with(".TH ")).count(), 1);
    for line in page.lines().filter(|line| line.starts_with(['.', '\''])) {
        let known = [".ie", ".el", ".TH", ".SH", ".PP", ".TP", ".RS", ".RE", ".IP", ".br"];
        assert!(known.iter().any(|request| line.starts_with(request)), "{line}");
    }
}

#[tokio::test]
async fn the_manual_page_names_every_option() {
    let page = printed(&["man"]).await;
    is_a_page(&page);
    assert_eq!(described(&page), options(&[]).await);
    let faultless = ["-Kutf8", "-man", "-Tutf8", "-ww", "-z"];
    assert_ne!(takes("groff", &faultless, &page).await, Some(false));
}

#[tokio::test]
async fn every_command_gets_a_page_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path().join("share/man/man1");
    assert_eq!(printed(&["man", "--dir", pages.to_str().unwrap()]).await, "");
    let mut names = Vec::new();
    for file in std::fs::read_dir(&pages).unwrap() {
        let path = file.unwrap().path();
        let page = std::fs::read_to_string(&path).unwrap();
        is_a_page(&page);
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let words: Vec<&str> = name.split('-').skip(1).collect();
        // A description may tell of an option of another command.
        let missing = &described(&page) - &options(&words).await;
        assert!(missing.iter().all(|option| option == "version"), "{name}: {missing:?}");
        names.push(name);
    }
    for name in
        ["mynah", "mynah-serve", "mynah-exec", "mynah-fixtures-check", "mynah-snapshot-load"]
    {
        assert!(names.iter().any(|found| found == name), "{name} in {names:?}");
    }
    let taken = folder.path().join("file");
    std::fs::write(&taken, "").unwrap();
    let refused = output(&["man", "--dir", taken.to_str().unwrap()]).await;
    assert_eq!(refused.status.code(), Some(1));
}
