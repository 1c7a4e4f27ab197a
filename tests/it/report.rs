//! What is made of runs that were kept: the web page, JUnit's XML, Markdown, the short of it. `tests/data/runs/` has records of this
//! version and one that a later version might write.

use std::path::Path;

use quick_xml::Reader;
use quick_xml::events::Event;
use serde_json::{Value, json};
use zonewalk::commands::explain;
use zonewalk::report::page::Page;
use zonewalk::report::{html, junit, markdown, summary};
use zonewalk::runs::store::open;
use zonewalk::runs::{Record, Run};

fn record(name: &str) -> Record {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/runs").join(format!("{name}.json"));
    open(&path, &std::fs::read_to_string(&path).unwrap()).unwrap()
}

fn run(name: &str) -> Run {
    Run::of(&record(name)).unwrap()
}

/// A record of another document.
fn changed(name: &str, change: impl FnOnce(&mut Value)) -> Run {
    let mut record = record(name);
    change(&mut record.document);
    Run::of(&record).unwrap()
}

fn page(runs: &[Run]) -> String {
    html::page(runs, explain::in_short)
}

/// The figures of a page: where each is from, and what it is said to be there, and as a reader sees it.
fn figures(page: &str) -> Vec<(String, Value, String)> {
    let figure = |text: &str| {
        let (value, rest) = text.split_once("\" data-at=\"")?;
        let (at, rest) = rest.split_once("\">")?;
        let (shown, _) = rest.split_once("</data>")?;
        let value = value.replace("&quot;", "\"");
        Some((at.replace("&#x2f;", "/"), serde_json::from_str(&value).ok()?, shown.replace("&#x2f;", "/")))
    };
    page.split("<data value=\"").skip(1).map(|text| figure(text).unwrap_or_else(|| panic!("{text:.200}"))).collect()
}

/// The number that a text shows, without its unit and the commas in it.
fn shown(text: &str) -> Option<f64> {
    let number: String = text.chars().filter(|c| c.is_ascii_digit() || ".-e".contains(*c)).collect();
    let number: f64 = number.trim_end_matches(['e', '.']).parse().ok()?;
    Some(if text.contains('%') { number / 100.0 } else { number })
}

#[test]
fn the_figures_of_the_page_are_those_of_the_record() {
    for (name, least) in [("failover", 500), ("verify", 90), ("newer", 60)] {
        let record = record(name);
        let found = figures(&page(&[Run::of(&record).unwrap()]));
        assert!(found.len() >= least, "{name}: {}", found.len());
        for (at, value, text) in found {
            let of_record = record.document.pointer(&at).unwrap_or_else(|| panic!("{name}: nothing is at {at}"));
            assert_eq!(value.as_f64(), of_record.as_f64(), "{name}: {at}");
            match (of_record.as_f64(), shown(&text)) {
                (Some(number), Some(shown)) => {
                    // A figure is rounded: to four digits, or to the last one that is shown.
                    let unit = text.split(['%', ' ', '/']).next().unwrap_or_default();
                    let digits = unit.split_once('.').map_or(0, |(_, digits)| digits.len() as i32);
                    let step = 10_f64.powi(-digits) * if text.contains('%') { 0.01 } else { 1.0 };
                    let near = if unit.contains('e') { number.abs() / 10.0 } else { step };
                    assert!((number - shown).abs() <= near, "{name}: {at} is {number}, and {text} is shown");
                }
                (None, None) => assert_eq!(text, "-", "{name}: {at}"),
                other => panic!("{name}: {at}: {other:?}"),
            }
        }
    }
}

#[test]
fn a_page_shows_all_that_there_is_and_asks_nobody_for_more() {
    let page = page(&[run("failover")]);
    for heading in [
        "Verdicts",
        "second by second",
        "Where requests went",
        "Latency",
        "Where the tasks ran",
        "What the proxies counted",
    ] {
        assert!(page.contains(heading), "{heading}");
    }
    assert_eq!(page.matches("class=\"heat\"").count(), 5, "a matrix for each phase");
    assert!(page.matches("<svg").count() >= 9, "{}", page.matches("<svg").count());
    for elsewhere in ["<script", "src=", "url(", "@import", "href=\"http", "<iframe", "<img"] {
        assert!(!page.contains(elsewhere), "{elsewhere}");
    }
    assert!(
        page.contains("default-src 'none'")
            && page.contains("prefers-color-scheme: dark")
            && page.contains("@media print")
    );
    // What a reader of records may meet is shown as text.
    let odd = changed("verify", |document| document["result"]["reasons"] = json!(["<script>alert(1)</script>"]));
    assert!(!self::page(&[odd]).contains("<script"));
}

#[test]
fn a_page_of_two_runs_has_both_side_by_side() {
    let runs = [run("verify"), run("failover")];
    let page = page(&runs);
    assert!(page.contains("class=\"several\""));
    for run in &runs {
        assert_eq!(page.matches(&format!("<article class=\"run\" data-run=\"{}\"", run.id)).count(), 1, "{}", run.id);
    }
    let ids: Vec<&str> = page.split(" id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    let unique: std::collections::BTreeSet<_> = ids.iter().collect();
    assert_eq!(ids.len(), unique.len(), "{ids:?}");
}

#[test]
fn a_request_that_should_not_have_gone_there_stands_out() {
    let stray = changed("verify", |document| {
        let cells = document["result"]["matrix"].as_array_mut().unwrap();
        let cell = cells.iter_mut().find(|cell| cell["frontend"] != cell["backend"]).unwrap();
        cell["requests"] = 3.into();
    });
    assert_eq!(page(&[stray]).matches("none should have gone there").count(), 1);
    assert!(!page(&[run("failover")]).contains("none should have gone there"));
}

#[test]
fn a_comparison_shows_both_sides_and_the_change() {
    let compared = changed("verify", |document| {
        let on = document["result"].take();
        let mut off = on.clone();
        // Without zone-aware routing its own verdict cannot be a pass.
        off["verdict"] = "fail".into();
        document["result"] =
            json!({ "verdict": "pass", "on": on, "off": off, "median_change": -0.31, "median_change_on_aws": -0.24 });
    });
    let page = page(std::slice::from_ref(&compared));
    assert!(page.contains(">31% lower</data>") && page.contains(">24% lower</data>"));
    assert_eq!((page.matches("class=\"heat\"").count(), compared.findings.checks.len()), (2, 2));
    assert!(compared.findings.checks.iter().all(|check| check.found.holds()));
}

#[test]
fn a_record_of_a_later_form_opens_with_a_note() {
    let newer = run("newer");
    let note = newer.note.clone().unwrap();
    assert!(note.contains("format 7") && note.contains("newer version"), "{note}");
    assert!(page(std::slice::from_ref(&newer)).contains(&note.replace('\'', "&#x27;")));
    assert_eq!(newer.findings.checks[0].found.requests, run("verify").findings.checks[0].found.requests);
    assert!(run("verify").note.is_none() && run("failover").note.is_none());
}

/// The attributes of every element of this name.
pub(crate) fn elements(xml: &str, name: &str) -> Vec<Vec<(String, String)>> {
    let mut reader = Reader::from_str(xml);
    reader.config_mut().check_end_names = true;
    let mut found = vec![];
    loop {
        match reader.read_event().unwrap_or_else(|error| panic!("{error}: {xml}")) {
            Event::Eof => return found,
            Event::Start(element) | Event::Empty(element) if element.name().as_ref() == name => {
                let attributes = element.attributes().map(|attribute| attribute.unwrap());
                let pair = attributes.map(|attribute| (attribute.key.as_ref().to_owned(), attribute.value.to_string()));
                found.push(pair.collect());
            }
            _ => {}
        }
    }
}

#[test]
fn junit_counts_what_it_lists() {
    let failed = changed("verify", |document| {
        document["exit_code"] = 1.into();
        document["result"]["verdict"] = "fail".into();
        document["result"]["reasons"] = json!(["3 of <67> requests & \u{1b}[1mmore\u{1b}[0m"]);
    });
    let refused = changed("verify", |document| {
        document["exit_code"] = 3.into();
        document["result"] = Value::Null;
        document["error"] = json!({ "kind": "refused", "message": "ecs:ListTasks: no", "hint": "allow it" });
    });
    let all = [(&run("failover"), [5, 0, 0]), (&failed, [2, 1, 0]), (&refused, [1, 0, 1])];
    for (run, counts) in all {
        let xml = junit::of(&[(&run.document, &run.findings)]);
        let count = |name: &str| elements(&xml, name).len();
        assert_eq!([count("testcase"), count("failure"), count("error")], counts, "{xml}");
        for element in ["testsuites", "testsuite"] {
            let attributes = &elements(&xml, element)[0];
            for (name, count) in ["tests", "failures", "errors"].into_iter().zip(counts) {
                let said = attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
                assert_eq!(said, Some(count.to_string().as_str()), "{element} {name}: {xml}");
            }
        }
    }
    let both = junit::of(&all.map(|(run, _)| (&run.document, &run.findings)));
    assert_eq!((elements(&both, "testsuite").len(), elements(&both, "testcase").len()), (3, 8), "{both}");
    assert!(both.contains("3 of &lt;67&gt; requests &amp; [1mmore"), "{both}");
}

#[test]
fn markdown_has_the_verdicts_and_the_matrices() {
    let text = |run: &Run| markdown::of(&run.document, &run.findings);
    insta::assert_snapshot!(text(&run("verify")));
    insta::assert_snapshot!("markdown_of_a_drill", text(&run("failover")));
    let odd = changed("verify", |document| document["result"]["reasons"] = json!(["<b>a|b</b>"]));
    assert!(text(&odd).contains("&lt;b>a\\|b&lt;/b>"), "{}", text(&odd));
}

#[test]
fn the_short_of_a_run_fits_a_terminal() {
    let of = |name: &str| {
        let text = summary::of(&run(name), &Page { width: Some(80), ..Page::default() });
        let text = anstream::adapter::strip_str(&text).to_string();
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        text
    };
    insta::assert_snapshot!(of("failover"));
}
