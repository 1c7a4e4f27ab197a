//! A run as JUnit's XML, which pipelines show as tests: a suite for the command, a case for each phase and check. The form is the
//! one that Jenkins and GitLab read (https://github.com/testmoapp/junitxml).

use std::io;

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};

use super::numbers::percent;
use crate::runs::audited::{Audited, Pair};
use crate::runs::document::{Document, Ending};
use crate::runs::findings::{Findings, Part, Verification};

/// What went wrong with a case.
#[derive(Debug)]
struct Wrong {
    /// `failure` for a check that did not hold, `error` for work that could not be done.
    element: &'static str,
    message: String,
    text: String,
}

#[derive(Debug)]
struct Case {
    class: String,
    name: String,
    seconds: f64,
    wrong: Option<Wrong>,
}

/// The XML text of one or more runs.
pub fn of(runs: &[(&Document, &Findings)]) -> String {
    let suites: Vec<_> = runs.iter().map(|(document, findings)| (*document, cases(document, findings))).collect();
    let mut writer = Writer::new_with_indent(vec![], b' ', 2);
    write(&mut writer, &suites).expect("a text in memory takes whatever is written");
    let text = String::from_utf8(writer.into_inner()).expect("it is made of texts");
    text + "\n"
}

fn cases(document: &Document, findings: &Findings) -> Vec<Case> {
    let class = format!("zonewalk.{}", document.command());
    let failure = |holds: bool, reasons: &[String]| {
        (!holds).then(|| Wrong {
            element: "failure",
            message: reasons.first().cloned().unwrap_or_else(|| "the check did not hold".to_owned()),
            text: reasons.join("\n"),
        })
    };
    let mut cases: Vec<Case> = vec![];
    for step in &findings.steps {
        let wrong = failure(step.verdict.as_deref() == Some("pass"), &[]);
        cases.push(Case { class: class.clone(), name: step.step.clone(), seconds: step.duration_s, wrong });
    }
    for Part { title, found, .. } in &findings.checks {
        let part = if found.phase.is_some() { "failover" } else { "verify" };
        let class = format!("zonewalk.{part}");
        let answered = failure(found.errors == 0, &[failed(found)]);
        // In a phase of a drill some requests may fail: its own verdict says if they were too many.
        if found.phase.is_none() {
            let name = "no request failed".to_owned();
            cases.push(Case { class: class.clone(), name, seconds: 0.0, wrong: answered });
        }
        let name = if found.phase.is_some() { title.clone() } else { "verdict".to_owned() };
        let wrong = failure(found.holds(), &reasons(found));
        cases.push(Case { class, name, seconds: found.duration_s, wrong });
    }
    if let Some(Part { found, .. }) = &findings.stats {
        let wrong = failure(found.verdict.as_deref() != Some("fail"), &found.reasons);
        cases.push(Case { class: "zonewalk.stats".to_owned(), name: "counters".to_owned(), seconds: 0.0, wrong });
    }
    if let Some(audited) = &findings.audited {
        cases.extend(audited.shown().into_iter().map(|pair| {
            let wrong = failure(audited.keeps_enough(pair), &too_little(audited, pair));
            let name = format!("{}/{} → {}", pair.client.cluster, pair.client.service, pair.server);
            Case { class: class.clone(), name, seconds: 0.0, wrong }
        }));
    }
    if let Some(error) = &document.error {
        let text = [Some(error.message.clone()), error.hint.clone()].into_iter().flatten().collect::<Vec<_>>();
        let wrong = Wrong { element: "error", message: error.message.clone(), text: text.join("\n") };
        let name = document.command().to_owned();
        cases.push(Case { class, name, seconds: document.duration_s.unwrap_or_default(), wrong: Some(wrong) });
    } else if cases.is_empty() {
        let wrong = failure(document.ending() == Ending::Pass, &[]);
        let name = document.command().to_owned();
        cases.push(Case { class, name, seconds: document.duration_s.unwrap_or_default(), wrong });
    }
    cases
}

fn failed(found: &Verification) -> String {
    let kinds: Vec<String> = found.error_kinds.iter().map(|(kind, number)| format!("{number} {kind}")).collect();
    format!("{} of {} requests failed: {}", found.errors, found.requests, kinds.join(", "))
}

/// That a pair keeps less in its zone than was asked for, and why.
fn too_little(audited: &Audited, pair: &Pair) -> Vec<String> {
    let (share, least) = (percent(pair.same_zone.share), percent(audited.min_same_zone));
    let less = format!("{share} stay in their zone, {least} are asked for");
    [less].into_iter().chain(pair.reasons.iter().map(|reason| reason.text.clone())).collect()
}

/// What speaks against a phase: its reasons, or else what failed in it.
fn reasons(found: &Verification) -> Vec<String> {
    if found.reasons.is_empty() && found.errors > 0 { vec![failed(found)] } else { found.reasons.clone() }
}

/// How many cases there are, and how many of them went wrong, as attributes.
fn counts<'a>(cases: impl Iterator<Item = &'a Case> + Clone) -> [(&'static str, String); 4] {
    let of_kind = |element: &str| {
        let is_it = |case: &&Case| case.wrong.as_ref().is_some_and(|wrong| wrong.element == element);
        cases.clone().filter(is_it).count().to_string()
    };
    let tests = cases.clone().count().to_string();
    [("tests", tests), ("failures", of_kind("failure")), ("errors", of_kind("error")), ("skipped", "0".to_owned())]
}

fn write(writer: &mut Writer<Vec<u8>>, suites: &[(&Document, Vec<Case>)]) -> io::Result<()> {
    writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let all = counts(suites.iter().flat_map(|(_, cases)| cases));
    let element = writer.create_element("testsuites").with_attribute(("name", "zonewalk"));
    let element = element.with_attributes(all.iter().map(|(name, count)| (*name, count.as_str())));
    element.write_inner_content(|writer| {
        for (document, cases) in suites {
            write_suite(writer, document, cases)?;
        }
        Ok(())
    })?;
    Ok(())
}

fn write_suite(writer: &mut Writer<Vec<u8>>, document: &Document, cases: &[Case]) -> io::Result<()> {
    let time = document.duration_s.unwrap_or_default().to_string();
    let name = format!("zonewalk {}", document.command());
    let timestamp = document.started_at.clone().unwrap_or_default();
    let counts = counts(cases.iter());
    let element = writer.create_element("testsuite").with_attribute(("name", name.as_str()));
    let element = element.with_attributes(counts.iter().map(|(name, count)| (*name, count.as_str())));
    let element = element.with_attributes([("time", time.as_str()), ("timestamp", timestamp.as_str())]);
    element.write_inner_content(|writer| {
        properties(writer, document)?;
        cases.iter().try_for_each(|case| write_case(writer, case))
    })?;
    Ok(())
}

fn properties(writer: &mut Writer<Vec<u8>>, document: &Document) -> io::Result<()> {
    let known = [
        ("version", &document.version),
        ("name", &document.name),
        ("account", &document.account),
        ("region", &document.region),
        ("endpoint_url", &document.endpoint_url),
    ];
    writer.create_element("properties").write_inner_content(|writer| {
        for (name, value) in known {
            let Some(value) = value else { continue };
            let property = writer.create_element("property");
            property.with_attributes([("name", name), ("value", &*plain(value))]).write_empty()?;
        }
        Ok(())
    })?;
    Ok(())
}

fn write_case(writer: &mut Writer<Vec<u8>>, case: &Case) -> io::Result<()> {
    let (class, name, time) = (plain(&case.class), plain(&case.name), case.seconds.to_string());
    let element = writer.create_element("testcase");
    let element = element.with_attributes([("classname", &*class), ("name", &*name), ("time", &*time)]);
    match &case.wrong {
        None => element.write_empty()?,
        Some(Wrong { element: wrong, message, text }) => element.write_inner_content(|writer| {
            let element = writer.create_element(*wrong).with_attribute(("message", &*plain(message)));
            element.write_text_content(BytesText::new(&plain(text)))?;
            Ok(())
        })?,
    };
    Ok(())
}

/// Without the characters that XML cannot have.
fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect()
}
