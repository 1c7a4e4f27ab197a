//! What each file of a source tree names: every path in its code, resolved to the module that defines what is named.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::{fmt, fs};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// The module path below the crate's root, whose own is empty.
pub(super) type ModulePath = Vec<String>;

/// The modules of a crate and what their code names, unit tests left out.
pub(super) struct Tree {
    modules: BTreeMap<ModulePath, Module>,
}

#[derive(Default)]
struct Module {
    /// Below the folder of the crate's root.
    file: String,
    imports: Vec<Import>,
    /// Paths outside `use` declarations; the name of a macro ends in `!`.
    paths: Vec<(Vec<String>, usize)>,
}

/// One name that a `use` declaration brings in.
struct Import {
    path: Vec<String>,
    /// What it is called here: `*` for everything.
    local_name: String,
    line: usize,
    is_reexport: bool,
}

/// A file, and a line in it.
#[derive(Clone, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Place(String, usize);

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.0, self.1)
    }
}

/// A path in the code of a module.
pub(super) struct Mention {
    pub(super) from: ModulePath,
    pub(super) to: Target,
    pub(super) place: Place,
}

/// What a path leads to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Target {
    /// A module of the crate.
    Module(ModulePath),
    /// Something that a module of the crate defines.
    Item(ModulePath),
    /// Something of another crate, by its full path; or what has a name in this file alone.
    Outside(Vec<String>),
}

impl Target {
    pub(super) fn module(&self) -> Option<&ModulePath> {
        match self {
            Self::Module(module) | Self::Item(module) => Some(module),
            Self::Outside(_) => None,
        }
    }
}

impl Tree {
    /// The tree of this package's library. Its program is a call of it.
    pub(super) fn of_the_library() -> Self {
        fn walk(path: &Path, found: &mut Vec<PathBuf>) {
            if path.is_dir() {
                for entry in fs::read_dir(path).unwrap() {
                    walk(&entry.unwrap().path(), found);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path.to_owned());
            }
        }
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut files = vec![];
        walk(&root, &mut files);
        let name = |file: &Path| file.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
        let files = files.iter().map(|file| (name(file), fs::read_to_string(file).unwrap()));
        Self::new(files.filter(|(name, _)| name != "main.rs"))
    }

    /// The tree of these files: their names below the folder of the crate's root, and their texts.
    pub(super) fn new(files: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut tree = Self { modules: BTreeMap::new() };
        for (file, text) in files {
            let tokens = text.parse().unwrap_or_else(|error| panic!("{file}: {error}"));
            let mut path: ModulePath = file.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
            path.pop_if(|name| name == "mod" || name == "lib");
            tree.read(&path, &file, tokens);
        }
        tree
    }

    fn read(&mut self, path: &[String], file: &str, tokens: TokenStream) {
        let mut module = Module { file: file.to_owned(), ..Module::default() };
        let mut inner = vec![];
        module.read(tokens, &mut inner);
        self.modules.insert(path.to_vec(), module);
        for (name, tokens) in inner {
            self.read(&[path, &[name]].concat(), file, tokens);
        }
    }

    pub(super) fn modules(&self) -> impl Iterator<Item = &ModulePath> {
        self.modules.keys()
    }

    /// The folders with folders in them, the crate's root among them.
    pub(super) fn folders_of_folders(&self) -> Vec<Vec<&str>> {
        // A module that is in one that is in it.
        let deep = self.modules().filter_map(|module| module.get(..module.len().checked_sub(2)?));
        let folders: BTreeSet<Vec<_>> = deep.map(|folder| folder.iter().map(String::as_str).collect()).collect();
        folders.into_iter().collect()
    }

    /// Every path that is in the code. A module that passes on what is in its folder does not use it.
    pub(super) fn mentions(&self) -> Vec<Mention> {
        let mut mentions = vec![];
        for (from, module) in &self.modules {
            let mention = |path: &[String], line| {
                let (to, place) = (self.resolve(from, path, 0), Place(format!("src/{}", module.file), line));
                Mention { from: from.clone(), to, place }
            };
            for import in &module.imports {
                let mention = mention(&import.path, import.line);
                if !(import.is_reexport && mention.to.module().is_some_and(|to| to.starts_with(from))) {
                    mentions.push(mention);
                }
            }
            mentions.extend(module.paths.iter().map(|(path, line)| mention(path, *line)));
        }
        mentions
    }

    /// Depth: of imports that lead to imports, which in a file of nonsense may go round.
    fn resolve(&self, module: &[String], path: &[String], depth: usize) -> Target {
        let parent =
            |module: &[String]| Target::Module(module.split_last().map_or(vec![], |(_, above)| above.to_vec()));
        let mut target = match path[0].as_str() {
            "crate" => Target::Module(vec![]),
            "self" => Target::Module(module.to_vec()),
            "super" => parent(module),
            name => self.look_up(module, name, depth).unwrap_or_else(|| Target::Outside(vec![name.to_owned()])),
        };
        for name in &path[1..] {
            target = match target {
                Target::Module(at) if name == "super" => parent(&at),
                Target::Module(at) => self.look_up(&at, name, depth).unwrap_or(Target::Item(at)),
                Target::Item(_) => target,
                Target::Outside(path) => Target::Outside([path, vec![name.clone()]].concat()),
            };
        }
        target
    }

    /// What a name in a module stands for, unless the module defines it: a module in it, or something that it imports.
    fn look_up(&self, module: &[String], name: &str, depth: usize) -> Option<Target> {
        let inner = [module, &[name.to_owned()]].concat();
        if self.modules.contains_key(&inner) {
            return Some(Target::Module(inner));
        }
        let mut imports = self.modules.get(module)?.imports.iter();
        let import =
            imports.find(|import| import.local_name == name && (import.path[0] != name || import.path.len() == 1))?;
        (depth < 9).then(|| self.resolve(module, &import.path, depth + 1))
    }
}

impl Module {
    /// Goes through the tokens of a module, and puts those of the modules in it beside.
    fn read(&mut self, tokens: TokenStream, inner: &mut Vec<(String, TokenStream)>) {
        let tokens: Vec<_> = tokens.into_iter().collect();
        let is_punct = |at: usize, char| matches!(tokens.get(at), Some(TokenTree::Punct(it)) if it.as_char() == char);
        let ident = |at: usize| match tokens.get(at) {
            Some(TokenTree::Ident(ident)) => Some(ident.to_string()),
            _ => None,
        };
        let group = |at: usize, delimiter| match tokens.get(at) {
            Some(TokenTree::Group(group)) if group.delimiter() == delimiter => Some(group.stream()),
            _ => None,
        };
        let mut at = 0;
        while at < tokens.len() {
            let start = at;
            at += 1;
            match &tokens[start] {
                TokenTree::Punct(punct) if punct.as_char() == '#' => {
                    at += usize::from(is_punct(at, '!'));
                    let Some(attribute) = group(at, Delimiter::Bracket) else { continue };
                    if attribute.to_string().replace(' ', "") == "cfg(test)" {
                        while at < tokens.len() && !is_punct(at, ';') && group(at, Delimiter::Brace).is_none() {
                            at += 1;
                        }
                    }
                    at += 1;
                }
                TokenTree::Ident(word) if word == "use" && !is_punct(at, '<') => {
                    let end = (at..tokens.len()).find(|&at| is_punct(at, ';')).unwrap();
                    let before = |n: usize| start.checked_sub(n).and_then(ident);
                    let is_reexport = [before(1), before(2)].iter().flatten().any(|word| word == "pub");
                    self.read_imports(&tokens[at..end], &[], is_reexport);
                    at = end;
                }
                TokenTree::Ident(word) if word == "mod" && group(at + 1, Delimiter::Brace).is_some() => {
                    inner.extend(ident(at).zip(group(at + 1, Delimiter::Brace)));
                    at += 2;
                }
                // The path in `pub(in path)` uses nothing of it.
                TokenTree::Ident(word) if word == "pub" && group(at, Delimiter::Parenthesis).is_some() => at += 1,
                TokenTree::Ident(word) => {
                    let mut path = vec![word.to_string()];
                    while let (true, true, Some(name)) = (is_punct(at, ':'), is_punct(at + 1, ':'), ident(at + 2)) {
                        path.push(name);
                        at += 3;
                    }
                    let is_macro = is_punct(at, '!') && matches!(tokens.get(at + 1), Some(TokenTree::Group(_)));
                    if is_macro {
                        path.last_mut().unwrap().push('!');
                    }
                    // After a dot it is a field or a method, after a colon the rest of a path that begins with a type.
                    let goes_on = start > 0 && is_punct(start - 1, '.');
                    let goes_on = goes_on || start > 1 && is_punct(start - 1, ':') && is_punct(start - 2, ':');
                    if !goes_on && (is_macro || path.len() > 1) {
                        self.paths.push((path, word.span().start().line));
                    }
                }
                TokenTree::Group(group) => self.read(group.stream(), inner),
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
        }
    }

    /// The tokens after `use`, or those between braces in it after a path.
    fn read_imports(&mut self, tokens: &[TokenTree], before: &[String], is_reexport: bool) {
        let is_comma = |token: &TokenTree| matches!(token, TokenTree::Punct(punct) if punct.as_char() == ',');
        for part in tokens.split(is_comma).filter(|part| !part.is_empty()) {
            let mut path = before.to_vec();
            let mut is_path = true;
            for token in part {
                match token {
                    TokenTree::Ident(name) => path.push(name.to_string()),
                    TokenTree::Punct(punct) if punct.as_char() == '*' => path.push("*".to_owned()),
                    TokenTree::Group(group) => {
                        self.read_imports(&group.stream().into_iter().collect::<Vec<_>>(), &path, is_reexport);
                        is_path = false;
                    }
                    TokenTree::Punct(_) | TokenTree::Literal(_) => {}
                }
            }
            if !is_path {
                continue;
            }
            let alias =
                if path.len() > 2 && path[path.len() - 2] == "as" { path.drain(path.len() - 2..).nth(1) } else { None };
            if path.len() > 1 {
                path.pop_if(|name| name == "self");
            }
            let local_name = alias.unwrap_or_else(|| path.last().unwrap().clone());
            self.imports.push(Import { path, local_name, line: part[0].span().start().line, is_reexport });
        }
    }
}
