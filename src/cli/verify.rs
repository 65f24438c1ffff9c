//! `mynah verify`: the target of the suite, and its reports.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use clap::builder::BoolishValueParser;
use url::Url;

use super::output;
use super::urls::base_url;
use crate::domain::Api;
use crate::domain::error::with_sources;
use crate::ids::random_seed;
use mynah_verify::{
    Check, Key, Keys, Limits, Pattern, Report, RunOptions, Selection, Target, checks, is_loopback,
};

/// The exit code if no check was run.
const COULD_NOT_RUN: u8 = 2;

/// The longest wait for a target's rate limit, whose window is a minute.
const MAX_WAIT: Duration = Duration::from_secs(65);

/// Values of the built-in fixtures, the defaults for a target on this machine.
const DEMO_KEY: &str = "YOUR_API_KEY";
const DEMO_SECOND_KEY: &str = "other_api_key";
const DEMO_BROKE_KEY: &str = "broke_api_key";
const DEMO_LIMITED_KEY: &str = "free_api_key";
const DEMO_DEPLOYMENT: &str = "YOUR_DEPLOYMENT_ID";
const DEMO_JSON_DEPLOYMENT: &str = "JSON_DEPLOYMENT_ID";
const DEMO_AGENT_DEPLOYMENT: &str = "AGENT_DEPLOYMENT_ID";
const DEMO_MODEL: &str = "model_abc123";
const DEMO_SD_MODEL: &str = "sd_model_456abc";

#[derive(Debug, Clone, Args)]
#[expect(clippy::doc_markdown, reason = "this is the text of --help")]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub(super) struct VerifyOptions {
    /// The URL before /v1/runner and /api/v1.
    #[arg(long, env = "MYNAH_VERIFY_TARGET", value_name = "URL", value_parser = base_url)]
    target: Option<Url>,
    /// The URL before /v1/runner, if it differs from the target.
    #[arg(long, env = "MYNAH_VERIFY_RUNNER_URL", value_name = "URL", value_parser = base_url)]
    runner_url: Option<Url>,
    /// The URL before /api/v1, if it differs from the target.
    #[arg(long, env = "MYNAH_VERIFY_CHARACTERS_URL", value_name = "URL", value_parser = base_url)]
    characters_url: Option<Url>,
    /// Only this API.
    #[arg(long, env = "MYNAH_VERIFY_API", value_enum)]
    api: Option<Api>,
    /// The key of the account in which the suite works.
    #[arg(long, env = "MYNAH_VERIFY_KEY", value_name = "KEY", hide_env_values = true)]
    key: Option<String>,
    /// A key of another account, in another project.
    #[arg(long, env = "MYNAH_VERIFY_SECOND_KEY", value_name = "KEY", hide_env_values = true)]
    second_key: Option<String>,
    /// The key for the Characters API, if it differs.
    #[arg(long, env = "MYNAH_VERIFY_CHARACTERS_KEY", value_name = "KEY", hide_env_values = true)]
    characters_key: Option<String>,
    /// A key of another account for the Characters API, if it differs.
    #[arg(long, env = "MYNAH_VERIFY_CHARACTERS_SECOND_KEY", value_name = "KEY")]
    #[arg(hide_env_values = true)]
    characters_second_key: Option<String>,
    /// A key of an account without money, for the Characters API.
    #[arg(long, env = "MYNAH_VERIFY_BROKE_KEY", value_name = "KEY", hide_env_values = true)]
    broke_key: Option<String>,
    /// A key with a limit of at most 20 requests a minute, for the Characters API; it is used up.
    #[arg(long, env = "MYNAH_VERIFY_LIMITED_KEY", value_name = "KEY", hide_env_values = true)]
    limited_key: Option<String>,
    /// A deployment that answers with text.
    #[arg(long, env = "MYNAH_VERIFY_DEPLOYMENT", value_name = "ID")]
    deployment: Option<String>,
    /// A deployment with structured output.
    #[arg(long, env = "MYNAH_VERIFY_JSON_DEPLOYMENT", value_name = "ID")]
    json_deployment: Option<String>,
    /// A deployment that calls the client's tool get_weather when it is asked about the weather.
    #[arg(long, env = "MYNAH_VERIFY_AGENT_DEPLOYMENT", value_name = "ID")]
    agent_deployment: Option<String>,
    /// A language model with a price.
    #[arg(long, env = "MYNAH_VERIFY_MODEL", value_name = "ID")]
    model: Option<String>,
    /// An image model.
    #[arg(long, env = "MYNAH_VERIFY_SD_MODEL", value_name = "ID")]
    sd_model: Option<String>,
    /// Disables the default values from Mynah's built-in fixtures for targets on this machine.
    #[arg(long, env = "MYNAH_VERIFY_NO_DEFAULTS", value_parser = BoolishValueParser::new())]
    no_defaults: bool,
    /// Runs only checks that cost nothing: no model and no image model is used.
    #[arg(long, env = "MYNAH_VERIFY_NO_SPEND", value_parser = BoolishValueParser::new())]
    no_spend: bool,
    /// Also runs checks of Mynah's own choices, which the documents leave open.
    #[arg(long, env = "MYNAH_VERIFY_CHOICES", value_parser = BoolishValueParser::new())]
    choices: bool,
    /// Only checks whose id has this prefix, or matches this pattern with `*`; repeatable.
    #[arg(long, env = "MYNAH_VERIFY_ONLY", value_name = "PATTERN", value_delimiter = ',')]
    #[arg(value_parser = pattern)]
    only: Vec<Pattern>,
    /// The most requests in all; checks beyond it are not run.
    #[arg(long, env = "MYNAH_VERIFY_MAX_REQUESTS", value_name = "N", default_value_t = 500)]
    max_requests: u32,
    /// Milliseconds between two requests.
    #[arg(long, env = "MYNAH_VERIFY_PAUSE", value_name = "MS", default_value_t = 0)]
    pause: u64,
    /// Seconds that one response may take.
    #[arg(long, env = "MYNAH_VERIFY_TIMEOUT", value_name = "SECONDS", default_value_t = 60)]
    timeout: u64,
    /// Also writes the report as JUnit XML.
    #[arg(long, env = "MYNAH_VERIFY_JUNIT", value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Also writes the report as JSON.
    #[arg(long, env = "MYNAH_VERIFY_JSON", value_name = "FILE")]
    json: Option<PathBuf>,
    /// Lists the checks with their sources, without sending requests.
    #[arg(long, env = "MYNAH_VERIFY_LIST", value_parser = BoolishValueParser::new())]
    list: bool,
}

fn pattern(text: &str) -> Result<Pattern, String> {
    Pattern::new(text).ok_or_else(|| "the pattern is too long".to_owned())
}

/// Runs the suite. Exit code 0 if every check passed, 1 if one failed, 2 if none could be run.
pub(super) fn verify(options: &VerifyOptions) -> ExitCode {
    run(options).unwrap_or_else(|error| {
        let _ = writeln!(std::io::stderr(), "mynah: {}", with_sources(error.as_ref()));
        ExitCode::from(COULD_NOT_RUN)
    })
}

fn run(options: &VerifyOptions) -> anyhow::Result<ExitCode> {
    let selection = options.selection();
    if options.list {
        let line = |check: &Check| format!("{}  {}  [{}]\n", check.id, check.title, check.source);
        let lines: String = checks().filter(|check| selection.includes(check)).map(line).collect();
        output::print(lines.as_bytes())?;
        return Ok(ExitCode::SUCCESS);
    }
    let target = options.target();
    if target.runner.is_none() && target.characters.is_none() {
        bail!("there is no target (--target, --runner-url, --characters-url)");
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let print_result = |result: &_| {
        let _ = write!(std::io::stdout(), "{result}");
    };
    let suite = mynah_verify::verify(target, &selection, options.run_options(), print_result);
    options.write_reports(&runtime.block_on(suite)?)
}

impl VerifyOptions {
    fn selection(&self) -> Selection {
        Selection {
            api: self.api.map(|api| match api {
                Api::Runner => mynah_verify::Api::Runner,
                Api::Characters => mynah_verify::Api::Characters,
            }),
            only: self.only.clone(),
            choices: self.choices,
        }
    }

    fn run_options(&self) -> RunOptions {
        RunOptions {
            run: format!("{:016x}", random_seed()),
            limits: Limits {
                max_requests: self.max_requests,
                pause: Duration::from_millis(self.pause),
                timeout: Duration::from_secs(self.timeout),
                max_wait: MAX_WAIT,
            },
        }
    }

    fn target(&self) -> Target {
        let runner = self.runner_url.clone().or_else(|| self.target.clone());
        let characters = self.characters_url.clone().or_else(|| self.target.clone());
        let is_local = |url: Option<&Url>| !self.no_defaults && url.is_some_and(is_loopback);
        let runner_is_local = is_local(runner.as_ref());
        let characters_is_local = is_local(characters.as_ref());
        let characters_key = self.characters_key.as_ref().or(self.key.as_ref());
        let characters_second = self.characters_second_key.as_ref().or(self.second_key.as_ref());
        Target {
            runner_keys: Keys {
                own: key(self.key.as_ref(), runner_is_local, DEMO_KEY),
                second: key(self.second_key.as_ref(), runner_is_local, DEMO_SECOND_KEY),
                ..Keys::default()
            },
            characters_keys: Keys {
                own: key(characters_key, characters_is_local, DEMO_KEY),
                second: key(characters_second, characters_is_local, DEMO_SECOND_KEY),
                broke: key(self.broke_key.as_ref(), characters_is_local, DEMO_BROKE_KEY),
                limited: key(self.limited_key.as_ref(), characters_is_local, DEMO_LIMITED_KEY),
            },
            deployment: or_demo(self.deployment.as_ref(), runner_is_local, DEMO_DEPLOYMENT),
            json_deployment: or_demo(
                self.json_deployment.as_ref(),
                runner_is_local,
                DEMO_JSON_DEPLOYMENT,
            ),
            agent_deployment: or_demo(
                self.agent_deployment.as_ref(),
                runner_is_local,
                DEMO_AGENT_DEPLOYMENT,
            ),
            model: or_demo(self.model.as_ref(), characters_is_local, DEMO_MODEL),
            sd_model: or_demo(self.sd_model.as_ref(), characters_is_local, DEMO_SD_MODEL),
            may_spend: !self.no_spend,
            runner,
            characters,
        }
    }

    /// Prints the summary and writes the report files; returns the exit code.
    fn write_reports(&self, report: &Report) -> anyhow::Result<ExitCode> {
        output::print(report.to_string().as_bytes())?;
        let code = ExitCode::from(report.exit_code());
        if let Some(file) = &self.junit {
            output::write(file, &report.junit().context("cannot write XML")?)?;
        }
        if let Some(file) = &self.json {
            output::write(file, format!("{:#}\n", report.json()).as_bytes())?;
        }
        Ok(code)
    }
}

fn or_demo(given: Option<&String>, is_local: bool, demo: &str) -> Option<String> {
    given.cloned().or_else(|| is_local.then(|| demo.to_owned())).filter(|value| !value.is_empty())
}

fn key(given: Option<&String>, is_local: bool, demo: &str) -> Option<Key> {
    or_demo(given, is_local, demo).map(Key::new)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn every_option_has_its_environment_variable() {
        let command = crate::cli::Cli::command();
        let verify = command.find_subcommand("verify").unwrap();
        for argument in verify.get_arguments().filter(|argument| argument.get_long().is_some()) {
            let name = argument.get_long().unwrap();
            if name != "help" {
                let variable = format!("MYNAH_VERIFY_{}", name.replace('-', "_").to_uppercase());
                assert_eq!(argument.get_env().unwrap(), variable.as_str());
            }
        }
    }
}
