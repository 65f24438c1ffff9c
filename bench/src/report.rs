//! The report as text, Markdown and JSON.

use std::fmt::Write as _;

use serde::Serialize;

use crate::rows::Row;
use crate::start::Start;
use crate::streams::{Lateness, Streams};
use crate::workloads::{PAGES_OF_FEW, PAGES_OF_MANY, RULES_BY_DEPLOYMENT, RULES_BY_TEXT};

/// All results.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// The machine.
    pub(crate) machine: Machine,
    /// The rows of the table.
    pub(crate) rows: Vec<Row>,
    /// Paced streams.
    pub(crate) streams: Vec<Streams>,
    /// Cold start.
    pub(crate) start: Option<Start>,
}

/// The machine.
#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    /// Processors that this program may use.
    pub(crate) cores: usize,
    /// The processor's name.
    pub(crate) processor: String,
    /// Load average over a minute, before measuring.
    pub(crate) load: String,
}

impl Machine {
    /// The current machine.
    pub(crate) fn this() -> anyhow::Result<Self> {
        let processors = std::fs::read_to_string("/proc/cpuinfo")?;
        let name = processors.lines().find(|line| line.starts_with("model name"));
        let name = name.and_then(|line| line.split_once(": ")).map_or("unknown", |(_, name)| name);
        let load = std::fs::read_to_string("/proc/loadavg")?;
        Ok(Self {
            cores: std::thread::available_parallelism()?.get(),
            processor: name.to_owned(),
            load: load.split_whitespace().next().unwrap_or_default().to_owned(),
        })
    }
}

/// The format of a table.
#[derive(Debug, Clone, Copy)]
pub(crate) enum TableFormat {
    /// Aligned columns.
    Text,
    /// Rows of Markdown.
    Markdown,
}

impl Report {
    /// The tables and the text around them.
    pub(crate) fn written(&self, form: TableFormat) -> anyhow::Result<String> {
        let Machine { cores, processor, load } = &self.machine;
        let mut text = format!("{cores} cores of {processor}; load before: {load}\n\n");
        if !self.rows.is_empty() {
            text.push_str(&table(&self.table()?, form));
            text.push_str(&self.comparisons()?);
        }
        if !self.streams.is_empty() {
            text.push_str(&table(&self.streams()?, form));
        }
        if let Some(start) = &self.start {
            let [fastest, middle, slowest] = start.first_answer_ms;
            writeln!(text, "{}, {:.1} MB:", start.binary.display(), start.size_mb)?;
            writeln!(
                text,
                "exec to first answer {middle:.1} ms ({fastest:.1} to {slowest:.1}), \
                 idle memory {:.1} MB",
                start.idle_mb
            )?;
        }
        Ok(text)
    }

    fn table(&self) -> anyhow::Result<Vec<Vec<String>>> {
        let head = [
            "workload",
            "conn.",
            "a second",
            "p50 ms",
            "p99 ms",
            "CPU s / 1,000",
            "peak MB",
            "ceiling a second",
            "of it",
            "its CPU s / 1,000",
            "store a second",
            "of it",
        ];
        let mut lines = vec![head.map(str::to_owned).to_vec()];
        for row in &self.rows {
            let middle = row.medians()?;
            let figures = middle.mynah;
            let (store, of_store) = middle.store.map_or_else(Default::default, |(store, ratio)| {
                (format!("{store:.0}"), percent(ratio))
            });
            lines.push(vec![
                row.name.to_owned(),
                row.connections.to_string(),
                format!("{:.0}", figures.per_second),
                format!("{:.2}", figures.p50_ms),
                format!("{:.2}", figures.p99_ms),
                format!("{:.3}", figures.cpu_per_1000),
                format!("{:.1}", figures.peak_mb),
                format!("{:.0}", middle.ceiling.per_second),
                percent(middle.to_ceiling),
                format!("{:.3}", middle.ceiling.cpu_per_1000),
                store,
                of_store,
            ]);
        }
        Ok(lines)
    }

    /// The cost of many items relative to few.
    fn comparisons(&self) -> anyhow::Result<String> {
        let mut text = String::new();
        let pages = PAGES_OF_FEW.into_iter().zip(PAGES_OF_MANY);
        let rules = [RULES_BY_TEXT, RULES_BY_DEPLOYMENT].map(|[few, many]| (few, many));
        for (few, many) in pages.chain(rules) {
            let row = |name| self.rows.iter().find(|row| row.name == name);
            if let (Some(few), Some(many)) = (row(few), row(many)) {
                let times = many.times_as_slow_as(few)?;
                writeln!(text, "{}: {times:.2} times the cost of {}", many.name, few.name)?;
            }
        }
        text.push('\n');
        Ok(text)
    }

    fn streams(&self) -> anyhow::Result<Vec<Vec<String>>> {
        let head = [
            "paced streams",
            "begun",
            "server",
            "late p50 ms",
            "p99 ms",
            "max ms",
            "gap p99 ms",
            "CPU s / 1,000",
            "kB each",
        ];
        let mut lines = vec![head.map(str::to_owned).to_vec()];
        for streams in &self.streams {
            let (mynah, ceiling) = streams.medians()?;
            for (server, late) in [("mynah", mynah), ("ceiling", ceiling)] {
                lines.push(streams_line(streams, server, &late));
            }
        }
        Ok(lines)
    }
}

fn streams_line(streams: &Streams, server: &str, late: &Lateness) -> Vec<String> {
    vec![
        streams.count.to_string(),
        format!("{:?}", streams.begin).to_lowercase(),
        server.to_owned(),
        format!("{:.2}", late.p50_ms),
        format!("{:.2}", late.p99_ms),
        format!("{:.1}", late.max_ms),
        format!("{:.2}", late.gap_p99_ms),
        format!("{:.2}", late.cpu_per_1000),
        format!("{:.1}", late.kilobytes),
    ]
}

fn percent(ratio: f64) -> String {
    format!("{:.0} %", ratio * 100.0)
}

/// Formats `lines`, whose first one is the head, as a table.
fn table(lines: &[Vec<String>], form: TableFormat) -> String {
    let columns = lines.iter().map(Vec::len).max().unwrap_or_default();
    let cells =
        |nth: usize| lines.iter().filter_map(move |line: &Vec<String>| line.get::<usize>(nth));
    let width = |nth: usize| cells(nth).map(|cell| cell.chars().count()).max().unwrap_or_default();
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let rule = format!("| --- |{}", " ---: |".repeat(columns.saturating_sub(1)));
    let padded = |line: &Vec<String>| {
        let cells: Vec<String> = line.iter().zip(&widths).enumerate().map(padded).collect();
        cells.join("  ").trim_end().to_owned()
    };
    let mut written: Vec<String> = match form {
        TableFormat::Text => lines.iter().map(padded).collect(),
        TableFormat::Markdown => {
            lines.iter().map(|line| format!("| {} |", line.join(" | "))).collect()
        }
    };
    if matches!(form, TableFormat::Markdown) {
        written.insert(1.min(written.len()), rule);
    }
    written.join("\n") + "\n\n"
}

/// Aligns names left and numbers right.
fn padded((nth, (cell, width)): (usize, (&String, &usize))) -> String {
    if nth == 0 { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
}
