//! The query of a list: the page, and everything else as filters.

use axum::extract::{FromRequestParts, RawQuery};
use axum::http::request::Parts;

use crate::app::conversations::PageRequest;
use crate::domain::error::{FieldError, FieldErrorKind, FieldLocation};

/// The parameters of a list (runner-conversation-rest.txt, "Query params"; `+` is a space).
#[derive(Debug)]
pub(crate) struct ListQuery {
    /// Every parameter, decoded, in the order sent.
    parameters: Vec<(String, String)>,
}

impl<S: Send + Sync> FromRequestParts<S> for ListQuery {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let RawQuery(query) = RawQuery::from_request_parts(parts, state).await?;
        let query = query.unwrap_or_default();
        let parameters = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        Ok(Self { parameters })
    }
}

impl ListQuery {
    /// Every parameter, in the order sent.
    pub(crate) fn parameters(self) -> impl Iterator<Item = (String, String)> {
        self.parameters.into_iter()
    }

    /// The parameter `name`, which may be given once.
    pub(crate) fn one(self, name: &str) -> Result<Option<String>, FieldError> {
        let mut values = self.parameters.into_iter().filter(|(found, _)| found == name);
        let value = values.next().map(|(_, value)| value);
        match values.next() {
            None => Ok(value),
            Some(_) => Err(bad(name, format!("{name} is given more than once"))),
        }
    }

    /// The parameters `names`, each of which may be left out. Other parameters are refused.
    pub(crate) fn only<const N: usize>(
        self,
        names: [&str; N],
    ) -> Result<[Option<String>; N], FieldError> {
        let mut values = [const { None }; N];
        for (name, value) in self.parameters {
            let slot = names.iter().zip(&mut values).find(|(known, _)| **known == name);
            let Some((_, slot)) = slot else {
                let field = FieldError::new(
                    &name,
                    FieldErrorKind::NotAllowed,
                    format!("there is no parameter {name}"),
                );
                return Err(field.in_the(FieldLocation::Query));
            };
            if slot.replace(value).is_some() {
                return Err(bad(&name, format!("{name} is given more than once")));
            }
        }
        Ok(values)
    }

    /// The page asked for, and every other parameter.
    pub(crate) fn page(
        self,
        default_size: u64,
    ) -> Result<(PageRequest, Vec<(String, String)>), FieldError> {
        const LARGEST_PAGE: u64 = 100;
        let mut page = None;
        let mut page_size = None;
        let mut others = Vec::new();
        for (name, value) in self.parameters {
            let (slot, most) = match name.as_str() {
                "page" => (&mut page, u64::MAX),
                "page_size" => (&mut page_size, LARGEST_PAGE),
                _ => {
                    others.push((name, value));
                    continue;
                }
            };
            if slot.replace(whole_number(&name, &value, most)?).is_some() {
                return Err(bad(&name, format!("{name} is given more than once")));
            }
        }
        let page =
            PageRequest { page: page.unwrap_or(1), page_size: page_size.unwrap_or(default_size) };
        Ok((page, others))
    }
}

fn whole_number(name: &str, value: &str, most: u64) -> Result<u64, FieldError> {
    let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    match value.parse::<u64>() {
        Ok(number) if digits && (1..=most).contains(&number) => Ok(number),
        // Beyond the end of every list: an empty page.
        Err(_) if digits && most == u64::MAX => Ok(u64::MAX),
        Ok(_) | Err(_) => Err(bad(
            name,
            match most {
                u64::MAX => format!("{name} must be a whole number of 1 or more"),
                most => format!("{name} must be a whole number from 1 to {most}"),
            },
        )),
    }
}

fn bad(name: &str, message: String) -> FieldError {
    FieldError::new(name, FieldErrorKind::BadValue, message).in_the(FieldLocation::Query)
}
