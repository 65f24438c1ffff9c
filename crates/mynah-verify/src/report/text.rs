//! The report as text.

use std::fmt;

use super::{Finding, Outcome, Report};

/// One line if the check passed, otherwise with details.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { check, outcome, .. } = self;
        match outcome {
            Outcome::Passed => writeln!(f, "holds    {}  {}", check.id, check.title),
            Outcome::Failed { request, expected, seen } => {
                writeln!(f, "FAILS    {}  {}", check.id, check.title)?;
                writeln!(f, "           request   {request}")?;
                writeln!(f, "           expected  {expected}")?;
                writeln!(f, "           seen      {seen}")?;
                writeln!(f, "           source    {}", check.source)
            }
            Outcome::NotRun(reason) => {
                writeln!(f, "not run  {}  {}", check.id, check.title)?;
                writeln!(f, "           reason    {reason}")
            }
        }
    }
}

/// The end of the report: the fidelity table and the totals.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sections = self.sections();
        let name = |document: &str, section: &str| format!("{document}, \"{section}\"");
        let width = sections.iter().map(|row| name(row.document, row.section).chars().count());
        let width = width.max().unwrap_or_default();
        writeln!(
            f,
            "\nFidelity, section by section (D documents, R further documentation, C choices of Mynah)\n"
        )?;
        for row in &sections {
            let name = name(row.document, row.section);
            let rest =
                if row.not_run == 0 { String::new() } else { format!(", {} not run", row.not_run) };
            writeln!(
                f,
                "  {}  {name:<width$}  {} of {} held{rest}",
                row.kind.letter(),
                row.passed,
                row.run
            )?;
        }
        let (passed, failed, not_run) = self.counts();
        writeln!(
            f,
            "\n{passed} hold, {failed} fail, {not_run} not run; {} requests in {:.1} s",
            self.requests,
            self.took.as_secs_f64()
        )
    }
}
