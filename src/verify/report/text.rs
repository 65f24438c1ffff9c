//! The report for people.

use std::fmt;

use super::{Finding, Report, Verdict};

/// One fact: a line if it holds, more where there is more to say.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { fact, verdict, .. } = self;
        match verdict {
            Verdict::Holds => writeln!(f, "holds    {}  {}", fact.id, fact.title),
            Verdict::Fails { request, expected, seen } => {
                writeln!(f, "FAILS    {}  {}", fact.id, fact.title)?;
                writeln!(f, "           request   {request}")?;
                writeln!(f, "           expected  {expected}")?;
                writeln!(f, "           seen      {seen}")?;
                writeln!(f, "           source    {}", fact.source)
            }
            Verdict::NotRun(reason) => {
                writeln!(f, "not run  {}  {}", fact.id, fact.title)?;
                writeln!(f, "           reason    {reason}")
            }
        }
    }
}

/// What comes below the facts: the fidelity table and the sums.
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
                row.held,
                row.run
            )?;
        }
        let (held, failed, not_run) = self.counts();
        writeln!(
            f,
            "\n{held} hold, {failed} fail, {not_run} not run; {} requests in {:.1} s",
            self.requests,
            self.took.as_secs_f64()
        )
    }
}
