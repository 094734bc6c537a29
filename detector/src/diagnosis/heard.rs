//! What trees say of the entities of an incident, and what follows for the kinds.

use super::confidence::highest;

/// The class of entities that are not the cause. Kinds follow.
pub(super) const BYSTANDER: usize = 0;
/// The least share of votes against an entity: no tree ever saw everything.
const LEAST_AGAINST: f64 = 0.01;

/// An entity in numbers, and what trees said of it.
pub(super) struct Heard<'a> {
    pub(super) entity: &'a str,
    pub(super) row: Vec<f32>,
    pub(super) votes: Vec<f64>,
}

impl<'a> Heard<'a> {
    /// The entity and the votes against it.
    pub(super) fn suspicion(&self) -> (&'a str, f64) {
        (self.entity, 1.0 - self.votes[BYSTANDER])
    }

    /// The odds of being the cause, and of that kind: if one entity is the cause and the others are not, an entity
    /// is likely the one as its votes for being it stand to its votes against.
    fn odds(&self, kind: usize) -> f64 {
        self.votes[BYSTANDER + 1 + kind] / self.votes[BYSTANDER].max(LEAST_AGAINST)
    }
}

/// The share of each kind over all entities, by their odds. All are the smaller, the farther the likeliest cause is
/// from the known roots of the likeliest kind, as `apart` says.
pub(super) fn shares(
    heard: &[Heard<'_>],
    kinds: usize,
    apart: impl Fn(usize, &Heard<'_>) -> f64,
) -> Vec<f64> {
    let odds = |kind| heard.iter().map(move |one| one.odds(kind));
    let mut shares: Vec<f64> = (0..kinds).map(|kind| odds(kind).sum()).collect();
    let (all, most) = (shares.iter().sum::<f64>(), highest(&shares));
    let likeliest = shares.iter().position(|share| *share >= most);
    let cause = likeliest.and_then(|kind| {
        let by_odds = |a: &&Heard<'_>, b: &&Heard<'_>| a.odds(kind).total_cmp(&b.odds(kind));
        Some((kind, heard.iter().max_by(by_odds)?))
    });
    let known = cause.map_or(0.0, |(kind, one)| 1.0 / (1.0 + apart(kind, one)));
    for share in &mut shares {
        *share = if all > 0.0 { *share / all * known } else { 0.0 };
    }
    shares
}
