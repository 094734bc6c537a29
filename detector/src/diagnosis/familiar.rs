//! How far the likeliest cause is from those that its kind is known by.
//!
//! A forest divides its votes among the kinds that it knows, however little a row looks like any of them. So a
//! row is compared with the known roots of the kind that is named: by the distance to the nearest, in units of
//! what is usual between them. Source: nearest-neighbour data description (Tax, "One-class classification",
//! Delft 2001, section 3.4).
//!
//! Each number of a row is measured by how far it is apart in pairs of nearest roots, not by its spread in the
//! kind: a kind may show in several ways, far from each other, and what lies between them is none of them. What
//! never moves in a kind is odd if it moves a little.

use serde::{Deserialize, Serialize};

use super::robust::quantile;

/// Rows are kept in steps of one part of this: nobody needs more, and it packs well.
const STEPS: f32 = 16.0;
/// The least unit of a number.
const LEAST_UNIT: f64 = 0.1;
/// This share of the roots is closer to another than what is called usual.
const USUAL: f64 = 0.9;
/// The least that is called usual: one number that is one unit apart.
const LEAST_USUAL: f64 = 1.0;
/// Fewer roots than this do not say what is usual between them.
const FEW: usize = 10;

/// The known roots of each kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Familiar {
    kinds: Vec<Roots>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Roots {
    rows: Vec<Vec<i16>>,
    units: Vec<f64>,
    usual: f64,
}

impl Familiar {
    /// Learns from roots of so many kinds, and says of each how far from the others it is: as if it had not been
    /// learnt from. An incident that was given twice is compared with what differs from it, not with its copy.
    pub(super) fn learn(roots: &[(usize, &[f32])], kinds: usize) -> (Self, Vec<f64>) {
        let mut apart = vec![0.0; roots.len()];
        let mut known = Vec::with_capacity(kinds);
        for kind in 0..kinds {
            let places = (0..roots.len()).filter(|at| roots[*at].0 == kind);
            let places: Vec<usize> = places.collect();
            let rows: Vec<Vec<i16>> = places.iter().map(|at| kept(roots[*at].1)).collect();
            let pairs = Pairs::of(&rows);
            for (own, at) in places.iter().enumerate() {
                let others = rows.iter().filter(|other| **other != rows[own]);
                apart[*at] = nearest(others, &rows[own], &pairs.units(Some(own)));
            }
            let units = pairs.units(None);
            known.push((places, rows, units));
        }
        let of_all = usual(&apart);
        let mut all = Vec::with_capacity(kinds);
        for (places, rows, units) in known {
            let own: Vec<f64> = places.iter().map(|at| apart[*at]).collect();
            let usual = if own.len() < FEW { of_all } else { usual(&own) };
            for at in places {
                apart[at] /= usual;
            }
            all.push(Roots { rows, units, usual });
        }
        (Self { kinds: all }, apart)
    }

    /// How many roots are known.
    pub(super) fn roots(&self) -> usize {
        self.kinds.iter().map(|roots| roots.rows.len()).sum()
    }

    /// How far a row is from the roots of a kind: about 1 or less if it is one of them.
    pub(super) fn apart(&self, kind: usize, row: &[f32]) -> f64 {
        let roots = &self.kinds[kind];
        nearest(roots.rows.iter(), &kept(row), &roots.units) / roots.usual
    }

    /// Whether there are roots of so many kinds, all of that width, and distances between them are numbers.
    pub(super) fn is_sound(&self, features: usize, kinds: usize) -> bool {
        let is_unit = |unit: &f64| unit.is_finite() && *unit > 0.0;
        let sound = |roots: &Roots| {
            roots.units.len() == features
                && roots.units.iter().chain([&roots.usual]).all(is_unit)
                && roots.rows.iter().all(|row| row.len() == features)
        };
        self.kinds.len() == kinds && self.kinds.iter().all(sound)
    }
}

/// Roots of a kind with the two that are nearest to each.
struct Pairs<'a> {
    rows: &'a [Vec<i16>],
    nearest: Vec<Vec<usize>>,
}

impl<'a> Pairs<'a> {
    fn of(rows: &'a [Vec<i16>]) -> Self {
        let width = rows.first().map_or(0, Vec::len);
        let units: Vec<f64> = (0..width).map(|at| spread(rows, at) + LEAST_UNIT).collect();
        let two = |own: usize| {
            let others = (0..rows.len()).filter(|other| rows[*other] != rows[own]);
            let mut others: Vec<(f64, usize)> = others
                .map(|other| (distance(&rows[own], &rows[other], &units), other))
                .collect();
            others.sort_by(|a, b| a.0.total_cmp(&b.0));
            others.iter().take(2).map(|(_, other)| *other).collect()
        };
        let nearest = (0..rows.len()).map(two).collect();
        Self { rows, nearest }
    }

    /// How far apart each number is in pairs, of which one root may be left out.
    fn units(&self, but: Option<usize>) -> Vec<f64> {
        let width = self.rows.first().map_or(0, Vec::len);
        let (mut squares, mut count) = (vec![0.0; width], 0.0);
        for (own, nearest) in self.nearest.iter().enumerate() {
            let other = nearest.iter().find(|other| Some(**other) != but);
            let Some(other) = other.filter(|_| Some(own) != but) else {
                continue;
            };
            count += 1.0;
            let pair = self.rows[own].iter().zip(&self.rows[*other]);
            for (square, (a, b)) in squares.iter_mut().zip(pair) {
                *square += gap(*a, *b).powi(2);
            }
        }
        let unit = |square: f64| (square / f64::max(count, 1.0)).sqrt() + LEAST_UNIT;
        squares.into_iter().map(unit).collect()
    }
}

/// What is usual among these distances. One that is infinite has nothing to be near to.
fn usual(apart: &[f64]) -> f64 {
    let finite = apart.iter().copied().filter(|far| far.is_finite());
    quantile(&finite.collect::<Vec<f64>>(), USUAL).max(LEAST_USUAL)
}

/// The distance to the nearest of those; infinite if there is none.
fn nearest<'a>(rows: impl Iterator<Item = &'a Vec<i16>>, row: &[i16], units: &[f64]) -> f64 {
    rows.map(|other| distance(row, other, units))
        .fold(f64::INFINITY, f64::min)
}

fn distance(a: &[i16], b: &[i16], units: &[f64]) -> f64 {
    let numbers = a.iter().zip(b).zip(units);
    let squares = numbers.map(|((a, b), unit)| (gap(*a, *b) / unit).powi(2));
    squares.sum::<f64>().sqrt()
}

fn kept(row: &[f32]) -> Vec<i16> {
    let rounded = row.iter().map(|value| (value * STEPS).round() as i16);
    rounded.collect()
}

fn gap(a: i16, b: i16) -> f64 {
    (f64::from(a) - f64::from(b)) / f64::from(STEPS)
}

/// The standard deviation of a number.
fn spread(rows: &[Vec<i16>], number: usize) -> f64 {
    let values = || rows.iter().map(|row| gap(row[number], 0));
    let count = f64::max(rows.len() as f64, 1.0);
    let mean = values().sum::<f64>() / count;
    let squares: f64 = values().map(|value| (value - mean).powi(2)).sum();
    (squares / count).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forest::Dice;

    /// A kind that shows in two ways, by the first two numbers or by the third; the fourth never moves.
    fn roots(count: usize, seed: u64) -> Vec<Vec<f32>> {
        let mut dice = Dice::new(seed, 0);
        let ways = [[6.0, 6.0, 0.0], [0.0, 0.0, 6.0]];
        let root = |at: usize| {
            let mut row: Vec<f32> = ways[at % 2].to_vec();
            for number in &mut row {
                *number += dice.below(1_000) as f32 / 1_000.0;
            }
            row.push(0.0);
            row
        };
        (0..count).map(root).collect()
    }

    fn learnt(roots: &[Vec<f32>]) -> (Familiar, Vec<f64>) {
        let roots: Vec<(usize, &[f32])> = roots.iter().map(|row| (0, row.as_slice())).collect();
        Familiar::learn(&roots, 1)
    }

    #[test]
    fn what_a_kind_never_showed_together_is_far_from_it_and_new_roots_are_not() {
        let (familiar, _) = learnt(&roots(40, 1));
        let far: Vec<f64> = roots(40, 2)
            .iter()
            .map(|row| familiar.apart(0, row))
            .collect();
        assert!(quantile(&far, 0.9) < 1.5, "{far:?}");
        for odd in [
            [6.5, 0.5, 0.5, 0.0],
            [6.5, 6.5, 6.5, 0.0],
            [6.5, 6.5, 0.5, 2.0],
        ] {
            let far = familiar.apart(0, &odd);
            assert!(far > 5.0, "{odd:?}: {far}");
        }
    }

    #[test]
    fn a_root_is_as_far_from_the_others_as_one_that_is_not_learnt_from() {
        let roots = roots(40, 3);
        let (_, apart) = learnt(&roots);
        for at in [0, 7, 39] {
            let mut others = roots.clone();
            let own = others.remove(at);
            let far = learnt(&others).0.apart(0, &own);
            assert!((far / apart[at] - 1.0).abs() < 0.2, "{far} {}", apart[at]);
        }
    }

    #[test]
    fn incidents_that_are_given_twice_are_as_near_to_each_other_as_if_they_were_given_once() {
        let once = roots(40, 5);
        let twice = [once.clone(), once.clone()].concat();
        let new = &roots(1, 6)[0];
        let (once, twice) = (learnt(&once).0, learnt(&twice).0);
        let (one, other) = (once.apart(0, new), twice.apart(0, new));
        assert!((one / other - 1.0).abs() < 0.1, "{one} {other}");
        let (_, same) = learnt(&vec![vec![1.0; 4]; 12]);
        assert!(same.iter().all(|far| far.is_infinite()), "{same:?}");
    }

    #[test]
    fn distances_that_are_no_numbers_are_refused() {
        let (sound, _) = learnt(&roots(12, 7));
        assert!(sound.is_sound(4, 1));
        for bad in [f64::NAN, f64::INFINITY, 0.0, -1.0] {
            let (mut unit, mut usual) = (sound.clone(), sound.clone());
            unit.kinds[0].units[2] = bad;
            usual.kinds[0].usual = bad;
            assert!(!unit.is_sound(4, 1) && !usual.is_sound(4, 1), "{bad}");
        }
    }

    #[test]
    fn one_root_alone_is_like_nothing_else() {
        let (familiar, apart) = learnt(&roots(1, 4));
        assert!(apart[0].is_infinite());
        assert!(familiar.apart(0, &[9.0; 4]) > 5.0);
        assert!(familiar.is_sound(4, 1) && !familiar.is_sound(5, 1));
    }
}
