//! The target that `ZONEWALK_FUZZ` names, with its folder of the corpus:
//! `ZONEWALK_FUZZ=query cargo +nightly fuzz run --fuzz-dir tests/fuzz any tests/fuzz/corpus/query`.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;

static TARGET: LazyLock<String> = LazyLock::new(|| std::env::var("ZONEWALK_FUZZ").unwrap_or_default());

fuzz_target!(|bytes: &[u8]| zonewalk_fuzz::run(&TARGET, bytes));
