//! The corpus of what is fuzzed, replayed, and what becomes of it by a few changes: the same ones in every run.

use std::path::Path;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::fuzz_targets::TARGETS;

/// How many ways each text is changed in.
const CHANGES: u64 = 300;

/// What parsers have an eye on.
const PIECES: [&[u8]; 16] = [
    b"\0",
    b"\r\n",
    b"\n",
    b"=",
    b"&",
    b".",
    b"%",
    b"%00",
    b"{",
    b"[",
    b"\"",
    b"\xff",
    b"-1",
    b"99999999999999999999",
    b"::",
    b"\x9f",
];

/// The text with one to eight changes.
fn changed(text: &[u8], others: &[Vec<u8>], rng: &mut StdRng) -> Vec<u8> {
    let mut text = text.to_vec();
    for _ in 0..rng.random_range(1..=8) {
        let at = rng.random_range(0..=text.len());
        let to = rng.random_range(at..=text.len().min(at + 64));
        match rng.random_range(0..6) {
            0 => text.truncate(at),
            1 => drop(text.drain(at..to)),
            2 => drop(text.splice(at..at, PIECES[rng.random_range(0..PIECES.len())].iter().copied())),
            3 => {
                let part = text[at..to].to_vec();
                text.splice(at..at, part);
            }
            4 => {
                let other = &others[rng.random_range(0..others.len())];
                text.truncate(at);
                text.extend(&other[rng.random_range(0..=other.len())..]);
            }
            _ => text[at..to].iter_mut().for_each(|byte| *byte ^= 1 << rng.random_range(0..8)),
        }
    }
    text
}

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fuzz/corpus")).join(target);
    let files = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    // In one order, so that a run is like another.
    files.sort();
    files.iter().map(|file| std::fs::read(file).unwrap()).collect()
}

#[test]
fn no_parser_panics_on_the_corpus_or_on_what_is_like_it() {
    for (name, target) in TARGETS {
        let texts = corpus(name);
        assert!(!texts.is_empty(), "{name} has a corpus");
        let mut rng = StdRng::seed_from_u64(1);
        for text in &texts {
            target(text);
            for _ in 0..CHANGES {
                let changed = changed(text, &texts, &mut rng);
                let outcome = std::panic::catch_unwind(|| target(&changed));
                assert!(outcome.is_ok(), "{name}: {:?}", String::from_utf8_lossy(&changed));
            }
        }
    }
}
