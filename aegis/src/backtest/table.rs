//! Wide CSV, row by row: a time, then a value of each metric.
//!
//! Whatever is wrong is said with its line. The memory that it takes does not grow with the input.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use jiff::Timestamp;

/// Bytes that are read at once.
const BUFFER: usize = 1 << 18;

/// A table that is being read. No cell may hold a comma or a new line, so quotes around cells are no
/// more than ornament, and every row is a line.
pub(super) struct Table {
    input: Box<dyn BufRead>,
    metrics: Vec<String>,
    text: String,
    values: Vec<f64>,
    newest: Option<Timestamp>,
    /// Number of the newest line, and bytes up to its end.
    line: u64,
    read: u64,
    bytes: Option<u64>,
}

/// One row of it.
#[derive(Debug)]
pub(super) struct Row<'a> {
    /// Its time as it is written in the table.
    pub(super) stamp: &'a str,
    pub(super) at: Timestamp,
    /// A value of each metric, NaN where there is none.
    pub(super) values: &'a [f64],
}

impl Table {
    /// The table in that file, or on standard input if it is `-`.
    pub(super) fn open(path: &Path) -> Result<Self> {
        if path.as_os_str() == "-" {
            return Self::read(Box::new(io::stdin().lock()), None);
        }
        let named = || format!("cannot read `{}`", path.display());
        let file = File::open(path).with_context(named)?;
        let about = file.metadata().with_context(named)?;
        let bytes = about.is_file().then_some(about.len());
        let input = BufReader::with_capacity(BUFFER, file);
        Self::read(Box::new(input), bytes).with_context(|| format!("`{}`", path.display()))
    }

    fn read(input: Box<dyn BufRead>, bytes: Option<u64>) -> Result<Self> {
        let mut table = Self {
            input,
            metrics: Vec::new(),
            text: String::new(),
            values: Vec::new(),
            newest: None,
            line: 0,
            read: 0,
            bytes,
        };
        ensure!(
            table.read_line()?,
            "it is empty: a header `timestamp,METRIC,...` is missing"
        );
        let line = table.line;
        let mut names = cells(table.text.trim_start_matches('\u{feff}'));
        let first = names.next().unwrap_or_default();
        ensure!(
            first == "timestamp",
            "line {line}: the first column must be `timestamp`, not `{first}`"
        );
        let metrics: Vec<String> = names.map(str::to_owned).collect();
        ensure!(!metrics.is_empty(), "line {line}: there is no metric");
        let mut seen = BTreeSet::new();
        for (name, column) in metrics.iter().zip(2..) {
            ensure!(!name.is_empty(), "line {line}: column {column} has no name");
            ensure!(
                !name.contains([';', '"']),
                "line {line}: no name of a metric holds a semicolon or a quote: `{name}`"
            );
            ensure!(
                seen.insert(name),
                "line {line}: two metrics are named `{name}`"
            );
        }
        table.metrics = metrics;
        Ok(table)
    }

    /// Reads the next line that is not empty, without its end; whether there is one.
    fn read_line(&mut self) -> Result<bool> {
        loop {
            self.text.clear();
            let line = self.line + 1;
            let read = self.input.read_line(&mut self.text);
            let read = read.with_context(|| format!("line {line}: it cannot be read as text"))?;
            if read == 0 {
                return Ok(false);
            }
            self.line = line;
            self.read += read as u64;
            self.text
                .truncate(self.text.trim_end_matches(['\n', '\r']).len());
            if !self.text.is_empty() {
                return Ok(true);
            }
        }
    }

    /// The names of its metrics.
    pub(super) fn metrics(&self) -> &[String] {
        &self.metrics
    }

    /// Which part of it has been read, if its length is known.
    pub(super) fn part(&self) -> Option<f64> {
        let bytes = self.bytes.filter(|bytes| *bytes > 0)?;
        Some(self.read as f64 / bytes as f64)
    }

    /// The next row, if there is one.
    pub(super) fn next(&mut self) -> Result<Option<Row<'_>>> {
        if !self.read_line()? {
            return Ok(None);
        }
        let line = self.line;
        let (found, wanted) = (cells(&self.text).count(), self.metrics.len() + 1);
        ensure!(
            found == wanted,
            "line {line}: {found} fields where the header has {wanted}"
        );
        let mut cells = cells(&self.text);
        let stamp = cells.next().unwrap_or_default();
        let at = time(stamp).with_context(|| {
            format!("line {line}: `{stamp}` is no time: RFC 3339 or whole seconds since 1970 are")
        })?;
        if self.newest.is_some_and(|newest| at <= newest) {
            bail!(
                "line {line}: `{stamp}` is not after the row before: sort the rows by time, one for each time"
            );
        }
        self.newest = Some(at);
        self.values.clear();
        for (cell, name) in cells.zip(&self.metrics) {
            let value = value(cell).with_context(|| {
                format!(
                    "line {line}: `{name}` is `{cell}`, not a finite number (leave the cell empty if there is none)"
                )
            })?;
            self.values.push(value);
        }
        Ok(Some(Row {
            stamp,
            at,
            values: &self.values,
        }))
    }
}

/// The cells of a line.
fn cells(line: &str) -> impl Iterator<Item = &str> {
    line.split(',').map(|cell| {
        let cell = cell.trim();
        let quoted = cell
            .strip_prefix('"')
            .and_then(|cell| cell.strip_suffix('"'));
        quoted.unwrap_or(cell)
    })
}

fn time(stamp: &str) -> Option<Timestamp> {
    match stamp.parse::<i64>() {
        Ok(seconds) => Timestamp::from_second(seconds).ok(),
        Err(_) => stamp.parse().ok(),
    }
}

fn value(cell: &str) -> Option<f64> {
    if cell.is_empty() {
        return Some(f64::NAN);
    }
    cell.parse().ok().filter(|value: &f64| value.is_finite())
}

#[cfg(test)]
mod tests {
    use super::Table;

    /// A row's time as it is written and in seconds, and its values.
    type Cells = (String, i64, Vec<Option<f64>>);

    fn rows(text: &'static str) -> anyhow::Result<Vec<Cells>> {
        let mut table = Table::read(Box::new(text.as_bytes()), None)?;
        let mut rows = Vec::new();
        while let Some(row) = table.next()? {
            let values = row
                .values
                .iter()
                .map(|value| (!value.is_nan()).then_some(*value));
            rows.push((row.stamp.to_owned(), row.at.as_second(), values.collect()));
        }
        Ok(rows)
    }

    #[test]
    fn it_reads_what_people_have() {
        let plain = rows("timestamp,a,b\n60,1,-2.5e3\n120,,4\n").expect("it is right");
        assert_eq!(
            plain[0],
            ("60".to_owned(), 60, vec![Some(1.0), Some(-2500.0)])
        );
        assert_eq!(plain[1].2, [None, Some(4.0)]);
        let windows =
            rows("\u{feff}timestamp,\"a\",b\r\n\r\n60,1,-2500\r\n120,,4").expect("it is right");
        assert_eq!(windows, plain);
        let zoned = rows("timestamp,a\n1970-01-01T00:01:00Z,1\n1970-01-01T02:02:00+02:00,2\n");
        let times: Vec<i64> = zoned
            .expect("it is right")
            .iter()
            .map(|row| row.1)
            .collect();
        assert_eq!(times, [60, 120]);
    }

    #[test]
    fn it_says_what_is_wrong_and_where() {
        for (text, said) in [
            ("", "it is empty"),
            ("time,a\n", "line 1: the first column"),
            ("timestamp\n", "line 1: there is no metric"),
            ("timestamp,a,a\n", "line 1: two metrics are named `a`"),
            ("timestamp,a,\n", "line 1: column 3 has no name"),
            ("timestamp,a;b\n", "line 1: no name"),
            (
                "timestamp,a\n1,1\n\n2,3,4\n",
                "line 4: 3 fields where the header has 2",
            ),
            ("timestamp,a\n1,1\n1,2\n", "line 3: `1` is not after"),
            ("timestamp,a\r\n\r\n1,1\r\n1,2", "line 4: `1` is not after"),
            ("timestamp,a\nnoon,1\n", "line 2: `noon` is no time"),
            ("timestamp,a\n1,NaN\n", "line 2: `a` is `NaN`, not a finite"),
            (
                "timestamp,a\n1,-inf\n",
                "line 2: `a` is `-inf`, not a finite",
            ),
            (
                "timestamp,a\n1,1e999\n",
                "line 2: `a` is `1e999`, not a finite",
            ),
        ] {
            let error = rows(text).expect_err(text);
            assert!(format!("{error:#}").contains(said), "{text:?}: {error:#}");
        }
    }
}
