//! The names of enum values in options, with their help texts.

use clap::ValueEnum;
use clap::builder::PossibleValue;

use crate::config::{BackendName, ErrorStyle, MessageContent, Profile, ResetStyle, TimeFormat};
use crate::domain::Api;

macro_rules! value_names {
    ($type:ident { $($variant:ident $name:literal $help:literal)* }) => {
        impl ValueEnum for $type {
            fn value_variants<'a>() -> &'a [Self] {
                &[$(Self::$variant),*]
            }

            fn to_possible_value(&self) -> Option<PossibleValue> {
                Some(match self {
                    $(Self::$variant => PossibleValue::new($name).help($help),)*
                })
            }
        }
    };
}

value_names!(BackendName {
    Echo "echo" "Repeats the last message"
    Canned "canned" "Answers by the rules of the fixtures, else by a generated text"
});
value_names!(Profile {
    Documents "documents" "As the API's documents print it"
    Current "current" "As the newest public material shows it: content parts, microseconds, {\"detail\": …}"
});
value_names!(TimeFormat {
    Seconds "seconds" "2026-03-24T09:00:00Z"
    Micros "micros" "2026-03-24T09:00:00.250000, without a zone"
});
value_names!(ErrorStyle {
    OpenAi "openai" "{\"error\": {\"type\", \"message\", \"param\", \"code\"}}"
    FastApi "fastapi" "{\"detail\": …}, 422 for validation"
});
value_names!(MessageContent {
    Text "text" "A string for a message of text, parts for a message with a file"
    Parts "parts" "Always an array of parts"
});
value_names!(ResetStyle {
    Unix "unix" "Unix time in seconds"
    Delta "delta" "Seconds left"
});

impl ValueEnum for Api {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.name()).help(format!("The {}", self.title())))
    }
}
