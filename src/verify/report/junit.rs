//! The report for CI servers: `JUnit` XML, a suite an API and a case a fact.

use std::io;

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};

use super::{Finding, Report, Verdict};
use crate::verify::fact::Api;

impl Report {
    /// The whole document.
    pub fn junit(&self) -> io::Result<Vec<u8>> {
        let mut xml = Writer::new_with_indent(Vec::new(), b' ', 2);
        xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
        xml.create_element("testsuites")
            .with_attribute(("name", "mynah verify"))
            .write_inner_content(|xml| {
                for api in [Api::Runner, Api::Characters] {
                    let of_api = |finding: &&Finding| finding.fact.api() == api;
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
    let count = |of: fn(&Verdict) -> bool| {
        cases.iter().filter(|finding| of(&finding.verdict)).count().to_string()
    };
    let seconds: f64 = cases.iter().map(|finding| finding.took.as_secs_f64()).sum();
    xml.create_element("testsuite")
        .with_attribute(("name", api.name()))
        .with_attribute(("tests", cases.len().to_string().as_str()))
        .with_attribute(("failures", count(|v| matches!(v, Verdict::Fails { .. })).as_str()))
        .with_attribute(("errors", "0"))
        .with_attribute(("skipped", count(|v| matches!(v, Verdict::NotRun(_))).as_str()))
        .with_attribute(("time", format!("{seconds:.3}").as_str()))
        .write_inner_content(|xml| cases.iter().try_for_each(|finding| case(xml, finding)))?;
    Ok(())
}

fn case(xml: &mut Writer<Vec<u8>>, finding: &Finding) -> io::Result<()> {
    let Finding { fact, verdict, took, .. } = finding;
    let name = format!("{} ({})", fact.title, fact.source);
    let time = format!("{:.3}", took.as_secs_f64());
    let element = xml
        .create_element("testcase")
        .with_attribute(("classname", fact.id))
        .with_attribute(("name", name.as_str()))
        .with_attribute(("time", time.as_str()));
    match verdict {
        Verdict::Holds => element.write_empty()?,
        Verdict::NotRun(reason) => element.write_inner_content(|xml| {
            let reason = allowed(reason);
            xml.create_element("skipped")
                .with_attribute(("message", reason.as_str()))
                .write_empty()?;
            Ok(())
        })?,
        Verdict::Fails { request, expected, seen } => element.write_inner_content(|xml| {
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

/// What XML 1.0 has characters for; a target may send what it has none for.
fn allowed(text: &str) -> String {
    let fits = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..);
    text.chars().map(|c| if fits(c) { c } else { '\u{fffd}' }).collect()
}
