//! Rules with exact conditions are looked up, not tried one after the other.

use super::*;
use crate::clock::Stopwatch;

/// `count` rules with one exact condition each: on the deployment, the model or the text.
fn exact_rules(count: usize) -> RuleSet {
    let rules: Vec<ReplyRule> = (0..count).map(exact_rule).collect();
    RuleSet::compile(&rules).unwrap()
}

fn exact_rule(nth: usize) -> ReplyRule {
    let name = Some(format!("name {nth}"));
    let regex = Some("^[a-z ]+[0-9]+$".to_owned());
    let when = match nth % 3 {
        0 => ReplyConditions { deployment: name, regex, ..ReplyConditions::default() },
        1 => ReplyConditions { model: name, regex, ..ReplyConditions::default() },
        _ => ReplyConditions { equals: name, ..ReplyConditions::default() },
    };
    ReplyRule { id: None, when, reply: vec![reply("x")], times: None }
}

#[test]
fn of_a_thousand_rules_with_exact_conditions_only_one_is_a_candidate() {
    let set = exact_rules(999);
    for nth in 0..999 {
        let name = format!("name {nth}");
        let prompt = match nth % 3 {
            0 => prompt_of(Some(&name), "m", "name x 1"),
            1 => prompt_of(Some("d"), &name, "name x 1"),
            _ => prompt_of(Some("d"), "m", &name),
        };
        let view = PromptView::new(&prompt);
        assert_eq!(set.candidates(&view).collect::<Vec<_>>(), [nth]);
        assert_eq!(set.matching(&view).next().map(|(place, _)| place), Some(nth));
    }
}

/// `cargo test --release --lib -- --ignored --nocapture time_of_a_match`
#[test]
#[ignore = "a measurement: prints nanoseconds a match with 10 and with 1000 rules"]
fn time_of_a_match_with_ten_rules_and_with_a_thousand() {
    for count in [10, 1000, 10, 1000] {
        let rules_of_account = AccountRules::new(Arc::new(exact_rules(count)));
        let prompts: Vec<Prompt> = (0..9)
            .map(|nth| {
                let name = format!("name {}", nth * count / 10);
                prompt_of(Some(&name), "name 4", &name)
            })
            .collect();
        let rounds = 20_000;
        let watch = Stopwatch::start();
        for prompt in prompts.iter().cycle().take(rounds) {
            let selected = rules_of_account.take_from_fixtures(&PromptView::new(prompt));
            std::hint::black_box(selected.map(|selected| selected.rule));
        }
        println!("{count} rules: {} ns", watch.elapsed().as_nanos() / 20_000);
    }
}
