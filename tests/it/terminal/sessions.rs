//! Each command at the two widths that terminals have: what is left on the screen is tidy, nothing is wider than it, and its
//! last line is there. Also of a run that fails, and of those that are interrupted.

use std::collections::BTreeSet;

use super::{CTRL_C, Screen, Terminal, redacted};
use crate::machine::Machine;

const WIDTHS: [u16; 2] = [80, 120];

/// Runs a command on a terminal, whose screen is to be tidy, and to end with this.
#[track_caller]
fn session(machine: &Machine, columns: u16, command: &str, code: i32, end: &str) -> Screen {
    let args: Vec<&str> = command.split(' ').collect();
    let screen = Terminal::new(columns).run(machine, &args);
    screen.assert_tidy_end(code);
    // The last lines: what is too long for one goes on in the next.
    let last = screen.lines.iter().rev().take(3).rev().map(|line| line.trim()).collect::<Vec<_>>().join(" ");
    assert!(last.contains(end), "`{command}` does not end with {end:?}:\n{screen}");
    screen
}

#[test]
fn every_command_leaves_a_tidy_screen_of_80_columns_with_its_last_line() {
    every_command(80);
}

#[test]
fn every_command_leaves_a_tidy_screen_of_120_columns_with_its_last_line() {
    every_command(120);
}

fn every_command(columns: u16) {
    let machine = Machine::new();
    for (command, code, end) in [
        ("doctor --local", 0, "done in"),
        ("up --local --dry-run", 0, "done in"),
        ("status --local", 3, "zonewalk up --local"),
        ("up --local", 0, "zonewalk down --local"),
        ("up --local", 0, "zonewalk down --local"),
        ("status --local", 0, "next:"),
        ("status --local --resources", 0, "next:"),
        ("verify --local", 0, "next:"),
        ("failover --local", 0, "done in"),
        ("stats --local", 0, "done in"),
        ("stats --local --no-traffic", 0, "done in"),
        ("redeploy --local", 0, "done in"),
        ("doctor --local", 0, "done in"),
        ("local status", 0, ""),
        ("local faults", 0, "no faults"),
        ("local operations", 0, "sts:GetCallerIdentity"),
        ("down --local --dry-run", 0, "next:"),
        ("down --local", 0, "done in"),
        ("down --local", 0, "done in"),
        ("walkthrough --local", 0, "done in"),
    ] {
        session(&machine, columns, command, code, end);
    }
}

#[test]
fn a_check_that_does_not_hold_says_so_and_what_to_type() {
    for columns in WIDTHS {
        let machine = Machine::new();
        session(&machine, columns, "up --local --task-count 3", 0, "zonewalk down --local");
        let screen = session(&machine, columns, "verify --local", 1, "zonewalk up");
        assert!(screen.contains("FAIL"), "{screen}");
        session(&machine, columns, "status --local", 0, "next:");
        session(&machine, columns, "failover --local --to 2", 1, "");
        session(&machine, columns, "down --local", 0, "done in");
    }
}

#[test]
fn a_run_that_fails_leaves_its_error_last() {
    let machine = Machine::new();
    let fault =
        "[[fault]]\nkind = 'refuse'\noperation = 'ecs:CreateService'\ncode = 'AccessDeniedException'\nmessage = 'no'\n";
    std::fs::write(machine.path().join("faults.toml"), fault).unwrap();
    let screens = WIDTHS.map(|columns| session(&machine, columns, "up --local --faults faults.toml", 3, ""));
    for screen in &screens {
        assert!(screen.contains("error: "), "{screen}");
        assert!(screen.contains("resources are ready"), "{screen}");
    }
    let text = screens[0].text();
    let error = text.find("error: ").unwrap();
    insta::assert_snapshot!("a_run_that_fails_80", redacted(&text[error..]));
}

#[test]
fn an_interrupted_run_says_what_is_there_and_leaves_a_tidy_screen() {
    for columns in WIDTHS {
        let machine = Machine::new();
        let interrupt = |command: &str, after: &str| {
            let args: Vec<&str> = command.split(' ').collect();
            let screen = Terminal::new(columns).typing(after, CTRL_C).run(&machine, &args);
            screen.assert_tidy_end(130);
            assert!(screen.contains("interrupted"), "{screen}");
            screen
        };
        let up = interrupt("up --local --pace aws", "load balancer");
        // On a narrow screen it is on two lines.
        let words: Vec<_> = up.text().split_whitespace().map(str::to_owned).collect();
        assert!(words.join(" ").contains("zonewalk up --local"), "what resumes it:\n{up}");
        session(&machine, columns, "local stop --yes", 0, "");

        session(&machine, columns, "up --local", 0, "zonewalk down --local");
        let verify = interrupt("verify --local --requests 200000", "of 200,000");
        assert!(
            verify.contains("INTERRUPTED") && verify.contains("stayed in their zone"),
            "the answers so far:\n{verify}"
        );
        let failover = interrupt("failover --local", "✓ before");
        assert!(failover.contains("restoring"), "{failover}");
        session(&machine, columns, "status --local", 0, "next:");
        interrupt("down --local", "removed");
        session(&machine, columns, "down --local", 0, "done in");
    }
}

/// The words of a narrow screen are words of a wide one: none is broken.
#[test]
fn no_word_is_broken_where_the_terminal_is_narrow() {
    let machine = Machine::new();
    session(&machine, 80, "up --local --task-count 3", 0, "zonewalk down --local");
    for (command, code) in [
        ("up --local --dry-run --task-count 3", 0),
        ("up --local --dry-run --task-count 6 --instance-type c5.large", 0),
        ("doctor --local", 0),
        ("status --local --task-count 3", 0),
        ("up --task-count 99", 2),
        ("local faults --help", 0),
        ("up --help", 0),
    ] {
        let words = |columns| -> BTreeSet<String> {
            let screen = session(&machine, columns, command, code, "");
            let is_number = |word: &str| word.contains(|c: char| c.is_ascii_digit());
            let text = screen.text();
            text.split_whitespace().filter(|word| !is_number(word)).map(str::to_owned).collect()
        };
        let (narrow, wide) = (words(80), words(400));
        let broken: Vec<_> = narrow.difference(&wide).filter(|word| !word.contains('─')).collect();
        assert!(broken.is_empty(), "`{command}` at 80 columns: {broken:?}");
    }
    session(&machine, 80, "down --local", 0, "done in");
}
