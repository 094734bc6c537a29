//! Alarms that belong together.

use aegis_detector::vector::{CALM_ROWS, Judgement};

/// One of them.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Episode {
    /// Times of its first and last alarm, in seconds.
    pub(super) first: i64,
    pub(super) last: i64,
    /// Its highest score, and the metrics to blame there, the first most.
    pub(super) score: f64,
    pub(super) blamed: Vec<usize>,
}

/// Those so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Episodes {
    found: Vec<Episode>,
    calm: usize,
}

impl Episodes {
    /// Takes a row in; `blame` is asked only if it matters.
    pub(super) fn add(&mut self, at: i64, judged: Judgement, blame: impl FnOnce() -> Vec<usize>) {
        if !judged.anomaly {
            self.calm = self.calm.saturating_add(1);
            return;
        }
        let calm = std::mem::take(&mut self.calm);
        match self
            .found
            .last_mut()
            .filter(|_| calm <= usize::from(CALM_ROWS))
        {
            Some(open) => {
                open.last = at;
                if judged.score > open.score {
                    open.score = judged.score;
                    open.blamed = blame();
                }
            }
            None => self.found.push(Episode {
                first: at,
                last: at,
                score: judged.score,
                blamed: blame(),
            }),
        }
    }

    /// All of them, in time.
    pub(super) fn finish(self) -> Vec<Episode> {
        self.found
    }
}

#[cfg(test)]
mod tests {
    use aegis_detector::vector::Judgement;

    use super::Episodes;

    #[test]
    fn alarms_that_are_close_are_one_and_the_highest_says_who_is_to_blame() {
        let mut episodes = Episodes::default();
        let mut now = 0;
        for (calm, score) in [(5, 4.0), (30, 9.0), (0, 5.0), (31, 6.0)] {
            for _ in 0..calm {
                let score = 0.1;
                episodes.add(
                    now,
                    Judgement {
                        score,
                        anomaly: false,
                    },
                    Vec::new,
                );
                now += 1;
            }
            let anomaly = true;
            episodes.add(now, Judgement { score, anomaly }, || vec![score as usize]);
            now += 1;
        }
        let found = episodes.finish();
        let spans: Vec<_> = found.iter().map(|one| (one.first, one.last)).collect();
        assert_eq!(spans, [(5, 37), (69, 69)]);
        assert_eq!(found[0].blamed, [9]);
    }
}
