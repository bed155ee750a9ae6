//! The crate's structure: a layer imports only from the layers below it, and no files import each other in a circle.
//!
//! The compiler allows both within a crate, so this reads the source. It includes the shell, which the host does not
//! compile.
//!
//! Every path within the crate counts, in `use` and elsewhere: those that begin with `crate`, `super`, `self` or a child
//! module. A path imports the deepest file that it names. Declaring a child (`mod x;`) does not import it, but calling
//! or re-exporting it does. So a child must not import from a `mod.rs` that uses it: it imports its siblings directly.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// The layers. Each may import from those before it.
const LAYERS: [&str; 10] = [
    "time",
    "json",
    "telemetry",
    "api",
    "openai",
    "stream",
    "memory",
    "config",
    "shell::runtime",
    "shell",
];

/// A module by its path within the crate, such as `api::error`; the crate's root is empty.
type Module = String;

/// The files that each file imports.
type Imports = BTreeMap<Module, BTreeSet<Module>>;

#[test]
fn each_layer_imports_only_from_layers_below_it() {
    assert_eq!(upward(&imports(&sources())), [""; 0]);
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    assert_eq!(circle(&imports(&sources())), None);
}

#[test]
fn the_crate_s_own_imports_are_seen() {
    let imports = imports(&sources());
    let relay = &imports["stream::relay"];
    assert!(
        relay.contains("stream::sse") && relay.contains("api::error"),
        "{relay:?}"
    );
    assert!(imports["shell"].contains("shell::chat"), "{imports:?}");
}

#[test]
fn an_import_from_a_layer_above_is_found_however_it_is_written() {
    for source in [
        "use crate::config::Config;",
        "use crate::{json, config::{self, Config}};",
        "pub(crate) use crate::config as settings;",
        "fn f() { crate::config::load(); }",
        "fn f(c: &crate :: config::Config) {}",
        "mod inner { use super::super::super::config; }",
        "use crate::shell::js;",
        "use super::super::config::*;",
    ] {
        let files = tree(&[
            ("api/error.rs", source),
            ("config.rs", ""),
            ("shell/js.rs", ""),
        ]);
        assert_eq!(upward(&imports(&files)).len(), 1, "{source}");
    }
    let runtime = tree(&[
        ("shell/runtime/task.rs", "use crate::shell::chat::Chat;"),
        ("shell/chat.rs", ""),
    ]);
    assert_eq!(
        upward(&imports(&runtime)),
        ["shell::runtime::task imports shell::chat"]
    );
    let unknown = tree(&[("attic/turn.rs", "use crate::json;"), ("json.rs", "")]);
    assert_eq!(upward(&imports(&unknown)), ["attic::turn is in no layer"]);
}

#[test]
fn a_circle_of_files_is_found_and_named() {
    let files = tree(&[
        ("api/a.rs", "use super::b::B;"),
        ("api/b.rs", "use crate::api::c::{C, D};"),
        ("api/c.rs", "fn f() { super::a::f(); }"),
        ("api/mod.rs", "pub use self::a::A; mod a; mod b; mod c;"),
    ]);
    let found = circle(&imports(&files));
    assert_eq!(found.as_deref(), Some("api::a → api::b → api::c → api::a"));
    let parent = tree(&[
        ("api/mod.rs", "mod a; fn f() { a::g(); }"),
        ("api/a.rs", "use super::f;"),
    ]);
    let found = circle(&imports(&parent));
    assert_eq!(found.as_deref(), Some("api → api::a → api"));
}

#[test]
fn what_is_no_import_is_not_taken_for_one() {
    let source = "//! [`crate::config`]\n/* crate::config */ pub(in crate::config) struct S; \
        const A: &str = \"crate::config\"; const B: &str = r#\"crate::config \" \"#; const C: char = '\"'; \
        fn f<'a>() { std::config::f(); other::crate_::f() }";
    let files = tree(&[("api/error.rs", source), ("config.rs", "")]);
    assert_eq!(imports(&files)["api::error"], BTreeSet::new());
}

/// The imports that go upwards, and the files that belong to no layer.
fn upward(imports: &Imports) -> Vec<String> {
    let mut found = Vec::new();
    for (file, imported) in imports.iter().filter(|(file, _)| !file.is_empty()) {
        let Some(own) = layer(file) else {
            found.push(format!("{file} is in no layer"));
            continue;
        };
        let above = imported.iter().filter(|other| layer(other) > Some(own));
        found.extend(above.map(|other| format!("{file} imports {other}")));
    }
    found
}

/// The layer of the layer that a module is in.
fn layer(module: &str) -> Option<usize> {
    let is_in = |layer: &str| {
        let rest = module.strip_prefix(layer);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    };
    LAYERS.iter().position(|layer| is_in(layer))
}

/// The first circle of imports.
fn circle(imports: &Imports) -> Option<String> {
    let mut done = BTreeSet::new();
    let mut starts = imports.keys();
    starts.find_map(|start| walk(start, imports, &mut Vec::new(), &mut done))
}

fn walk<'a>(
    file: &'a str,
    imports: &'a Imports,
    way: &mut Vec<&'a str>,
    done: &mut BTreeSet<&'a str>,
) -> Option<String> {
    if let Some(at) = way.iter().position(|before| *before == file) {
        return Some([&way[at..], &[file]].concat().join(" → "));
    }
    if !done.insert(file) {
        return None;
    }
    way.push(file);
    let mut next = imports.get(file).into_iter().flatten();
    let found = next.find_map(|next| walk(next, imports, way, done));
    way.pop();
    found
}

fn imports(sources: &BTreeMap<Module, String>) -> Imports {
    let paths = |module: &Module, source: &str| {
        let imported = paths(module, source);
        let files = imported.iter().map(|path| file_of(path, sources));
        files.filter(|file| file != module).collect()
    };
    let files = sources.iter();
    files
        .map(|(module, source)| (module.clone(), paths(module, source)))
        .collect()
}

/// The deepest file that a path names.
fn file_of(path: &[String], sources: &BTreeMap<Module, String>) -> Module {
    let mut lengths = (0..=path.len()).rev();
    let file = lengths.find_map(|len| {
        let module = path[..len].join("::");
        sources.contains_key(&module).then_some(module)
    });
    file.unwrap_or_default()
}

/// Every path within the crate that a source names, from the crate's root.
fn paths(module: &str, source: &str) -> Vec<Vec<String>> {
    let tokens = tokens(source);
    let children: BTreeSet<&str> = tokens
        .windows(3)
        .filter(|window| window[0] == "mod" && window[2] == ";")
        .map(|window| &*window[1])
        .collect();
    let mut inside: Vec<String> = module.split("::").map(str::to_owned).collect();
    inside.retain(|name| !name.is_empty());
    // Where braces close, a module that was written into the file may end.
    let mut braces: Vec<bool> = Vec::new();
    let mut paths = Vec::new();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        let before = at.checked_sub(1).map_or("", |before| &tokens[before]);
        let is_path = tokens.get(at + 1).is_some_and(|next| next == "::");
        let first = match token.as_str() {
            "crate" if is_path => Some(Vec::new()),
            "self" | "super" if is_path => Some(inside.clone()),
            name if is_path && children.contains(name) => Some(inside.clone()),
            "{" => {
                let is_module = at > 1 && tokens[at - 2] == "mod";
                if is_module {
                    inside.push(before.to_owned());
                }
                braces.push(is_module);
                None
            }
            "}" => {
                if braces.pop() == Some(true) {
                    inside.pop();
                }
                None
            }
            _ => None,
        };
        match first {
            Some(root) if before != "::" && before != "in" => {
                at = tree_at(&tokens, at, root, &mut paths);
            }
            _ => at += 1,
        }
    }
    paths
}

/// Reads a path, or a tree of them as `use` has it, and tells where it ends.
fn tree_at(
    tokens: &[String],
    mut at: usize,
    mut path: Vec<String>,
    paths: &mut Vec<Vec<String>>,
) -> usize {
    loop {
        match tokens.get(at).map_or("", String::as_str) {
            "{" => {
                at += 1;
                while tokens.get(at).is_some_and(|token| token != "}") {
                    at = tree_at(tokens, at, path.clone(), paths);
                    let alias = tokens.get(at).is_some_and(|token| token == "as");
                    at += if alias { 2 } else { 0 };
                    at += usize::from(tokens.get(at).is_some_and(|token| token == ","));
                }
                return at + 1;
            }
            "super" => drop(path.pop()),
            "crate" | "self" | "*" => {}
            name => path.push(name.to_owned()),
        }
        at += 1;
        if tokens.get(at).is_none_or(|token| token != "::") {
            paths.push(path);
            return at;
        }
        at += 1;
    }
}

/// Words, `::` and single marks; comments, texts and lifetimes are left out.
fn tokens(source: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let is_word = |letter: char| letter.is_alphanumeric() || letter == '_';
        let len = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(len) = raw_text_len(rest) {
            len
        } else if first == '"' {
            quoted_len(rest, '"')
        } else if first == '\'' && (rest.starts_with("'\\") || rest.chars().nth(2) == Some('\'')) {
            quoted_len(rest, '\'')
        } else {
            let len = if is_word(first) {
                rest.find(|letter| !is_word(letter)).unwrap_or(rest.len())
            } else if rest.starts_with("::") {
                2
            } else {
                first.len_utf8()
            };
            if !first.is_whitespace() {
                tokens.push(rest[..len].to_owned());
            }
            len
        };
        rest = &rest[len..];
    }
    tokens
}

/// The length of `r"…"`, `r#"…"#` or `br#"…"#`, where one begins.
fn raw_text_len(source: &str) -> Option<usize> {
    let inner = source
        .strip_prefix('b')
        .unwrap_or(source)
        .strip_prefix('r')?;
    let marks = &inner[..inner.find('"')?];
    if !marks.chars().all(|mark| mark == '#') {
        return None;
    }
    let begin = source.len() - inner.len() + marks.len() + 1;
    let end = format!("\"{marks}");
    Some(begin + source[begin..].find(&end)? + end.len())
}

/// The length of a text between quotes.
fn quoted_len(source: &str, quote: char) -> usize {
    let mut is_escaped = false;
    for (at, letter) in source.char_indices().skip(1) {
        match letter {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            _ if letter == quote => return at + 1,
            _ => {}
        }
    }
    source.len()
}

/// The crate's own files.
fn sources() -> BTreeMap<Module, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut sources = BTreeMap::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(&root).expect("a file of the crate");
                let source = fs::read_to_string(&path).expect("a source in UTF-8");
                sources.insert(module_of(name.to_str().expect("a name in UTF-8")), source);
            }
        }
    }
    sources
}

/// A crate that is made up.
fn tree(files: &[(&str, &str)]) -> BTreeMap<Module, String> {
    let files = files.iter();
    files
        .map(|(name, source)| (module_of(name), (*source).to_owned()))
        .collect()
}

fn module_of(name: &str) -> Module {
    let name = name.trim_end_matches(".rs").replace('/', "::");
    let name = name.trim_end_matches("mod").trim_end_matches("::");
    name.trim_start_matches("lib").to_owned()
}
