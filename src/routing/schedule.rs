//! Earliest deadline first: Envoy's scheduler for whatever is taken by weight.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// Entry `i` comes up in proportion to its weight: each time it is picked, its next deadline is `1 / weight` later.
#[derive(Clone, Debug)]
pub(super) struct EdfScheduler {
    now: f64,
    /// Ties go to the entry that was added first.
    order: u64,
    queue: BinaryHeap<Entry>,
    weights: Vec<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Entry {
    deadline: f64,
    order: u64,
    index: usize,
}

impl Eq for Entry {}

impl Ord for Entry {
    /// Reversed: the heap's greatest is the one that is due first.
    fn cmp(&self, other: &Self) -> Ordering {
        other.deadline.total_cmp(&self.deadline).then(other.order.cmp(&self.order))
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl EdfScheduler {
    /// Weights are positive. The scheduler starts as if it had been picked from `picks` times, so that proxies that start
    /// together do not all begin with the same host. Most of those picks are computed at once: after `p` picks, an entry of
    /// share `s` has had `p · s` of them, rounded down; what rounding left is picked one by one.
    pub(super) fn new(weights: Vec<f64>, picks: u64) -> Self {
        /// Envoy's bound: the 32-bit range divided by 10.
        const MAX_PICKS: u32 = 429_496_729;
        /// Added to weights in these computations, so that multiples of each other do not tie by rounding.
        const EPSILON: f64 = 1e-13;

        let picks = picks as u32 % MAX_PICKS;
        let sum: f64 = weights.iter().map(|weight| weight + EPSILON).sum();
        let mut now = 0.0_f64;
        let mut picked = 0;
        let mut entries = Vec::with_capacity(weights.len());
        for (index, weight) in weights.iter().map(|weight| weight + EPSILON).enumerate() {
            let mut times = (weight * f64::from(picks) / sum) as u32;
            if times > 0 && f64::from(times) / weight >= f64::from(picks) / sum {
                times -= 1;
            }
            now = now.max(f64::from(times) / weight);
            entries.push(Entry { deadline: f64::from(times + 1) / weight, order: index as u64, index });
            picked += times;
        }
        let mut scheduler = Self { now, order: entries.len() as u64, queue: entries.into(), weights };
        for _ in picked..picks {
            scheduler.pick(|_, weight| weight);
        }
        scheduler
    }

    /// The next entry. `reweigh` gives the weight it shall now have, from its index and its original one.
    pub(super) fn pick(&mut self, reweigh: impl FnOnce(usize, f64) -> f64) -> Option<usize> {
        let Entry { deadline, index, .. } = self.queue.pop()?;
        self.now = deadline;
        let deadline = self.now + 1.0 / reweigh(index, self.weights[index]);
        self.queue.push(Entry { deadline, order: self.order, index });
        self.order += 1;
        Some(index)
    }

    /// Entries are picked in proportion to these.
    pub(super) fn weights(&self) -> &[f64] {
        &self.weights
    }
}

#[cfg(test)]
mod tests {
    use super::EdfScheduler;

    fn sequence(scheduler: &mut EdfScheduler, picks: usize) -> Vec<usize> {
        (0..picks).filter_map(|_| scheduler.pick(|_, weight| weight)).collect()
    }

    #[test]
    fn picks_are_in_proportion_to_weights_and_spread_out() {
        let mut scheduler = EdfScheduler::new(vec![1.0, 3.0], 0);
        assert_eq!(sequence(&mut scheduler, 8).iter().filter(|&&index| index == 1).count(), 6);
    }

    /// But for ties, which weights without a common divisor don't have within so few picks.
    #[test]
    fn starting_after_picks_is_as_if_they_had_been_made() {
        for picks in 0..50 {
            let mut fresh = EdfScheduler::new(vec![25.0, 71.0, 13.0], 0);
            sequence(&mut fresh, picks);
            let mut later = EdfScheduler::new(vec![25.0, 71.0, 13.0], picks as u64);
            assert_eq!(sequence(&mut later, 30), sequence(&mut fresh, 30), "after {picks}");
        }
    }

    #[test]
    fn ties_are_taken_in_turn() {
        for hosts in 2..20 {
            let mut scheduler = EdfScheduler::new(vec![1.0; hosts], 0);
            let in_turn: Vec<usize> = (0..hosts).cycle().take(5 * hosts).collect();
            assert_eq!(sequence(&mut scheduler, 5 * hosts), in_turn);
        }
    }

    #[test]
    fn nothing_to_pick_is_nothing_picked() {
        assert_eq!(EdfScheduler::new(Vec::new(), 17).pick(|_, weight| weight), None);
    }
}
