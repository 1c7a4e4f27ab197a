//! How load is shared among priorities, and which of them are in panic.
//!
//! A priority's availability is the percentage of its hosts that are healthy (or, counted separately, degraded) times
//! the overprovisioning factor, at most 100. Load goes to healthy hosts in order of priority, as much as their
//! availability allows, then to degraded ones. If all availabilities together come to 100, nothing is in panic; else a
//! priority is in panic whose plain percentage of available hosts is below the threshold. If all priorities are in
//! panic, load follows the number of hosts, whatever their health.

use super::hosts::Tally;

/// Percentages of the load by priority: they add up to 100, but for an oddity that [`PriorityLoad::new`] tells of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PriorityLoad {
    pub healthy: Vec<u64>,
    pub degraded: Vec<u64>,
    pub panic: Vec<bool>,
}

impl PriorityLoad {
    /// With hundreds of hosts, availability can round to 0 everywhere although a few are healthy, and the threshold may be
    /// low enough that there is no panic: then no priority has a load. Envoy falls back to the healthy hosts of priority 0.
    pub(super) fn new(priorities: &[Tally], overprovisioning_factor: u32, panic_percent: u64) -> Self {
        let availability = |hosts: u64, total: u64| {
            (u64::from(overprovisioning_factor) * hosts).checked_div(total).unwrap_or(0).min(100)
        };
        let healthy: Vec<u64> = priorities.iter().map(|tally| availability(tally.healthy, tally.total)).collect();
        let degraded: Vec<u64> = priorities.iter().map(|tally| availability(tally.degraded, tally.total)).collect();
        let normalized_total = healthy.iter().chain(&degraded).sum::<u64>().min(100);

        let mut load =
            Self { healthy: vec![0; priorities.len()], degraded: vec![0; priorities.len()], panic: Vec::new() };
        if normalized_total > 0 {
            let mut remaining = 100;
            distribute(&mut load.healthy, &healthy, &mut remaining, normalized_total);
            distribute(&mut load.degraded, &degraded, &mut remaining, normalized_total);
            // What rounding left over goes to the first available priority.
            if let Some(first) = healthy.iter().position(|&availability| availability > 0) {
                load.healthy[first] += remaining;
            } else if let Some(first) = degraded.iter().position(|&availability| availability > 0) {
                load.degraded[first] += remaining;
            }
        }

        let in_panic = |tally: &Tally| normalized_total < 100 && tally.available_percent() < panic_percent as f64;
        load.panic = priorities.iter().map(in_panic).collect();
        if panic_percent == 0 && normalized_total == 0 {
            if let Some(first) = load.healthy.first_mut() {
                *first = 100;
            }
        } else if load.panic.iter().all(|&panic| panic) {
            load.follow_host_counts(priorities);
        }
        load
    }

    fn follow_host_counts(&mut self, priorities: &[Tally]) {
        let total: u64 = priorities.iter().map(|tally| tally.total).sum();
        self.degraded.fill(0);
        for (load, tally) in self.healthy.iter_mut().zip(priorities) {
            *load = (100 * tally.total).checked_div(total).unwrap_or(0);
        }
        let remaining = 100 - self.healthy.iter().sum::<u64>();
        let first = priorities.iter().position(|tally| tally.total > 0).unwrap_or(0);
        if let Some(first) = self.healthy.get_mut(first) {
            *first += remaining;
        }
    }
}

/// As much of what remains to each priority as its availability allows, in order.
fn distribute(load: &mut [u64], availability: &[u64], remaining: &mut u64, normalized_total: u64) {
    for (load, availability) in load.iter_mut().zip(availability) {
        *load = (availability * 100 / normalized_total).min(*remaining);
        *remaining -= *load;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(total: u64, healthy: u64, degraded: u64) -> Tally {
        Tally { total, healthy, degraded, healthy_weight: healthy }
    }

    #[test]
    fn overprovisioning_keeps_a_priority_whole_until_72_percent() {
        let load = PriorityLoad::new(&[tally(100, 72, 0), tally(100, 100, 0)], 140, 50);
        assert_eq!(load.healthy, [100, 0]);
        let load = PriorityLoad::new(&[tally(100, 71, 0), tally(100, 100, 0)], 140, 50);
        assert_eq!(load.healthy, [99, 1]);
    }

    #[test]
    fn enough_availability_in_all_is_no_panic_in_any() {
        let load = PriorityLoad::new(&[tally(10, 1, 0), tally(10, 10, 0)], 140, 100);
        assert_eq!((load.healthy, load.panic), (vec![14, 86], vec![false, false]));
    }

    /// Envoy's own example: health of 10, 20, 10 % and degraded of 20, 10, 0 %, with the rest of rounding to the first.
    #[test]
    fn loads_are_scaled_to_100_and_the_rest_goes_to_the_first() {
        let load = PriorityLoad::new(&[tally(10, 1, 2), tally(10, 2, 1), tally(10, 1, 0)], 100, 0);
        assert_eq!(load.healthy, [16, 28, 14]);
        assert_eq!(load.degraded, [28, 14, 0]);
    }

    #[test]
    fn total_panic_follows_host_counts() {
        let load = PriorityLoad::new(&[tally(2, 0, 0), tally(1, 0, 0)], 140, 50);
        assert_eq!((load.healthy, load.panic), (vec![67, 33], vec![true, true]));
        let empty = PriorityLoad::new(&[tally(0, 0, 0)], 140, 50);
        assert_eq!((empty.healthy, empty.panic), (vec![100], vec![true]));
        // What rounding left is not for a priority without hosts.
        let load = PriorityLoad::new(&[tally(0, 0, 0), tally(1, 0, 0), tally(2, 0, 0)], 140, 50);
        assert_eq!(load.healthy, [0, 34, 66]);
    }

    #[test]
    fn without_a_threshold_nobody_healthy_is_priority_0s_to_fail() {
        let load = PriorityLoad::new(&[tally(2, 0, 0), tally(1, 0, 0)], 140, 0);
        assert_eq!((load.healthy, load.panic), (vec![100, 0], vec![false, false]));
    }
}
