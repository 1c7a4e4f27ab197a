//! What the services of a region remember: one state each, found by its type, so that a region names none of them.
//!
//! A change can be hidden from readers for a while (eventual consistency): what was to be seen before it stays so, and what
//! came after it comes into sight with it. Time never runs backwards for a reader.

use std::any::Any;
use std::time::Duration;

use tokio::time::Instant;

/// The state of a service, which can be copied as it is now.
pub(crate) trait State: Any + Send + Sync {
    /// A copy that later changes do not reach.
    fn snapshot(&self) -> Box<dyn State>;
}

impl<T: Any + Clone + Send + Sync> State for T {
    fn snapshot(&self) -> Box<dyn State> {
        Box::new(self.clone())
    }
}

/// How long readers see a service as it was before a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    Calls(u64),
    Time(Duration),
}

#[derive(Default)]
pub(crate) struct States {
    /// By the service's signing name.
    present: Vec<(&'static str, Box<dyn State>)>,
    /// The changes that are not seen yet, oldest first.
    lags: Vec<Lag>,
}

/// A change that readers do not see yet.
struct Lag {
    service: &'static str,
    /// None: the service remembers nothing, so that nothing can be hidden.
    before: Option<Box<dyn State>>,
    reads_left: u64,
    until: Option<Instant>,
}

impl States {
    pub(crate) fn insert(&mut self, service: &'static str, state: Box<dyn State>) {
        self.present.push((service, state));
    }

    /// The state of type `T`. A type that no service has registered is a programming error.
    pub(crate) fn get<T: State>(&self) -> &T {
        let mut states = self.present.iter().map(|(_, state)| &**state as &dyn Any);
        states.find_map(<dyn Any>::downcast_ref).expect("each service's state is there from the beginning")
    }

    /// As [`States::get`], to be changed.
    pub(crate) fn get_mut<T: State>(&mut self) -> &mut T {
        let mut states = self.present.iter_mut().map(|(_, state)| &mut **state as &mut dyn Any);
        states.find_map(<dyn Any>::downcast_mut).expect("each service's state is there from the beginning")
    }

    /// A service as it is now.
    pub(crate) fn snapshot(&self, service: &str) -> Option<Box<dyn State>> {
        let (_, state) = self.present.iter().find(|(name, _)| *name == service)?;
        // Through the box itself, which is a state too, the snapshot would be of the box.
        Some((**state).snapshot())
    }

    /// Makes a service what it was.
    pub(crate) fn put_back(&mut self, service: &str, state: Option<Box<dyn State>>) {
        let present = self.present.iter_mut().find(|(name, _)| *name == service);
        if let (Some((_, present)), Some(state)) = (present, state) {
            *present = state;
        }
    }

    /// From now on readers of the service see what was `before`.
    pub(crate) fn hide(&mut self, service: &'static str, before: Option<Box<dyn State>>, extent: Extent) {
        let (reads_left, until) = match extent {
            Extent::Calls(calls) => (calls, None),
            Extent::Time(time) => (u64::MAX, Some(Instant::now() + time)),
        };
        self.lags.push(Lag { service, before, reads_left, until });
    }

    /// Everything comes into sight.
    pub(crate) fn reveal(&mut self) {
        self.lags.clear();
    }

    /// Puts the service back to what its readers see, for one read; [`States::end_read`] with what this gives ends it.
    pub(crate) fn begin_read(&mut self, service: &str) -> Option<Read> {
        let mut lag = self.oldest_lag(service)?;
        self.exchange(&mut lag);
        Some(Read(lag))
    }

    pub(crate) fn end_read(&mut self, read: Option<Read>) {
        if let Some(Read(mut lag)) = read {
            self.exchange(&mut lag);
            self.lags.insert(0, lag);
        }
    }

    fn oldest_lag(&mut self, service: &str) -> Option<Lag> {
        let now = Instant::now();
        self.lags.retain(|lag| lag.reads_left > 0 && lag.until.is_none_or(|until| now < until));
        let oldest = self.lags.iter().position(|lag| lag.service == service)?;
        let mut lag = self.lags.remove(oldest);
        lag.reads_left -= 1;
        Some(lag)
    }

    /// Exchanges the present and the past.
    fn exchange(&mut self, lag: &mut Lag) {
        let present = self.present.iter_mut().find(|(name, _)| *name == lag.service);
        if let (Some((_, present)), Some(before)) = (present, &mut lag.before) {
            std::mem::swap(present, before);
        }
    }
}

/// A read that sees a service as it was.
#[must_use]
pub(crate) struct Read(Lag);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_hidden_for_a_time_comes_into_sight_after_it() {
        let mut states = States::default();
        states.insert("ecs", Box::new(1_u32));
        states.insert("ec2", Box::new("unchanged"));
        let before = states.snapshot("ecs");
        states.hide("ecs", before, Extent::Time(Duration::from_millis(100)));
        *states.get_mut::<u32>() = 2;
        let mut seen = || {
            let read = states.begin_read("ecs");
            let seen = *states.get::<u32>();
            states.end_read(read);
            let other = states.begin_read("ec2");
            assert!(other.is_none());
            seen
        };
        for passed in [0, 60, 39] {
            tokio::time::advance(Duration::from_millis(passed)).await;
            assert_eq!(seen(), 1);
        }
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(seen(), 2);
    }

    #[test]
    fn what_is_hidden_from_a_number_of_reads_is_seen_by_the_next_one() {
        let mut states = States::default();
        states.insert("ecs", Box::new(1_u32));
        let before = states.snapshot("ecs");
        states.hide("ecs", before, Extent::Calls(2));
        *states.get_mut::<u32>() = 2;
        let mut seen = || {
            let read = states.begin_read("ecs");
            let seen = *states.get::<u32>();
            states.end_read(read);
            seen
        };
        assert_eq!([seen(), seen(), seen()], [1, 1, 2]);
    }
}
