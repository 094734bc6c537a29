//! `aegis backtest plot`: a recorded series, how unusual it was, its episodes and their blame, as a page.

mod episodes;
mod page;
mod thin;

use std::fs;
use std::io::{self, Write as _};
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use clap::Args;

use self::episodes::Episodes;
use self::thin::Thin;
use super::entity::Entity;
use super::table::Table;

/// Draws a recorded series, how unusual it was, its episodes and their blame.
///
/// Reads what `aegis backtest score` reads. Writes one HTML page that needs nothing else: no script, no
/// network. Long series are thinned: each pixel column shows the least and the most of its rows.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Examples:\n  aegis backtest plot --input node-7.csv --output node-7.html\n  aegis backtest plot --input - < node-7.csv > node-7.html"
)]
pub struct Plot {
    /// The file, or `-` for standard input.
    #[arg(long, value_name = "FILE")]
    input: PathBuf,
    /// Where the page goes; standard output if it is not said.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Plot {
    /// Does it.
    ///
    /// # Errors
    ///
    /// When the input cannot be read, is wrong or has no rows, or the output cannot be written.
    pub(super) fn run(&self) -> Result<()> {
        let mut table = Table::open(&self.input)?;
        let page = plot(&mut table)?;
        match &self.output {
            Some(path) => {
                fs::write(path, page).with_context(|| format!("cannot write `{}`", path.display()))
            }
            None => io::stdout()
                .write_all(page.as_bytes())
                .context("cannot write the page"),
        }
    }
}

fn plot(table: &mut Table) -> Result<String> {
    let metrics = table.metrics().to_vec();
    let mut entity = Entity::new(metrics.len());
    let (mut thin, mut episodes) = (Thin::new(metrics.len()), Episodes::default());
    while let Some(row) = table.next()? {
        let judged = entity.look(&row);
        let at = row.at.as_second();
        thin.add(at, row.values, judged.score);
        episodes.add(at, judged, || entity.blame().to_vec());
    }
    ensure!(!thin.columns().is_empty(), "there are no rows to draw");
    Ok(page::render(&metrics, &thin, &episodes.finish()))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::plot;
    use crate::backtest::table::Table;

    #[test]
    fn the_page_shows_the_episode_and_its_blame_and_holds_no_foreign_markup() {
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        writeln!(file, "timestamp,<b>calm</b>,jumps").expect("written");
        for row in 0..5_000 {
            let wave = f64::from(row % 7);
            let jump = if row == 4_000 {
                500.0
            } else {
                f64::from(row % 5)
            };
            writeln!(file, "{},{wave},{jump}", 60 * row).expect("written");
        }
        let mut table = Table::open(file.path()).expect("it is right");
        let page = plot(&mut table).expect("it has rows");
        assert!(page.contains("&lt;b&gt;calm") && !page.contains("<b>calm"));
        let episode = page
            .split("<tr>")
            .find(|row| row.contains("1970-01-03 18:40"));
        assert!(episode.is_some_and(|row| row.contains("jumps")), "{page}");
        assert!(page.len() < 200_000, "{}", page.len());
    }
}
