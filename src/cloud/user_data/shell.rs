//! What a shell script leaves in files. Each command is taken apart as a shell does it, with quotes, variables that the
//! script sets, here-documents, pipes and redirections; of the commands themselves those are known that people write files
//! with. Branches are all taken, and what other commands would print is nothing.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;

use super::MOST_UNPACKED;

/// The files that were written, by their paths.
#[derive(Debug, Default)]
pub(super) struct Files {
    written: BTreeMap<String, String>,
    budget: Budget,
}

impl Files {
    pub(super) fn get(&self, path: &str) -> Option<&str> {
        self.written.get(path).map(String::as_str)
    }

    pub(super) fn write(&mut self, path: &str, content: &str, append: bool) {
        if !self.budget.spend(content.len()) {
            return;
        }
        let file = self.written.entry(path.to_owned()).or_default();
        if !append {
            file.clear();
        }
        file.push_str(content);
    }
}

/// How many bytes more may come out of variables, commands and files. What would be more is left out: a few lines can double a variable
/// until no memory is left.
#[derive(Clone, Debug)]
struct Budget(Rc<Cell<usize>>);

impl Default for Budget {
    fn default() -> Self {
        Self(Rc::new(Cell::new(4 * MOST_UNPACKED as usize)))
    }
}

impl Budget {
    fn spend(&self, bytes: usize) -> bool {
        let left = self.0.get().checked_sub(bytes);
        self.0.set(left.unwrap_or(0));
        left.is_some()
    }
}

/// How deep `sh -c` may go.
const MAX_DEPTH: usize = 4;

pub(super) fn follow(script: &str, files: &mut Files) {
    run(script, BTreeMap::new(), files, MAX_DEPTH);
}

/// What it prints.
fn run(script: &str, variables: BTreeMap<String, String>, files: &mut Files, depth: usize) -> String {
    if depth == 0 {
        return String::new();
    }
    let mut reader = Reader { rest: script.chars().rev().collect(), variables, budget: files.budget.clone() };
    // What is printed, by the script and within each group that is open.
    let mut printed = vec![String::new()];
    let mut piped = None;
    while let Some(command) = reader.command() {
        let input = command.input.clone().or(piped.take()).unwrap_or_default();
        let words: Vec<&str> = command.words.iter().map(String::as_str).collect();
        let mut words = words.as_slice();
        let mut output = String::new();
        while let Some(first) = words.first().copied() {
            match first {
                "{" => printed.push(String::new()),
                "}" if printed.len() > 1 => output = printed.pop().unwrap_or_default(),
                "if" | "then" | "else" | "elif" | "do" | "while" | "until" | "!" | "exec" | "command" | "env" => {}
                "sudo" => {
                    while words.get(1).is_some_and(|word| word.starts_with('-')) {
                        words = &words[1..];
                    }
                }
                // cloud-init's own: how often, and under which name.
                "cloud-init-per" if words.len() > 2 => words = &words[2..],
                _ => break,
            }
            words = &words[1..];
        }
        let assigned = words.iter().take_while(|word| assignment(word).is_some()).count();
        if assigned == words.len() || matches!(words[0], "export" | "declare" | "readonly" | "local") {
            let assignments = words.iter().filter_map(|word| assignment(word));
            reader.variables.extend(assignments.map(|(name, value)| (name.to_owned(), value.to_owned())));
        } else {
            output += &outcome(&words[assigned..], &input, &reader.variables, files, depth);
        }
        for (path, append) in &command.outputs {
            files.write(path, &output, *append);
        }
        if command.is_piped {
            piped = Some(if command.outputs.is_empty() { output } else { String::new() });
        } else if command.outputs.is_empty()
            && let Some(printed) = printed.last_mut()
        {
            printed.push_str(&output);
        }
    }
    printed.concat()
}

fn assignment(word: &str) -> Option<(&str, &str)> {
    let (name, value) = word.split_once('=')?;
    let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    is_name.then_some((name, value))
}

/// What a command prints, and writes by itself.
fn outcome(
    words: &[&str],
    input: &str,
    variables: &BTreeMap<String, String>,
    files: &mut Files,
    depth: usize,
) -> String {
    let Some((name, arguments)) = words.split_first() else { return String::new() };
    let options = arguments.iter().take_while(|word| word.starts_with('-') && word.len() > 1).count();
    let (options, operands) = arguments.split_at(options);
    let has = |option: char| options.iter().any(|given| given.contains(option));
    match (name.rsplit('/').next().unwrap_or(name), operands) {
        ("echo", _) => {
            let line = operands.join(" ");
            let line = if has('e') { unescaped(&line) } else { line };
            line + if has('n') { "" } else { "\n" }
        }
        ("printf", [format, values @ ..]) => printf(format, values, &files.budget),
        ("cat", []) if files.budget.spend(input.len()) => input.to_owned(),
        ("cat", paths) => {
            let contents = paths.iter().filter_map(|path| files.get(path));
            contents.filter(|content| files.budget.spend(content.len())).collect()
        }
        ("tee", paths) => {
            paths.iter().for_each(|path| files.write(path, input, has('a')));
            if files.budget.spend(input.len()) { input.to_owned() } else { String::new() }
        }
        ("cp" | "mv", [from, to]) => {
            if let Some(content) = files.get(from).map(str::to_owned) {
                files.write(to, &content, false);
            }
            String::new()
        }
        ("rm", paths) => {
            paths.iter().for_each(|path| drop(files.written.remove(*path)));
            String::new()
        }
        ("sh" | "bash", [script, ..]) if has('c') => run_nested(script, variables, files, depth),
        ("sh" | "bash", []) => run_nested(input, variables, files, depth),
        ("eval", _) => run_nested(&operands.join(" "), variables, files, depth),
        _ => String::new(),
    }
}

fn run_nested(script: &str, variables: &BTreeMap<String, String>, files: &mut Files, depth: usize) -> String {
    let copied: usize = variables.iter().map(|(name, value)| name.len() + value.len()).sum();
    if !files.budget.spend(script.len() + copied) {
        return String::new();
    }
    run(script, variables.clone(), files, depth - 1)
}

/// `\n` and `\t` as what they stand for, as `echo -e` and `printf` read them.
fn unescaped(text: &str) -> String {
    let mut plain = String::new();
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match (letter, if letter == '\\' { letters.next() } else { None }) {
            ('\\', Some('n')) => plain.push('\n'),
            ('\\', Some('t')) => plain.push('\t'),
            ('\\', Some(other)) => plain.push(other),
            (other, _) => plain.push(other),
        }
    }
    plain
}

/// The format again and again, until every value has its place, or none has one.
fn printf(format: &str, values: &[&str], budget: &Budget) -> String {
    let format = unescaped(format);
    let mut values = values.iter();
    let mut printed = String::new();
    while budget.spend(format.len()) {
        let before = values.len();
        let mut letters = format.chars();
        while let Some(letter) = letters.next() {
            match (letter, if letter == '%' { letters.next() } else { None }) {
                ('%', Some('%')) => printed.push('%'),
                ('%', Some(_)) => printed.push_str(values.next().unwrap_or(&"")),
                (other, _) => printed.push(other),
            }
        }
        if values.len() == 0 || values.len() == before {
            break;
        }
    }
    printed
}

#[derive(Debug, Default)]
struct Command {
    words: Vec<String>,
    /// Where its output goes, and whether it is appended.
    outputs: Vec<(String, bool)>,
    /// A here-document's or a here-string's.
    input: Option<String>,
    /// Whether the next command reads its output.
    is_piped: bool,
}

/// A script, of which one command after the other is read, with the variables as they are then.
struct Reader {
    /// Last letter first.
    rest: Vec<char>,
    variables: BTreeMap<String, String>,
    budget: Budget,
}

impl Reader {
    fn next(&mut self) -> Option<char> {
        self.rest.pop()
    }

    fn next_if(&mut self, letter: char) -> bool {
        let is_it = self.rest.last() == Some(&letter);
        if is_it {
            self.rest.pop();
        }
        is_it
    }

    /// What is before the next `end`, which is passed.
    fn until(&mut self, end: char) -> String {
        let mut passed = String::new();
        while let Some(letter) = self.next().filter(|letter| *letter != end) {
            passed.push(letter);
        }
        passed
    }

    /// The next command that says anything.
    fn command(&mut self) -> Option<Command> {
        let mut command = Command::default();
        loop {
            let word = self.word();
            let is_descriptor = word.as_ref().is_some_and(|word| matches!(word.as_str(), "1" | "2"));
            let letter = self.next();
            if is_descriptor && letter == Some('>') {
                let append = self.next_if('>');
                let path = self.operand();
                if word.as_deref() == Some("1") {
                    command.outputs.push((path, append));
                }
                continue;
            }
            command.words.extend(word);
            let is_empty = command.words.is_empty() && command.outputs.is_empty() && command.input.is_none();
            match letter {
                None => return (!is_empty).then_some(command),
                Some('#') => {
                    self.until('\n');
                    if !is_empty {
                        return Some(command);
                    }
                }
                Some('>') if self.next_if('&') => drop(self.operand()),
                Some('>') => {
                    let append = self.next_if('>');
                    self.next_if('|');
                    let path = self.operand();
                    command.outputs.push((path, append));
                }
                Some('<') if self.next_if('<') => command.input = Some(self.here()),
                Some('<') => drop(self.operand()),
                Some('|') if !self.next_if('|') => {
                    command.is_piped = true;
                    return Some(command);
                }
                // A subshell is a group like another.
                Some('(') if is_empty => command.words.push("{".to_owned()),
                Some(')') if is_empty => command.words.push("}".to_owned()),
                Some(bracket @ ('(' | ')')) => {
                    self.rest.push(bracket);
                    return Some(command);
                }
                Some(' ' | '\t') => {}
                // Whatever else ends a word ends the command.
                Some(_) if is_empty => {}
                Some(_) => return Some(command),
            }
        }
    }

    /// The word that a redirection takes.
    fn operand(&mut self) -> String {
        while self.next_if(' ') || self.next_if('\t') {}
        self.word().unwrap_or_default()
    }

    /// A word, up to a letter that ends it. None: the next letter is such a letter.
    fn word(&mut self) -> Option<String> {
        let mut word: Option<String> = None;
        while let Some(letter) = self.next() {
            match letter {
                '\\' => match self.next() {
                    Some('\n') | None => {}
                    Some(letter) => word.get_or_insert_default().push(letter),
                },
                '\'' => word.get_or_insert_default().push_str(&self.until('\'')),
                '"' => {
                    let quoted = self.quoted();
                    word.get_or_insert_default().push_str(&quoted);
                }
                '$' | '`' => {
                    let value = self.expansion(letter);
                    word.get_or_insert_default().push_str(&value);
                }
                '#' if word.is_some() => word.get_or_insert_default().push('#'),
                '#' | ' ' | '\t' | '\n' | ';' | '&' | '|' | '(' | ')' | '<' | '>' => {
                    self.rest.push(letter);
                    break;
                }
                letter => word.get_or_insert_default().push(letter),
            }
        }
        word
    }

    /// What is in double quotes, the first of which is passed.
    fn quoted(&mut self) -> String {
        let mut text = String::new();
        while let Some(letter) = self.next().filter(|letter| *letter != '"') {
            match letter {
                '\\' => match self.next() {
                    Some('\n') | None => {}
                    Some(letter @ ('"' | '\\' | '$' | '`')) => text.push(letter),
                    Some(letter) => text.extend(['\\', letter]),
                },
                '$' | '`' => text.push_str(&self.expansion(letter)),
                letter => text.push(letter),
            }
        }
        text
    }

    /// What stands for a variable, or a command that is not run, after its first letter.
    fn expansion(&mut self, first: char) -> String {
        if first == '`' {
            self.until('`');
            return String::new();
        }
        if self.next_if('(') {
            let mut depth = 1;
            while depth > 0 {
                match self.next() {
                    Some('(') => depth += 1,
                    Some(')') => depth -= 1,
                    Some(_) => {}
                    None => break,
                }
            }
            return String::new();
        }
        if self.next_if('{') {
            let inner = self.until('}');
            let end = inner.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(inner.len());
            let (name, rest) = inner.split_at(end);
            let value = self.value(name);
            let default = rest.strip_prefix(":-").or_else(|| rest.strip_prefix('-')).unwrap_or_default();
            return if value.is_empty() { default.trim_matches(['"', '\'']).to_owned() } else { value };
        }
        let mut name = String::new();
        while let Some(letter) = self.rest.last().copied().filter(|c| c.is_ascii_alphanumeric() || *c == '_') {
            name.push(letter);
            self.rest.pop();
        }
        if name.is_empty() { "$".to_owned() } else { self.value(&name) }
    }

    fn value(&self, name: &str) -> String {
        self.variables.get(name).filter(|value| self.budget.spend(value.len())).cloned().unwrap_or_default()
    }

    /// A here-document or, with one more `<`, a here-string.
    fn here(&mut self) -> String {
        if self.next_if('<') {
            return self.operand() + "\n";
        }
        let strips_tabs = self.next_if('-');
        while self.next_if(' ') || self.next_if('\t') {}
        let is_literal = matches!(self.rest.last(), Some('\'' | '"' | '\\'));
        let end = self.word().unwrap_or_default();
        // It begins after this line, whose rest is still to be read.
        let line = self.until('\n');
        if !self.budget.spend(line.len()) {
            return String::new();
        }
        let mut body = String::new();
        while !self.rest.is_empty() {
            let text = self.until('\n');
            let text = if strips_tabs { text.trim_start_matches('\t') } else { &text };
            if text == end {
                break;
            }
            body.push_str(text);
            body.push('\n');
        }
        self.rest.push('\n');
        self.rest.extend(line.chars().rev());
        if is_literal {
            return body;
        }
        let mut reader = Reader {
            rest: body.chars().rev().collect(),
            variables: std::mem::take(&mut self.variables),
            budget: self.budget.clone(),
        };
        let mut expanded = String::new();
        while !reader.rest.is_empty() {
            // A quote is a letter like another here.
            expanded.push_str(&reader.quoted());
            expanded.push('"');
        }
        expanded.pop();
        if body.is_empty() {
            expanded.clear();
        }
        self.variables = reader.variables;
        expanded
    }
}
