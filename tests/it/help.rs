//! What is printed about the command line itself: help, completions, manual pages.

use std::process::{Command, Stdio};

use crate::machine::Machine;

fn print(args: &[&str]) -> String {
    let machine = Machine::new();
    let output = machine.command(args).env("COLUMNS", "80").output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The commands that a help lists.
fn commands(help: &str) -> Vec<String> {
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let names = listed.filter_map(|line| line.strip_prefix("  ").filter(|line| !line.starts_with(' ')));
    let names = names.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help");
    names.map(str::to_owned).collect()
}

#[test]
fn the_help_of_every_command_fits_a_terminal() {
    let mut pages = vec![("zonewalk".to_owned(), print(&["--help"]))];
    for command in commands(&pages[0].1) {
        let page = print(&[&command, "--help"]);
        let inner = commands(&page);
        pages.push((command.clone(), page));
        pages.extend(inner.iter().map(|inner| (format!("{command} {inner}"), print(&[&command, inner, "--help"]))));
    }
    assert!(pages.len() > 15, "{}", pages.len());
    for (command, page) in &pages {
        assert!(!page.contains('\u{1b}'), "{command} has colors: {page}");
        let long = page.lines().find(|line| line.chars().count() > 80 && !line.starts_with("https://"));
        assert_eq!(long, None, "{command}");
    }
    let all: Vec<_> = pages.iter().map(|(command, page)| format!("$ {command} --help\n{page}")).collect();
    insta::assert_snapshot!(all.join("\n"));
}

#[test]
fn the_article_is_named_where_everything_begins() {
    let help = print(&["--help"]);
    assert!(help.contains("https://aws.amazon.com/blogs/containers/announcing-zone-aware-routing"), "{help}");
    assert_eq!(print(&["version"]), print(&["--version"]));
}

#[test]
fn completions_are_printed_for_every_shell_and_bash_takes_them() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = print(&["completions", shell]);
        for word in ["walkthrough", "failover", "task-count", "instance-type"] {
            assert!(script.contains(word), "{shell}: nothing of {word}");
        }
        assert!(!script.contains("backend-command"), "{shell}");
    }
    let mut bash = Command::new("bash");
    // As a user's bash: it asks for what completes a command, and for what begins like a word.
    let complete = "source /dev/stdin; complete -p zonewalk; COMP_WORDS=(zonewalk fail); COMP_CWORD=1; \
                    _zonewalk zonewalk fail zonewalk; echo \"${COMPREPLY[@]}\"";
    let mut bash = bash.args(["--norc", "-c", complete]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let script = print(&["completions", "bash"]);
    std::io::Write::write_all(&mut bash.stdin.take().unwrap(), script.as_bytes()).unwrap();
    let output = bash.wait_with_output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && said.contains("-F _zonewalk"), "{said}");
    assert_eq!(said.lines().last(), Some("failover"), "{said}");
}

#[test]
fn every_command_has_a_manual_page() {
    let machine = Machine::new();
    let directory = machine.path().join("share/man1");
    let written = machine.zonewalk(&["man", "--dir", directory.to_str().unwrap()]);
    assert!(written.status.success(), "{}", String::from_utf8_lossy(&written.stderr));
    let pages: Vec<_> = std::fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    let has = |name: &str| pages.iter().any(|page| page.file_name().unwrap() == name);
    for name in ["zonewalk.1", "zonewalk-up.1", "zonewalk-local.1", "zonewalk-local-serve.1", "zonewalk-completions.1"]
    {
        assert!(has(name), "{name} is not among {pages:?}");
    }
    for page in &pages {
        let text = std::fs::read_to_string(page).unwrap();
        for part in [".TH ", ".SH NAME", ".SH SYNOPSIS"] {
            assert!(text.contains(part), "{}: no {part}", page.display());
        }
    }
    assert!(print(&["man"]).contains(".SH NAME"));
    let refused = machine.zonewalk(&["man", "--dir", "/proc/nope"]);
    assert_eq!(refused.status.code(), Some(2), "{}", String::from_utf8_lossy(&refused.stderr));
}
