//! The report as `JUnit` XML: one suite per API, one case per check.

use std::io;

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};

use super::{Finding, Outcome, Report};
use crate::api::Api;

impl Report {
    /// The whole document.
    pub fn junit(&self) -> io::Result<Vec<u8>> {
        let mut xml = Writer::new_with_indent(Vec::new(), b' ', 2);
        xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
        xml.create_element("testsuites")
            .with_attribute(("name", "mynah verify"))
            .write_inner_content(|xml| {
                for api in [Api::Runner, Api::Characters] {
                    let of_api = |finding: &&Finding| finding.check.api() == api;
                    let cases: Vec<&Finding> = self.findings.iter().filter(of_api).collect();
                    if !cases.is_empty() {
                        suite(xml, api, &cases)?;
                    }
                }
                Ok(())
            })?;
        Ok(xml.into_inner())
    }
}

fn suite(xml: &mut Writer<Vec<u8>>, api: Api, cases: &[&Finding]) -> io::Result<()> {
    let count = |of: fn(&Outcome) -> bool| {
        cases.iter().filter(|finding| of(&finding.outcome)).count().to_string()
    };
    let seconds: f64 = cases.iter().map(|finding| finding.took.as_secs_f64()).sum();
    xml.create_element("testsuite")
        .with_attribute(("name", api.name()))
        .with_attribute(("tests", cases.len().to_string().as_str()))
        .with_attribute(("failures", count(|v| matches!(v, Outcome::Failed { .. })).as_str()))
        .with_attribute(("errors", "0"))
        .with_attribute(("skipped", count(|v| matches!(v, Outcome::NotRun(_))).as_str()))
        .with_attribute(("time", format!("{seconds:.3}").as_str()))
        .write_inner_content(|xml| cases.iter().try_for_each(|finding| case(xml, finding)))?;
    Ok(())
}

fn case(xml: &mut Writer<Vec<u8>>, finding: &Finding) -> io::Result<()> {
    let Finding { check, outcome, took, .. } = finding;
    let name = format!("{} ({})", check.title, check.source);
    let time = format!("{:.3}", took.as_secs_f64());
    let element = xml
        .create_element("testcase")
        .with_attribute(("classname", check.id))
        .with_attribute(("name", name.as_str()))
        .with_attribute(("time", time.as_str()));
    match outcome {
        Outcome::Passed => element.write_empty()?,
        Outcome::NotRun(reason) => element.write_inner_content(|xml| {
            let reason = allowed(reason);
            xml.create_element("skipped")
                .with_attribute(("message", reason.as_str()))
                .write_empty()?;
            Ok(())
        })?,
        Outcome::Failed { request, expected, seen } => element.write_inner_content(|xml| {
            let message = allowed(&format!("expected {expected}"));
            let whole = allowed(&format!("request: {request}\nexpected: {expected}\nseen: {seen}"));
            xml.create_element("failure")
                .with_attribute(("message", message.as_str()))
                .write_text_content(BytesText::new(&whole))?;
            Ok(())
        })?,
    };
    Ok(())
}

/// Replaces characters that XML 1.0 does not allow; a target may send any.
fn allowed(text: &str) -> String {
    let fits = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..);
    text.chars().map(|c| if fits(c) { c } else { '\u{fffd}' }).collect()
}
