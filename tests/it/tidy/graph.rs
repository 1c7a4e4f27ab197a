//! Which part of a folder names which, and the circles in it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::{fmt, iter};

use super::source::{Mention, Place};

/// The parts of a folder, which are its files and its subfolders, and for each arrow between two of them where the one names
/// the other.
#[derive(Clone, Default)]
pub(super) struct Graph<'a>(BTreeMap<&'a str, BTreeMap<&'a str, BTreeSet<&'a Place>>>);

/// A part that names another one, and where.
pub(super) struct Arrow<'a> {
    pub(super) from: &'a str,
    pub(super) to: &'a str,
    places: Vec<&'a Place>,
}

/// Parts that name each other in turn, the last one the first.
pub(super) struct Circle<'a>(pub(super) Vec<Arrow<'a>>);

/// The part of a folder that a module is in; what is in the folder's `mod.rs` itself is a part, too.
pub(super) fn part<'a>(folder: &[&str], module: &'a [String]) -> Option<&'a str> {
    let is_below = module.len() >= folder.len() && module.iter().zip(folder).all(|(name, folder)| name == folder);
    is_below.then(|| module.get(folder.len()).map_or("mod.rs", String::as_str))
}

impl<'a> Graph<'a> {
    pub(super) fn of(mentions: &'a [Mention], folder: &[&str]) -> Self {
        let mut graph = Self::default();
        for mention in mentions {
            let to = mention.to.module().and_then(|to| part(folder, to));
            if let (Some(from), Some(to)) = (part(folder, &mention.from), to) {
                graph.add(from, to, &mention.place);
            }
        }
        graph
    }

    pub(super) fn add(&mut self, from: &'a str, to: &'a str, place: &'a Place) {
        if from != to {
            self.0.entry(from).or_default().entry(to).or_default().insert(place);
        }
    }

    pub(super) fn arrows(&self) -> impl Iterator<Item = Arrow<'a>> {
        self.0.iter().flat_map(|(&from, arrows)| {
            arrows.iter().map(move |(&to, places)| Arrow { from, to, places: places.iter().copied().collect() })
        })
    }

    /// Circles, the shortest first, until none is left if in each the arrow with the fewest places goes.
    pub(super) fn circles(&self) -> Vec<Circle<'a>> {
        let mut left = self.clone();
        let mut circles = vec![];
        while let Some(circle) = left.shortest_circle() {
            let rarest = circle.0.iter().min_by_key(|arrow| arrow.places.len()).unwrap();
            left.0.get_mut(rarest.from).unwrap().remove(rarest.to);
            circles.push(circle);
        }
        circles
    }

    fn shortest_circle(&self) -> Option<Circle<'a>> {
        let mut ways = vec![];
        for arrow in self.arrows() {
            let way = self.shortest_way(arrow.to, arrow.from);
            ways.extend(way.map(|way| [vec![arrow.from], way].concat()));
        }
        let way = ways.into_iter().min_by_key(Vec::len)?;
        let arrow = |pair: &[&'a str]| {
            let (from, to) = (pair[0], pair[1]);
            Arrow { from, to, places: self.0[from][to].iter().copied().collect() }
        };
        Some(Circle(way.windows(2).map(arrow).collect()))
    }

    fn shortest_way(&self, from: &'a str, to: &'a str) -> Option<Vec<&'a str>> {
        let mut before = BTreeMap::from([(from, None)]);
        let mut next = VecDeque::from([from]);
        while let Some(at) = next.pop_front() {
            if at == to {
                let mut way: Vec<_> = iter::successors(Some(at), |at| before[at]).collect();
                way.reverse();
                return Some(way);
            }
            for &neighbour in self.0.get(at).into_iter().flat_map(BTreeMap::keys) {
                if !before.contains_key(neighbour) {
                    before.insert(neighbour, Some(at));
                    next.push_back(neighbour);
                }
            }
        }
        None
    }
}

impl fmt::Display for Circle<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "circle: {}", self.0[0].from)?;
        self.0.iter().try_for_each(|arrow| write!(f, " → {}", arrow.to))?;
        self.0.iter().try_for_each(|arrow| write!(f, "\n  {arrow}"))
    }
}

impl fmt::Display for Arrow<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, to, places } = self;
        write!(f, "{from} names {to} at {:?}", places[0])?;
        match places.len() {
            1 => Ok(()),
            more => write!(f, ", the first of {more} places"),
        }
    }
}
