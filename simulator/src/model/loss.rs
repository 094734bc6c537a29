//! What lost packets do to a call: most come late, a few never.
//!
//! A packet that is lost is sent again after the retransmission timeout, which doubles each time (RFC
//! 6298, section 5.5; Linux begins at 200 ms, `TCP_RTO_MIN`). An exchange is so short that its packets are
//! not told missing by later ones, so that every loss costs a timeout.

use super::flow::TIMEOUT;

/// Packets of a request and its answer, handshakes and acknowledgements left out.
pub(crate) const PACKETS: f64 = 10.0;
/// The first retransmission timeout, seconds.
const FIRST: f64 = 0.2;
/// How often a packet can be lost before its caller gives up: 0.2 + 0.4 + 0.8 + 1.6 s are below
/// [`TIMEOUT`], with 3.2 s more they are not.
const TRIES: usize = 5;

/// How long the packets of a request, those of its calls included, are waited for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Waits {
    /// The share of requests none of whose packets is lost more than so many times.
    within: [f64; TRIES],
}

impl Waits {
    /// Nothing is lost.
    pub(super) const NONE: Self = Self {
        within: [1.0; TRIES],
    };

    /// Of an exchange on a way that loses the share `loss` of all packets.
    pub(super) fn of(loss: f64) -> Self {
        let loss = loss.clamp(0.0, 1.0);
        let mut within = [1.0; TRIES];
        let mut lost = 1.0;
        for share in &mut within {
            lost *= loss;
            *share = (1.0 - lost).powf(PACKETS);
        }
        Self { within }
    }

    /// Of a request that also makes `count` such exchanges.
    pub(super) fn and(mut self, other: Self, count: f64) -> Self {
        for (own, of) in self.within.iter_mut().zip(other.within) {
            *own *= of.powf(count);
        }
        self
    }

    /// The shares of requests by how much longer they take, seconds; those that are given up are not
    /// among them.
    pub(super) fn late(self) -> impl Iterator<Item = (f64, f64)> {
        let mut before = 0.0;
        let mut timeout = FIRST;
        let mut delay = 0.0;
        self.within.into_iter().map(move |within| {
            let said = (within - before, delay);
            before = within;
            delay += timeout;
            timeout *= 2.0;
            said
        })
    }

    /// The share that is given up.
    pub(super) fn given_up(self) -> f64 {
        1.0 - self.within[TRIES - 1]
    }

    /// How much longer a request takes in the mean, seconds.
    pub(super) fn mean(self) -> f64 {
        let late: f64 = self.late().map(|(share, delay)| share * delay).sum();
        late + self.given_up() * TIMEOUT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_little_loss_is_a_tail_and_much_of_it_is_errors() {
        assert_eq!(Waits::of(0.0), Waits::NONE);
        let little = Waits::of(0.02);
        let on_time = little.late().next().map_or(0.0, |(share, _)| share);
        assert!((0.8..0.85).contains(&on_time), "{on_time}");
        assert!(little.given_up() < 1e-6);
        assert!((0.03..0.05).contains(&little.mean()), "{}", little.mean());
        assert!((0.2..0.35).contains(&Waits::of(0.5).given_up()));
        let all = Waits::of(1.0);
        assert!((all.given_up(), all.mean()) == (1.0, TIMEOUT));
    }

    #[test]
    fn the_shares_are_of_all_requests() {
        for loss in [0.0, 0.01, 0.3, 0.9] {
            let waits = Waits::of(loss).and(Waits::of(loss / 2.0), 1.5);
            let sum: f64 = waits.late().map(|(share, _)| share).sum();
            assert!((sum + waits.given_up() - 1.0).abs() < 1e-12, "{loss}");
        }
    }
}
