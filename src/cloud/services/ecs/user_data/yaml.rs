//! YAML as people write a `#cloud-config`: mappings, lists, plain and quoted texts, texts of several lines, and lists and
//! mappings in brackets. Everything that is no list and no mapping is a text, but `true` and `false`.

use serde_json::{Map, Value};

/// How deep lists and mappings may go.
const MAX_DEPTH: usize = 32;

pub(super) fn read(text: &str) -> Value {
    let mut lines: Vec<_> =
        text.lines().map(|line| (line.len() - line.trim_start_matches(' ').len(), line.trim())).collect();
    lines.reverse();
    Reader { lines }.node(0, MAX_DEPTH)
}

struct Reader<'t> {
    /// Last line first: how far it is indented, and what it says.
    lines: Vec<(usize, &'t str)>,
}

impl<'t> Reader<'t> {
    /// The next line that says anything.
    fn peek(&mut self) -> Option<(usize, &'t str)> {
        while self.lines.last().is_some_and(|(_, line)| line.is_empty() || line.starts_with('#')) {
            self.lines.pop();
        }
        self.lines.last().copied()
    }

    /// What begins in the next line, indented by so much at least.
    fn node(&mut self, least: usize, depth: usize) -> Value {
        match self.peek() {
            Some((indent, line)) if indent >= least && depth > 0 => {
                if item(line).is_some() {
                    self.list(indent, depth - 1)
                } else if entry(line).is_some() {
                    self.mapping(indent, depth - 1)
                } else {
                    self.lines.pop();
                    self.scalar(line, least)
                }
            }
            _ => Value::Null,
        }
    }

    fn list(&mut self, indent: usize, depth: usize) -> Value {
        let mut items = Vec::new();
        while let Some((at, line)) = self.peek().filter(|(at, _)| *at == indent) {
            let Some(rest) = item(line) else { break };
            self.lines.pop();
            if !rest.is_empty() {
                // What follows the hyphen stands where it stands.
                self.lines.push((at + line.len() - rest.len(), rest));
            }
            items.push(self.node(indent + 1, depth));
        }
        Value::Array(items)
    }

    fn mapping(&mut self, indent: usize, depth: usize) -> Value {
        let mut members = Map::new();
        while let Some((_, line)) = self.peek().filter(|(at, _)| *at == indent) {
            let Some((key, rest)) = entry(line) else { break };
            self.lines.pop();
            let value = if !rest.is_empty() {
                self.scalar(rest, indent + 1)
            } else {
                // A list may stand as far to the left as its key.
                let is_list = self.peek().is_some_and(|(at, line)| at == indent && item(line).is_some());
                self.node(if is_list { indent } else { indent + 1 }, depth)
            };
            members.insert(key.to_owned(), value);
        }
        Value::Object(members)
    }

    /// A text that begins like this, and goes on in lines that are indented by so much at least; or what is in brackets.
    fn scalar(&mut self, first: &str, least: usize) -> Value {
        if let Some(style) = first.chars().next().filter(|style| matches!(style, '|' | '>')) {
            return Value::String(self.block(style, first.contains('-'), least));
        }
        let is_open = |text: &str| match text.chars().next() {
            Some('[' | '{') => text.matches(['[', '{']).count() > text.matches([']', '}']).count(),
            Some(quote @ ('"' | '\'')) => text.len() == 1 || !text.ends_with(quote),
            _ => false,
        };
        let mut text = first.to_owned();
        let is_plain = !first.starts_with(['[', '{', '"', '\'']);
        while let Some((_, more)) = self.lines.last().copied().filter(|(at, line)| {
            !line.is_empty() && (is_open(&text) || is_plain && *at >= least && !line.starts_with('#'))
        }) {
            text = text + " " + more;
            self.lines.pop();
        }
        Flow { rest: text.chars().rev().collect() }.value(&[], MAX_DEPTH)
    }

    /// Lines as they are, or folded into one.
    fn block(&mut self, style: char, strips: bool, least: usize) -> String {
        let mut lines: Vec<String> = Vec::new();
        let mut own = None;
        while let Some((at, line)) = self.lines.pop() {
            let indent = *own.get_or_insert(at);
            if line.is_empty() {
                lines.push(String::new());
                own = own.filter(|_| lines.iter().any(|line| !line.is_empty()));
            } else if at < least || at < indent {
                self.lines.push((at, line));
                break;
            } else {
                lines.push(" ".repeat(at - indent) + line);
            }
        }
        while lines.last().is_some_and(String::is_empty) {
            lines.pop();
        }
        let end = if strips || lines.is_empty() { "" } else { "\n" };
        lines.join(if style == '|' { "\n" } else { " " }) + end
    }
}

/// What follows the hyphen of a list's item.
fn item(line: &str) -> Option<&str> {
    let rest = line.strip_prefix('-')?;
    (rest.is_empty() || rest.starts_with(' ')).then(|| rest.trim_start())
}

/// Key and value of a mapping's line.
fn entry(line: &str) -> Option<(&str, &str)> {
    if line.starts_with(['[', '{', '|', '>']) {
        return None;
    }
    if let Some(quote) = line.chars().next().filter(|quote| matches!(quote, '"' | '\'')) {
        let (key, rest) = line[1..].split_once(quote)?;
        return Some((key, rest.trim_start().strip_prefix(':')?.trim_start()));
    }
    let (key, rest) = line.split_once(": ").or_else(|| Some((line.strip_suffix(':')?, "")))?;
    let rest = rest.trim_start();
    (!key.contains(" #")).then_some((key.trim_end(), if rest.starts_with('#') { "" } else { rest }))
}

/// A value in one line.
struct Flow {
    /// Last letter first.
    rest: Vec<char>,
}

impl Flow {
    fn skip_blanks(&mut self) {
        while self.rest.last().is_some_and(|letter| letter.is_whitespace()) {
            self.rest.pop();
        }
    }

    fn next_if(&mut self, letters: &[char]) -> Option<char> {
        self.skip_blanks();
        if letters.contains(self.rest.last()?) { self.rest.pop() } else { None }
    }

    /// A value that ends before one of these letters, or with the line.
    fn value(&mut self, ends: &[char], depth: usize) -> Value {
        if depth == 0 {
            return Value::Null;
        }
        match self.next_if(&['[', '{', '"', '\'']) {
            Some('[') => {
                let mut items = Vec::new();
                while self.next_if(&[']']).is_none() && !self.rest.is_empty() {
                    items.push(self.value(&[',', ']'], depth - 1));
                    self.next_if(&[',']);
                }
                Value::Array(items)
            }
            Some('{') => {
                let mut members = Map::new();
                while self.next_if(&['}']).is_none() && !self.rest.is_empty() {
                    let key = self.value(&[':', ',', '}'], depth - 1);
                    self.next_if(&[':']);
                    let value = self.value(&[',', '}'], depth - 1);
                    self.next_if(&[',']);
                    members.insert(key.as_str().unwrap_or_default().to_owned(), value);
                }
                Value::Object(members)
            }
            Some(quote) => Value::String(self.quoted(quote)),
            None => {
                let mut text = String::new();
                while let Some(letter) = self.rest.last().copied().filter(|letter| !ends.contains(letter)) {
                    if letter == '#' && text.ends_with(' ') {
                        self.rest.clear();
                    } else {
                        text.push(letter);
                        self.rest.pop();
                    }
                }
                match text.trim() {
                    "" => Value::Null,
                    "true" => Value::Bool(true),
                    "false" => Value::Bool(false),
                    text => Value::String(text.to_owned()),
                }
            }
        }
    }

    /// Within single quotes only the quote itself, twice, stands for something.
    fn quoted(&mut self, quote: char) -> String {
        let mut text = String::new();
        while let Some(letter) = self.rest.pop() {
            if letter == quote {
                if quote == '"' || self.rest.last() != Some(&quote) {
                    break;
                }
                self.rest.pop();
            }
            match (letter, if letter == '\\' && quote == '"' { self.rest.pop() } else { None }) {
                (_, Some('n')) => text.push('\n'),
                (_, Some('t')) => text.push('\t'),
                (_, Some(other)) => text.push(other),
                (letter, None) => text.push(letter),
            }
        }
        text
    }
}
