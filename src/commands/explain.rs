//! `explain`: what the counters, states, thresholds and figures mean that the output names. The text is `docs/terms.md`.

use std::sync::LazyLock;

use schemars::JsonSchema;
use serde::Serialize;

use super::Error;
use super::outcome::Outcome;
use crate::plain::nearest;
use crate::report::page::Page;
use crate::report::style::{faint, strong};
use crate::report::table::{lines, table};

const TEXT: &str = include_str!("../../docs/terms.md");

/// What a term means.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Term {
    /// The term.
    pub name: String,
    /// What kind of term it is: the heading that it stands under.
    pub kind: String,
    /// Other names of it.
    pub also: Vec<String>,
    /// What it means.
    pub text: String,
    /// Where more is said of it.
    pub sources: Vec<String>,
}

static TERMS: LazyLock<Vec<Term>> = LazyLock::new(|| {
    let kinds = TEXT.split("\n## ").skip(1);
    kinds
        .flat_map(|kind| {
            let mut parts = kind.split("\n### ");
            let heading = parts.next().and_then(|head| head.lines().next()).unwrap_or_default();
            parts.map(|part| term(heading, part)).collect::<Vec<_>>()
        })
        .collect()
});

fn term(kind: &str, part: &str) -> Term {
    let (name, rest) = part.split_once('\n').unwrap_or((part, ""));
    let (mut also, mut sources, mut text) = (vec![], vec![], vec![]);
    for line in rest.lines() {
        if let Some(names) = line.strip_prefix("Also: ") {
            also.extend(names.split(", ").map(str::to_owned));
        } else if let Some(source) = line.strip_prefix("Source: ") {
            sources.push(source.to_owned());
        } else if !line.is_empty() {
            text.push(line);
        }
    }
    Term { name: name.to_owned(), kind: kind.to_owned(), also, text: text.join(" "), sources }
}

/// All terms, or the one that was asked for.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Explained {
    /// The terms.
    pub terms: Vec<Term>,
    #[serde(skip)]
    is_list: bool,
}

/// The term of this name, also in other spellings: case, blanks, hyphens and underscores do not matter.
pub fn find(name: &str) -> Option<&'static Term> {
    let folded = fold(name);
    let is_it = |term: &&Term| fold(&term.name) == folded || term.also.iter().any(|also| fold(also) == folded);
    TERMS.iter().find(is_it)
}

/// The first sentence of what a term means.
pub fn in_short(name: &str) -> Option<String> {
    let text = &find(name)?.text;
    Some(text.split_once(". ").map_or_else(|| text.clone(), |(first, _)| format!("{first}.")))
}

fn fold(name: &str) -> String {
    let name = name.to_lowercase().replace(['_', '-'], " ");
    name.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Explains a term of any number of words; none asks for the list.
pub fn run(words: &[String]) -> Result<Explained, Error> {
    if words.is_empty() {
        return Ok(Explained { terms: TERMS.clone(), is_list: true });
    }
    let name = words.join(" ");
    if let Some(term) = find(&name) {
        return Ok(Explained { terms: vec![term.clone()], is_list: false });
    }
    let names = || TERMS.iter().flat_map(|term| std::iter::once(&term.name).chain(&term.also)).map(String::as_str);
    let folded = fold(&name);
    let mut near: Vec<&str> = names().filter(|known| fold(known).contains(&folded)).collect();
    near.extend(nearest(&name, names()));
    near.sort_unstable();
    near.dedup();
    let hint = match near.as_slice() {
        [] => "`zonewalk explain` lists the terms".to_owned(),
        near => format!("there is {}", near.join(", ")),
    };
    Err(Error::Usage(format!("there is no term {name}: {hint}")))
}

impl Outcome for Explained {
    fn title(&self) -> &'static str {
        "explain"
    }

    fn text(&self, page: &Page) -> String {
        if !self.is_list {
            return self.terms.iter().map(|term| explained(term, page)).collect::<Vec<_>>().join("\n\n");
        }
        let by_kind = self.terms.chunk_by(|one, next| one.kind == next.kind);
        let blocks = by_kind.filter_map(|terms| {
            let mut table = table(page, [terms.first()?.kind.to_uppercase(), String::new()]);
            for term in terms {
                table.add_row([term.name.clone(), in_short(&term.name).unwrap_or_default()]);
            }
            Some(lines(&table))
        });
        blocks.collect::<Vec<_>>().join("\n\n")
    }
}

fn explained(term: &Term, page: &Page) -> String {
    let mut lines = vec![strong(&term.name)];
    lines.push(page.wrap(&term.text, 0));
    if !term.also.is_empty() {
        lines.push(page.wrap(&faint(format!("also: {}", term.also.join(", "))), 2));
    }
    lines.extend(term.sources.iter().cloned());
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::failover::DrillName;
    use crate::commands::outcome::Json;
    use crate::events::PhaseName;
    use crate::routing::PredictedState;
    use crate::traffic::{FitTest, RoutingState};

    #[test]
    fn every_counter_and_state_that_can_be_printed_has_an_entry() {
        let counters = crate::routing::CounterSnapshot::default().json();
        let counters: Vec<&str> = counters.as_object().unwrap().keys().map(String::as_str).collect();
        assert!(counters.len() > 5, "{counters:?}");
        let states = PredictedState::ALL.map(|state| state.json());
        let routing = [RoutingState::On, RoutingState::Off, RoutingState::OffAsPredicted].map(|state| state.json());
        let phases =
            [PhaseName::Before, PhaseName::During, PhaseName::FailedOver, PhaseName::Restoring, PhaseName::Restored];
        let phases = phases.map(|phase| phase.json());
        let named = states.iter().chain(&routing).chain(&phases).filter_map(|state| state.as_str());
        let drills = [DrillName::Scale, DrillName::Spillover, DrillName::ZoneLoss].map(|drill| drill.json());
        let tests = [FitTest::Exact, FitTest::MonteCarlo, FitTest::ChiSquared].map(|test| test.json());
        let named = named.chain(drills.iter().chain(&tests).filter_map(|word| word.as_str()));
        let words = ["same-zone share", "p-value", "confidence interval", "panic threshold", "min_cluster_size", "6"];
        for name in counters.into_iter().chain(named).chain(words) {
            let term = find(name).unwrap_or_else(|| panic!("there is nothing of {name}"));
            assert!(term.text.len() > 40 && term.text.ends_with('.'), "{term:?}");
        }
    }

    #[test]
    fn no_two_terms_have_the_same_name_and_sources_are_addresses() {
        let mut seen = std::collections::BTreeMap::new();
        for term in TERMS.iter() {
            let names = std::iter::once(&term.name).chain(&term.also).map(|name| fold(name));
            for name in names.collect::<std::collections::BTreeSet<_>>() {
                let other = seen.insert(name.clone(), &term.name);
                assert_eq!(other, None, "{name} is also {}", term.name);
            }
            assert!(term.sources.iter().all(|source| source.starts_with("https://")), "{term:?}");
        }
        assert!(seen.len() > 40);
    }

    #[test]
    fn terms_are_found_in_any_spelling_and_near_ones_are_named() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        for name in ["panic threshold", "Panic_Threshold", "healthy-panic-threshold"] {
            assert_eq!(run(&words(name)).unwrap().terms[0].name, "panic threshold");
        }
        assert_eq!(run(&[]).unwrap().terms.len(), TERMS.len());
        let told = |name: &str| run(&words(name)).unwrap_err().to_string();
        assert!(
            told("lb_zone_routing_sampeld").contains("there is lb_zone_routing_sampled"),
            "{}",
            told("lb_zone_routing_sampeld")
        );
        assert!(told("zone_routing").contains("lb_zone_routing_cross_zone"), "{}", told("zone_routing"));
        assert!(told("xyzzy").contains("`zonewalk explain` lists the terms"));
    }
}
