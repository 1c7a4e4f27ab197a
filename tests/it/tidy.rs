//! The invariants of ARCHITECTURE.md, kept.

mod graph;
mod source;

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use self::graph::{Arrow, Circle, Graph, part};
use self::source::{Mention, Target, Tree};

static TREE: LazyLock<Tree> = LazyLock::new(Tree::of_the_library);
static MENTIONS: LazyLock<Vec<Mention>> = LazyLock::new(|| TREE.mentions());

fn read(file: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap()
}

/// The layers of the library's parts, from the ground up: the block in ARCHITECTURE.md, a line each.
fn layers() -> Vec<Vec<String>> {
    let document = read("ARCHITECTURE.md");
    let block = document.split("```layers\n").nth(1).expect("a block of layers").split("```").next().unwrap();
    block.lines().map(|line| line.split_whitespace().map(str::to_owned).collect()).collect()
}

fn layer(layers: &[Vec<String>], part: &str) -> Option<usize> {
    layers.iter().position(|parts| parts.iter().any(|other| other == part))
}

/// The arrows that do not lead to a lower layer.
fn not_downwards(graph: &Graph, layers: &[Vec<String>]) -> Vec<String> {
    let is_wrong = |arrow: &Arrow| layer(layers, arrow.from) <= layer(layers, arrow.to);
    graph.arrows().filter(is_wrong).map(|arrow| arrow.to_string()).collect()
}

#[test]
fn no_parts_of_a_folder_name_each_other_in_a_circle() {
    let mut found = vec![];
    for folder in TREE.folders_of_folders() {
        let circles = Graph::of(&MENTIONS, &folder).circles();
        found.extend(circles.iter().map(|circle| format!("in src/{}, {circle}", folder.join("/"))));
    }
    assert!(found.is_empty(), "one arrow of each has to be turned round:\n{}", found.join("\n"));
}

#[test]
fn every_part_names_only_parts_of_lower_layers() {
    let layers = layers();
    let mut listed = layers.concat();
    listed.sort();
    let parts: Vec<_> = TREE.modules().filter(|module| module.len() == 1).map(|module| module[0].clone()).collect();
    assert_eq!(listed, parts, "ARCHITECTURE.md lists each part of src/ once");
    let wrong = not_downwards(&Graph::of(&MENTIONS, &[]), &layers);
    assert!(wrong.is_empty(), "they are not in a lower layer:\n{}", wrong.join("\n"));
}

#[test]
fn any_arrow_that_is_turned_round_is_found() {
    let layers = layers();
    let mut turned = 0;
    for folder in TREE.folders_of_folders() {
        let graph = Graph::of(&MENTIONS, &folder);
        for Arrow { from, to, .. } in graph.arrows() {
            let mut graph = graph.clone();
            graph.add(to, from, &MENTIONS[0].place);
            let is_it = |circle: &Circle| circle.0.iter().any(|arrow| (arrow.from, arrow.to) == (to, from));
            assert!(graph.circles().iter().any(is_it), "{to} names {from} in src/{}", folder.join("/"));
            assert!(!folder.is_empty() || !not_downwards(&graph, &layers).is_empty(), "{to} names {from}");
            turned += 1;
        }
    }
    assert!(turned > 50, "{turned}");
}

/// What a part must not name though it is in a lower layer.
const NEVER: &[(&str, &[&str])] = &[
    // They know nothing but the API, whosever it is.
    ("stages", &["cloud", "local_traffic", "mesh", "processes"]),
    ("commands", &["cloud", "mesh"]),
    // They can stand in for AWS only if they do not know who asks.
    ("cloud", &["commands", "stages", "walkthrough"]),
    ("local_traffic", &["commands", "stages", "walkthrough"]),
    ("mesh", &["commands", "stages", "walkthrough"]),
];

#[test]
fn neither_side_of_the_api_knows_the_other() {
    let graph = Graph::of(&MENTIONS, &[]);
    let parts: Vec<_> = TREE.modules().filter_map(|module| part(&[], module)).collect();
    for (from, never) in NEVER {
        assert!(parts.contains(from), "src/{from} is gone");
        for to in *never {
            assert!(parts.contains(to), "src/{to} is gone");
            let arrow = graph.arrows().find(|arrow| (arrow.from, arrow.to) == (from, to));
            assert!(arrow.is_none(), "{}", arrow.unwrap());
        }
    }
}

/// Fails if a part of src/ names something of other crates that only another part may name.
#[track_caller]
fn assert_only(allowed: &str, is_forbidden: impl Fn(&str) -> bool) {
    let (mut here, mut elsewhere) = (0, vec![]);
    for Mention { from, to, place } in &*MENTIONS {
        let Target::Outside(path) = to else { continue };
        let path = path.join("::");
        match is_forbidden(&path) {
            true if part(&[], from) == Some(allowed) => here += 1,
            true => elsewhere.push(format!("{place:?}: {path}")),
            false => {}
        }
    }
    assert!(elsewhere.is_empty(), "only {allowed} does so: {elsewhere:#?}");
    assert!(here > 0, "{allowed} does not do so either");
}

/// Whether a path is one of these, or leads into it.
fn is_in(path: &str, places: &[&str]) -> bool {
    places.iter().any(|place| path.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with("::")))
}

#[test]
fn only_the_command_line_prints() {
    let printing = ["anstream", "std::io::stderr", "std::io::stdout"];
    let macros = ["eprint!", "eprintln!", "print!", "println!"];
    assert_only("cli", |path| is_in(path, &printing) || macros.iter().any(|name| path.ends_with(name)));
}

#[test]
fn only_aws_builds_clients() {
    assert_only("aws", |path| {
        is_in(path, &["aws_config"]) || path.starts_with("aws_sdk_") && path.ends_with("::Client::new")
    });
}

/// What is named in a folder.
fn mentions_in(folder: &[&str]) -> Vec<&'static Mention> {
    let mentions: Vec<_> = MENTIONS.iter().filter(|mention| part(folder, &mention.from).is_some()).collect();
    assert!(!mentions.is_empty(), "src/{} is gone", folder.join("/"));
    mentions
}

#[test]
fn routing_is_pure() {
    let manifest: toml::Table = read("Cargo.toml").parse().unwrap();
    let crates: Vec<_> =
        manifest["dependencies"].as_table().unwrap().keys().map(|name| name.replace('-', "_")).collect();
    for Mention { to, place, .. } in mentions_in(&["routing"]) {
        match to {
            Target::Module(module) | Target::Item(module) => assert_eq!(module[0], "routing", "{place:?}"),
            Target::Outside(path) => {
                let is_crate = crates.contains(&path[0]) && !["rand", "serde"].contains(&path[0].as_str());
                let is_impure = is_in(&path.join("::"), &["rand::rng", "std::net", "std::time"]);
                assert!(!is_crate && !is_impure, "{place:?}: {}", path.join("::"));
            }
        }
    }
}

#[test]
fn the_sidecar_can_become_a_program_by_itself() {
    for Mention { to, place, .. } in mentions_in(&["mesh", "sidecar"]) {
        let is_allowed = |module: &String| ["http", "mesh", "routing"].contains(&module.as_str());
        assert!(to.module().is_none_or(|module| is_allowed(&module[0])), "{place:?}: {to:?}");
    }
}

/// What is named in these files.
fn mentions(files: &[(&str, &str)]) -> Vec<Mention> {
    Tree::new(files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))).mentions()
}

/// The arrows between the parts of a folder.
fn arrows(mentions: &[Mention], folder: &[&str]) -> Vec<String> {
    Graph::of(mentions, folder).arrows().map(|arrow| format!("{} → {}", arrow.from, arrow.to)).collect()
}

#[test]
fn a_name_is_followed_to_the_file_that_defines_it() {
    let mentions = mentions(&[
        ("lib.rs", "mod a; mod b; mod c;"),
        (
            "a.rs",
            "use crate::b::{Deep, deeper::{self, Other as Another}}; fn f() { deeper::g(); Another::new(); h::i() }",
        ),
        ("b/mod.rs", "pub use inner::Deep; pub mod deeper; mod inner; pub(super) mod unused;"),
        ("b/inner.rs", "pub struct Deep; pub(in crate::b) struct Hidden;"),
        ("b/deeper/mod.rs", "pub fn g() { crate::c::C::new(super::inner::Deep) }"),
        ("b/unused.rs", "#[cfg(test)] mod tests { use crate::a::X; } // crate::a::Y"),
        ("c.rs", "pub struct C; fn h() -> &'static str { matches!(1, super::b::deeper::G); \"crate::a::Z\" }"),
    ]);
    assert_eq!(arrows(&mentions, &[]), ["a → b", "b → c", "c → b"]);
    assert_eq!(arrows(&mentions, &["b"]), ["deeper → inner"]);
    let from_a = mentions.iter().filter(|mention| mention.from == ["a"]);
    let to: Vec<_> = from_a.filter_map(|mention| Some(mention.to.module()?.join("::"))).collect();
    assert_eq!(to, ["b::inner", "b::deeper", "b::deeper", "b::deeper", "b::deeper"]);
}

#[test]
fn a_circle_is_told_with_a_place_for_each_arrow() {
    let mut files = [
        ("a.rs", "use crate::b::B;"),
        ("b.rs", "\nfn f() { crate::c::f() }\nfn g() { crate::c::g() }"),
        ("c.rs", "use crate::d::D;\nuse crate::d::E;"),
        ("d.rs", ""),
    ];
    assert_eq!(Graph::of(&mentions(&files), &[]).circles().len(), 0);
    files[3].1 = "const D: usize = super::b::N;";
    let mentions = mentions(&files);
    let circles: Vec<_> = Graph::of(&mentions, &[]).circles().iter().map(Circle::to_string).collect();
    let told = "circle: b → c → d → b
  b names c at src/b.rs:2, the first of 2 places
  c names d at src/c.rs:1, the first of 2 places
  d names b at src/d.rs:1";
    assert_eq!(circles, [told]);
}
