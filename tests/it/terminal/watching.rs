//! `verify --watch`: what is on the whole screen while traffic goes, and that the screen is left whichever way it ends.

use super::{CTRL_C, Screen, Terminal};
use crate::machine::Machine;

/// The program on this terminal, with a walkthrough in the local cloud.
fn machine() -> Machine {
    let machine = Machine::new();
    let up = machine.zonewalk(&["up", "--local"]);
    assert_eq!(up.status.code(), Some(0), "{}", String::from_utf8_lossy(&up.stderr));
    machine
}

#[track_caller]
fn assert_left(screen: &Screen, code: i32) {
    assert_eq!((screen.code, screen.is_left), (Some(code), true), "{screen}");
    screen.assert_tidy();
    assert!(!screen.contains("q ends"), "what was drawn is gone:\n{screen}");
}

const WATCH: [&str; 3] = ["verify", "--local", "--watch"];

#[test]
fn it_shows_zones_shares_and_the_judgement_and_ends_with_verifys_verdict() {
    let machine = machine();
    let screen = Terminal::new(100).typing_at_sight("so far pass", "q").run(&machine, &WATCH);
    assert_left(&screen, 0);
    assert!(screen.contains("PASS  100% of ") && screen.contains("zone-aware routing: ON"), "{screen}");
    assert!(screen.contains("their counts agree with"), "{screen}");
    let [seen] = &screen.seen[..] else { panic!("{screen}") };
    for what in [
        "az-aware · us-east-1 · verify",
        "100% same-zone · predicted 100%",
        "frontends 6/6 · backends 6/6",
        "use1-az1 (us-east-1c)",
        "use1-az4 (us-east-1a)",
        "frontends 2 ■■",
        "backends  2 ■■",
        "100% stay",
        "same-zone ─ predicted ·",
        "median: same ─ cross ·",
    ] {
        assert!(seen.screen.contains(what), "{what:?} is not on\n{}", seen.screen);
    }
    assert!(seen.is_colored, "{}", seen.screen);

    // Zones do not count any more: it is seen, predicted and, since it is a change, judged anew.
    let mesh = |keys: &[&str]| {
        let output = machine.zonewalk(&[&["local", "mesh"], keys].concat());
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    };
    mesh(&["--min-cluster-size", "7"]);
    let args = ["verify", "--local", "--watch", "--duration", "4s", "--output", "json"];
    let path = machine.path().join("verdict.json");
    let screen = Terminal::new(100).output(std::fs::File::create(&path).unwrap()).run(&machine, &args);
    assert_left(&screen, 1);
    let result = crate::machine::result(&std::fs::read(path).unwrap());
    assert_eq!((&result["verdict"], &result["as_predicted"]), (&"fail".into(), &true.into()), "{result}");
    assert_eq!(result["zone_aware_routing"]["state"], "off_as_predicted");
    assert!(result["expected"]["same_zone_share"].as_f64().unwrap() < 0.34, "{result}");
    assert_eq!(result["requests"], 200, "50 a second for 4 seconds");
}

#[test]
fn it_fits_a_narrow_window_follows_its_size_and_needs_no_colors() {
    let machine = machine();
    let screen = Terminal::new(100)
        .variable("NO_COLOR", "1")
        .resizing("so far pass", 60)
        // Columns have no room for the zones' names now.
        .typing_at_sight("use1-az6─", CTRL_C)
        .run(&machine, &WATCH);
    assert_left(&screen, 0);
    let [_, narrow] = &screen.seen[..] else { panic!("{screen}") };
    assert!(!narrow.is_colored, "{}", narrow.screen);
    for what in ["100% same-zone", "predicted 100%", "use1-az1─", "frontends 2 ■■", "backends  2 ■■"] {
        assert!(narrow.screen.contains(what), "{what:?} is not on\n{}", narrow.screen);
    }
}

#[test]
fn the_screen_is_left_at_an_error_and_when_it_is_told_to_terminate() {
    let machine = machine();
    let nobody = ["verify", "--local", "--watch", "--url", "http://127.0.0.1:9/"];
    let screen = Terminal::new(100).run(&machine, &nobody);
    assert_left(&screen, 3);
    assert!(screen.contains("error: ") && screen.contains("127.0.0.1:9"), "{screen}");
    let screen = Terminal::new(100).terminating("so far pass").run(&machine, &WATCH);
    assert_left(&screen, 130);
    assert!(screen.contains("interrupted") && screen.contains("INTERRUPTED  so far"), "{screen}");
}

#[test]
fn it_is_refused_where_nothing_can_be_drawn() {
    let machine = Machine::new();
    let output = machine.zonewalk(&WATCH);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("stderr is no terminal"), "{said}");
    for (args, variable, why) in [
        (&["verify", "--local", "--watch", "--output", "jsonl"][..], ("LANG", "C"), "line by line"),
        (&WATCH, ("TERM", "dumb"), "TERM names no terminal"),
    ] {
        let screen = Terminal::new(100).variable(variable.0, variable.1).run(&machine, args);
        assert_eq!(screen.code, Some(2), "{screen}");
        assert!(screen.contains(why), "{screen}");
    }
    let screen = Terminal::new(100).run(&machine, &["verify", "--local", "--watch", "--compare"]);
    assert_eq!(screen.code, Some(2), "{screen}");
}
