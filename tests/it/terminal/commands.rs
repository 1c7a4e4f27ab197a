//! Commands on a terminal.

use super::{CTRL_C, Screen, Terminal, lines, parser};
use crate::machine::Machine;

#[test]
fn a_command_can_be_interrupted_on_a_terminal() {
    let machine = Machine::new();
    let args = ["local", "serve", "--listen=127.0.0.1:0"];
    let screen = Terminal::new(120).typing("Ctrl-C stops it", CTRL_C).run(&machine, &args);
    assert!(screen.contains("the local cloud listens at http://127.0.0.1:"), "{screen}");
    assert!(screen.last_line().contains("interrupted: "), "{screen}");
    assert_eq!(screen.code, Some(0), "{screen}");
}

#[test]
fn on_a_terminal_stdout_can_go_to_a_file() {
    let machine = Machine::new();
    let path = machine.path().join("policy.json");
    let file = std::fs::File::create(&path).unwrap();
    let screen = Terminal::new(120).output(file).run(&machine, &["policy"]);
    assert_eq!((screen.code, screen.text().as_str()), (Some(0), ""));
    assert!(std::fs::read_to_string(path).unwrap().contains("Statement"));
}

#[test]
fn a_command_fits_a_terminal() {
    for columns in [80, 120] {
        Terminal::new(columns).run(&Machine::new(), &["down", "--local"]).assert_tidy_end(0);
    }
}

#[test]
fn a_screen_has_what_scrolled_off_it_and_tells_what_is_untidy() {
    let mut parser = parser(2, 4);
    parser.process("one\r\n⠁ two\r\nabcdefghi\r\n⠁ three\r\x1b[2Kend\r\n".as_bytes());
    let lines = lines(parser.screen_mut());
    let screen = Screen { columns: 4, lines, code: Some(0), seen: vec![], is_left: true };
    assert_eq!(screen.lines, ["one", "⠁ two", "abcdefghi", "⠁ thend"]);
    assert_eq!((screen.spinners(), screen.widest()), (vec!["⠁ two", "⠁ thend"], 9));
    assert_eq!(screen.last_line(), "⠁ thend");
}
