//! Every text that the program can say, in one list that is read as a whole when one of them changes, and what none of them
//! says.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, iter};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// What has other people's words: AWS's answers, scripts for shells, and what libraries say, to be told in ours.
const OTHERS: &[&str] =
    &["aws/unanswered.rs", "cloud/dependent_actions.rs", "cloud/services", "cloud/user_data", "cloud/wire", "plain.rs"];

/// Words of Rust, of parsers and of our own making, and other words for what has one here.
const NEVER: &[&str] = &[
    "(os error",
    "as it should be",
    "dispatch failure",
    "does not fit",
    "invalid digit",
    "is not one:",
    "mend",
    "nobody",
    "of others",
    "would have it",
    "would refuse",
];

fn files_below(path: &Path) -> Vec<PathBuf> {
    if path.is_dir() {
        let mut entries: Vec<_> = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
        entries.sort();
        entries.iter().flat_map(|entry| files_below(entry)).collect()
    } else {
        vec![path.to_owned()]
    }
}

/// The texts of a file's code, without its unit tests, its attributes for the compiler and what only a panic says.
fn texts(tokens: TokenStream) -> Vec<String> {
    let mut found = vec![];
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Punct(punct) if punct.as_char() == '#' => {
                // A module's own documentation begins with `#!`.
                tokens.next_if(|next| matches!(next, TokenTree::Punct(punct) if punct.as_char() == '!'));
                let Some(attribute) = tokens.next_if(|next| matches!(next, TokenTree::Group(_))) else { continue };
                let TokenTree::Group(attribute) = attribute else { unreachable!() };
                let attribute = attribute.stream();
                let name = attribute.clone().into_iter().next().map(|name| name.to_string()).unwrap_or_default();
                if attribute.to_string().replace(' ', "") == "cfg(test)" {
                    let is_end = |token: &TokenTree| match token {
                        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
                        TokenTree::Punct(punct) => punct.as_char() == ';',
                        _ => false,
                    };
                    tokens.find(is_end);
                } else if name == "error" {
                    found.extend(texts(attribute));
                }
            }
            TokenTree::Ident(word) if word == "expect" || word == "debug_assert" => {
                tokens.next_if(|next| matches!(next, TokenTree::Group(_)));
            }
            TokenTree::Group(group) => found.extend(texts(group.stream())),
            TokenTree::Literal(literal) => found.extend(text(&literal.to_string())),
            TokenTree::Ident(_) | TokenTree::Punct(_) => {}
        }
    }
    found
}

/// What a literal says: the value of a text, with each line break of the code and what follows it in the next line gone.
fn text(literal: &str) -> Option<String> {
    if let Some(raw) = literal.strip_prefix('r') {
        let raw = raw.trim_matches('#');
        return raw.strip_prefix('"')?.strip_suffix('"').map(str::to_owned);
    }
    let escaped = literal.strip_prefix('"')?.strip_suffix('"')?;
    let mut chars = escaped.chars().peekable();
    let mut text = String::new();
    while let Some(char) = chars.next() {
        match (char, chars.peek().copied()) {
            ('\\', Some('\n')) => while chars.next_if(|next| next.is_whitespace()).is_some() {},
            ('\\', Some(escape)) => {
                chars.next();
                text.extend(iter::once(match escape {
                    'n' => '\n',
                    't' => '\t',
                    other => other,
                }));
            }
            _ => text.push(char),
        }
    }
    Some(text)
}

/// Whether a text is said to somebody: it has two words next to each other.
fn is_said(text: &str) -> bool {
    let words: Vec<&str> = text.split_whitespace().collect();
    let is_word = |word: &str| {
        let word = word.trim_matches(|char: char| char.is_ascii_punctuation());
        word.len() > 1 && word.chars().all(|char| char.is_alphabetic() || "'’-".contains(char))
    };
    words.windows(2).any(|pair| is_word(pair[0]) && is_word(pair[1]))
}

/// Whether a text has these words, which begin with a word of their own.
fn says(text: &str, words: &str) -> bool {
    let begins = |at: usize| !text[..at].ends_with(char::is_alphabetic);
    text.match_indices(words).any(|(at, _)| begins(at))
}

/// The messages by file.
fn messages() -> BTreeMap<String, Vec<String>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let name = |file: &Path| file.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
    let files = files_below(&root).into_iter().filter(|file| file.extension().is_some_and(|it| it == "rs"));
    let files = files.filter(|file| !OTHERS.iter().any(|others| name(file).starts_with(others)));
    let of_file = |file: PathBuf| {
        let tokens = fs::read_to_string(&file).unwrap().parse().unwrap();
        (name(&file), texts(tokens).into_iter().filter(|text| is_said(text)).collect())
    };
    files.map(of_file).filter(|(_, messages): &(String, Vec<String>)| !messages.is_empty()).collect()
}

#[test]
fn every_message_is_in_one_list() {
    let list: Vec<String> = messages()
        .into_iter()
        .map(|(file, messages)| {
            format!("src/{file}\n{}\n", messages.iter().map(|it| format!("  {it:?}\n")).collect::<String>())
        })
        .collect();
    insta::assert_snapshot!(list.concat());
}

#[test]
fn no_message_has_words_that_a_user_would_not_use() {
    let wrong: Vec<String> = messages()
        .iter()
        .flat_map(|(file, messages)| messages.iter().map(move |message| (file, message)))
        .filter(|(_, message)| NEVER.iter().any(|words| says(message, words)))
        .map(|(file, message)| format!("src/{file}: {message}"))
        .collect();
    assert!(wrong.is_empty(), "{} messages:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn a_message_is_told_from_other_texts() {
    let source = r##"
        #[error("{what} is not there: make it")]
        fn it() { say("one \"two\" \
                       three"); ask("ecs:CreateCluster"); x.expect("never said at all"); raw(r#"raw text here"#) }
        #[cfg(test)]
        mod tests { const SAID: &str = "not in a test"; }
    "##;
    let found: Vec<String> = texts(source.parse().unwrap()).into_iter().filter(|text| is_said(text)).collect();
    assert_eq!(found, ["{what} is not there: make it", "one \"two\" three", "raw text here"]);
}
