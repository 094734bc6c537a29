//! The detector's cost: what `aegis bench detector` prints.

use aegis::bench::detector;

fn main() -> anyhow::Result<()> {
    detector::print(&detector::measure(200_000)?);
    Ok(())
}
