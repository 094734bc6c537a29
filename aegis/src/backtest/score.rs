//! `aegis backtest score`: how unusual each row of a recorded series is.

use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use clap::Args;

use super::entity::Entity;
use super::table::Table;

/// Bytes that are written at once.
const BUFFER: usize = 1 << 16;
/// Rows between two looks at the clock for the progress, and how often that is shown.
const ROWS: u64 = 4_096;
const EVERY: Duration = Duration::from_millis(500);

/// Says how unusual each row of a recorded series is.
///
/// Reads wide CSV with a header `timestamp,METRIC,...`: times in RFC 3339 or whole seconds since 1970,
/// rising, gaps allowed; an empty cell is a missing value. One entity per file. Each row is judged by those
/// before it alone, then learned from; nothing is known beforehand, so the first rows say little.
///
/// Writes CSV `timestamp,score,anomaly,blame`, a row for each row. The score is -log10 of how unusual the
/// row is, in units in which every series keeps within its budget of episodes at 3; from there on the anomaly
/// is 1. With a single metric it is 1 where an anomaly begins or grows. The blame names metrics, the most surprising first.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Examples:\n  aegis backtest score --input node-7.csv > scores.csv\n  aegis backtest score --input node-7.csv | awk -F, '$3 == 1'\n  tail -n +1 -f live.csv | aegis backtest score --input -"
)]
pub struct Score {
    /// The file, or `-` for standard input.
    #[arg(long, value_name = "FILE")]
    input: PathBuf,
}

impl Score {
    /// Does it.
    ///
    /// # Errors
    ///
    /// When the input cannot be read or is wrong, or the output cannot be written.
    pub(super) fn run(&self) -> Result<()> {
        let mut table = Table::open(&self.input)?;
        // What comes through a pipe may come slowly: nobody should wait for a full buffer.
        let is_live = self.input.as_os_str() == "-";
        let output = BufWriter::with_capacity(BUFFER, io::stdout().lock());
        match score(&mut table, output, is_live) {
            // Whoever read the output has seen enough.
            Err(error) if is_broken_pipe(&error) => Ok(()),
            ended => ended,
        }
    }
}

fn score(table: &mut Table, mut output: impl Write, is_live: bool) -> Result<()> {
    let written = "cannot write the scores";
    let metrics = table.metrics().to_vec();
    let mut entity = Entity::new(metrics.len());
    let mut progress = Progress::new();
    writeln!(output, "timestamp,score,anomaly,blame").context(written)?;
    while let Some(row) = table.next()? {
        let judged = entity.look(&row);
        let anomaly = u8::from(judged.anomaly);
        write!(output, "{},{},{anomaly}", row.stamp, judged.score).context(written)?;
        let blamed = entity.blame();
        let mut before = ",";
        for &metric in blamed {
            write!(output, "{before}{}", metrics[metric]).context(written)?;
            before = ";";
        }
        let end = if blamed.is_empty() { ",\n" } else { "\n" };
        output.write_all(end.as_bytes()).context(written)?;
        if is_live {
            output.flush().context(written)?;
        }
        progress.row(table);
    }
    progress.end();
    output.flush().context(written)
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let cause = error.root_cause().downcast_ref::<io::Error>();
    cause.is_some_and(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}

/// What people see while a long file is read.
struct Progress {
    rows: u64,
    shown: Option<Instant>,
    is_shown: bool,
}

impl Progress {
    fn new() -> Self {
        let is_wanted = io::stderr().is_terminal() && !io::stdout().is_terminal();
        Self {
            rows: 0,
            shown: is_wanted.then(Instant::now),
            is_shown: false,
        }
    }

    fn row(&mut self, table: &Table) {
        self.rows += 1;
        let Some(shown) = self.shown.filter(|_| self.rows.is_multiple_of(ROWS)) else {
            return;
        };
        if shown.elapsed() >= EVERY {
            let part = table
                .part()
                .map_or_else(String::new, |part| format!(", {:.0} %", 100.0 * part));
            eprint!("\r{} rows{part} ", self.rows);
            self.shown = Some(Instant::now());
            self.is_shown = true;
        }
    }

    fn end(&self) {
        if self.is_shown {
            eprintln!("\r{} rows        ", self.rows);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::score;
    use crate::backtest::table::Table;

    #[test]
    fn a_row_for_each_row_and_the_jump_stands_out() {
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        writeln!(file, "timestamp,calm,jumps").expect("written");
        for row in 0..400 {
            let wave = f64::from(row % 7);
            let jump = if row == 390 {
                500.0
            } else {
                f64::from(row % 5)
            };
            writeln!(file, "{},{wave},{jump}", 60 * row).expect("written");
        }
        let mut output = Vec::new();
        let mut table = Table::open(file.path()).expect("it is right");
        score(&mut table, &mut output, false).expect("it is right");
        let text = String::from_utf8(output).expect("text");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            (lines.len(), lines[0]),
            (401, "timestamp,score,anomaly,blame")
        );
        let fields: Vec<&str> = lines[391].split(',').collect();
        assert_eq!((fields[0], fields[2]), ("23400", "1"));
        assert_eq!(fields[3].split(';').next(), Some("jumps"));
        assert!(
            lines[1..391]
                .iter()
                .all(|line| line.split(',').nth(2) == Some("0"))
        );
    }
}
