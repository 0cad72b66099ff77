//! The rooms of the source: imports run one way, files stay short.
//!
//! A room imports from lower levels only. No two rooms of one level know each other; the ones that decide about requests
//! meet in `context`.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // Helpers are tests, too.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// The rooms of each level. `rejection` lies below `context`.
const LEVELS: [&[&str]; 8] = [
    &["header", "secret", "body", "budget", "frame", "held", "host", "json"],
    &["rejection", "form"],
    &["context", "whole"],
    &["guard"],
    &["session"],
    &[
        "extract",
        "auth",
        "config",
        "limit",
        "model",
        "strategy",
        "provider",
        "inject",
        "rescue",
        "sign",
        "exchange",
        "amend",
        "translate",
        "forward",
    ],
    &["stack", "ext", "extractors", "fetch", "sts", "tokens", "ambient"],
    &["lib"],
];

/// The level of the rooms that stand beside each other between request and leaf.
const LAYERS: usize = 5;

fn level(room: &str) -> usize {
    LEVELS.iter().position(|rooms| rooms.contains(&room)).unwrap_or_else(|| panic!("{room} is a room of no level"))
}

/// A piece of source: a word, `::`, or one other character. Comments, strings and lifetimes are left out.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Path,
    Sign(char),
}

fn tokens(source: &str) -> Vec<Token> {
    let text: Vec<char> = source.chars().collect();
    let at = |index: usize| text.get(index).copied().unwrap_or('\0');
    let (mut found, mut index) = (Vec::new(), 0);
    while index < text.len() {
        let start = index;
        match (at(index), at(index + 1)) {
            ('/', '/') => index += text[index..].iter().take_while(|letter| **letter != '\n').count(),
            ('/', '*') => index = after_comment(&text, index),
            ('"', _) => index = after_string(&text, index),
            ('\'', '\\') => index = after_quote(&text, index + 3),
            ('\'', _) if at(index + 2) == '\'' => index += 3,
            ('\'', _) => index += 1 + text[index + 1..].iter().take_while(|letter| is_word(**letter)).count(),
            (':', ':') => {
                found.push(Token::Path);
                index += 2;
            }
            (letter, _) if is_word(letter) => {
                index += text[index..].iter().take_while(|letter| is_word(**letter)).count();
                let word: String = text[start..index].iter().collect();
                match (word.as_str(), at(index)) {
                    ("r" | "br" | "cr", '"' | '#') if is_raw(&text, index) => index = after_raw(&text, index),
                    ("b" | "c", '"') => index = after_string(&text, index),
                    _ => found.push(Token::Word(word)),
                }
            }
            (letter, _) => {
                if !letter.is_whitespace() {
                    found.push(Token::Sign(letter));
                }
                index += 1;
            }
        }
    }
    found
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

fn after_comment(text: &[char], mut index: usize) -> usize {
    let mut depth = 0;
    while index < text.len() {
        match text.get(index..index + 2) {
            Some(['/', '*']) => (depth, index) = (depth + 1, index + 2),
            Some(['*', '/']) => (depth, index) = (depth - 1, index + 2),
            _ => index += 1,
        }
        if depth == 0 {
            break;
        }
    }
    index
}

fn after_string(text: &[char], mut index: usize) -> usize {
    index += 1;
    while index < text.len() && text[index] != '"' {
        index += if text[index] == '\\' { 2 } else { 1 };
    }
    index + 1
}

fn after_quote(text: &[char], mut index: usize) -> usize {
    while index < text.len() && text[index] != '\'' {
        index += 1;
    }
    index + 1
}

fn is_raw(text: &[char], index: usize) -> bool {
    text[index..].iter().find(|letter| **letter != '#') == Some(&'"')
}

fn after_raw(text: &[char], index: usize) -> usize {
    let signs = text[index..].iter().take_while(|letter| **letter == '#').count();
    let end: Vec<char> = format!("\"{}", "#".repeat(signs)).chars().collect();
    let body = index + signs + 1;
    let length = text[body..].windows(end.len()).position(|window| window == end);
    body + length.expect("the end of a raw string") + end.len()
}

/// Every path below the crate's root that a file names, as far as it is written out: `crate::a::{b, c::d}` is `a::b` and
/// `a::c::d`, and `super` is followed from `module`, through modules that stand in the file, too.
fn paths(source: &str, module: &[&str]) -> Vec<Vec<String>> {
    let tokens = tokens(source);
    let mut here: Vec<String> = module.iter().map(ToString::to_string).collect();
    let mut braces = Vec::new();
    let (mut found, mut index) = (Vec::new(), 0);
    while index < tokens.len() {
        let word = |index: usize| match tokens.get(index) {
            Some(Token::Word(word)) => word.as_str(),
            _ => "",
        };
        let sign = |index: usize, sign: char| tokens.get(index) == Some(&Token::Sign(sign));
        let is_path = |index: usize| tokens.get(index) == Some(&Token::Path);
        match word(index) {
            "mod" if sign(index + 2, '{') => {
                here.push(word(index + 1).to_owned());
                braces.push(true);
                index += 3;
                continue;
            }
            "crate" if is_path(index + 1) => {
                index = tree(&tokens, index + 2, Vec::new(), &mut found);
                continue;
            }
            // `use crate as name` would hide every path behind the name.
            "crate" if word(index + 1) == "as" => found.push(vec!["*".to_owned()]),
            "super" if is_path(index + 1) && !(index > 0 && is_path(index - 1)) => {
                let mut front = here.clone();
                while word(index) == "super" && is_path(index + 1) {
                    front.pop();
                    index += 2;
                }
                index = tree(&tokens, index, front, &mut found);
                continue;
            }
            _ if sign(index, '{') => braces.push(false),
            _ if sign(index, '}') && braces.pop() == Some(true) => {
                here.pop();
            }
            _ => {}
        }
        index += 1;
    }
    found
}

/// Reads the rest of a path that begins with `front`, and whatever tree of braces it ends in.
fn tree(tokens: &[Token], mut index: usize, mut front: Vec<String>, found: &mut Vec<Vec<String>>) -> usize {
    loop {
        match tokens.get(index) {
            Some(Token::Word(word)) => {
                front.push(word.clone());
                index += 1;
                if tokens.get(index) != Some(&Token::Path) {
                    break;
                }
                index += 1;
            }
            Some(Token::Sign('*')) => {
                front.push("*".to_owned());
                index += 1;
                break;
            }
            Some(Token::Sign('{')) => {
                index += 1;
                while tokens.get(index).is_some_and(|token| *token != Token::Sign('}')) {
                    match tokens[index] {
                        Token::Word(_) | Token::Sign('{' | '*') => index = tree(tokens, index, front.clone(), found),
                        _ => index += 1,
                    }
                    // `a as b`
                    if tokens.get(index) == Some(&Token::Word("as".to_owned())) {
                        index += 2;
                    }
                }
                return index + 1;
            }
            // `super::<T>` and the like end the path.
            _ => break,
        }
    }
    found.push(front);
    index
}

/// The rooms that the names at the crate's root come from.
fn exports(lib: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let tokens = tokens(lib);
    for (index, pair) in tokens.windows(2).enumerate() {
        if pair == [Token::Word("pub".into()), Token::Word("use".into())] {
            let mut names = Vec::new();
            tree(&tokens, index + 2, Vec::new(), &mut names);
            found.extend(names.iter().map(|path| (path[path.len() - 1].clone(), path[0].clone())));
        }
    }
    found
}

/// What is wrong with the imports of one file of the library.
fn faults(module: &[&str], source: &str, exports: &BTreeMap<String, String>) -> Vec<String> {
    let room = module.first().copied().unwrap_or("lib");
    let mut faults = Vec::new();
    for path in paths(source, module) {
        let Some(first) = path.first() else { continue };
        let to = match LEVELS.concat().into_iter().find(|known| known == first) {
            Some(to) => to,
            None => exports.get(first).map_or("lib", String::as_str),
        };
        if to != room && level(to) >= level(room) {
            faults.push(format!("{room} imports {} of {to}", path.join("::")));
        }
    }
    faults
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        match path.extension() {
            _ if path.is_dir() => found.extend(files(&path)),
            Some(extension) if extension == "rs" => found.push(path),
            _ => {}
        }
    }
    found
}

/// Every file, with its path below `src` and its text.
fn sources() -> Vec<(PathBuf, String)> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let found: Vec<_> = files(&src)
        .into_iter()
        .map(|path| (path.strip_prefix(&src).expect("below src").to_owned(), fs::read_to_string(&path).expect("text")))
        .collect();
    assert!(found.len() > 50, "only {} files", found.len());
    found
}

/// `auth/jwt/mod.rs` is `["auth", "jwt"]`, `lib.rs` is `[]`.
fn module(path: &Path) -> Vec<&str> {
    let stem = path.with_extension("");
    let parts: Vec<_> = path.iter().zip(stem.iter()).filter_map(|(part, _)| part.to_str()).collect();
    let mut parts: Vec<_> = parts.into_iter().map(|part| part.strip_suffix(".rs").unwrap_or(part)).collect();
    if matches!(parts.last(), Some(&"mod" | &"lib")) {
        parts.pop();
    }
    parts
}

fn words(source: &str) -> BTreeSet<String> {
    let word = |token| if let Token::Word(word) = token { Some(word) } else { None };
    tokens(source).into_iter().filter_map(word).collect()
}

#[test]
fn imports_run_one_way() {
    let sources = sources();
    let lib = sources.iter().find(|(path, _)| path == Path::new("lib.rs")).expect("lib.rs");
    let exports = exports(&lib.1);
    assert_eq!(exports.get("ConfigLayer").map(String::as_str), Some("config"));
    let (mut wrong, mut seen) = (Vec::new(), BTreeSet::new());
    for (path, source) in &sources {
        let module = module(path);
        if module.first() == Some(&"bin") {
            continue;
        }
        let room = module.first().copied().unwrap_or("lib");
        seen.insert(room);
        wrong.extend(faults(&module, source, &exports).into_iter().map(|fault| format!("{}: {fault}", path.display())));
    }
    assert_eq!(wrong, [""; 0]);
    let known: BTreeSet<_> = LEVELS.concat().into_iter().collect();
    assert_eq!(seen, known, "a room is gone, or stands in no level");
}

#[test]
fn sideways_imports_are_found() {
    let exports = exports("pub use config::ConfigLayer;\npub use auth::{GatewayKey, AuthLayer as Other};");
    for (module, source, faulty) in [
        (&["auth", "layer"][..], "use crate::config::Config;", 1),
        (&["auth", "layer"], "use crate::ConfigLayer;", 1),
        (
            &["auth", "layer"],
            "use crate::{\n    context::{Principal, Route},\n    params::{\n        Apply,\n    },\n};",
            1,
        ),
        (&["auth", "layer"], "use crate::{context::{a, b::{c, d}}, inject, config as other};", 2),
        (&["auth", "layer"], "fn f() -> crate::inject::Injection { loop {} }", 1),
        (&["auth", "layer"], "use super::super::config::Config;", 1),
        (&["auth", "layer"], "mod tests { use super::super::super::config::Config; }", 1),
        (&["auth", "layer"], "#[cfg(test)]\nmod tests {\n    use crate::config::Config;\n}", 1),
        (&["auth", "layer"], "use crate::*;", 1),
        (&["auth", "layer"], "use crate as root;", 1),
        (&["auth", "layer"], "use {crate::config::Config, std::fmt};", 1),
        (&["auth", "layer"], "macro_rules! m { () => { $crate::config::x() } }", 1),
        (&["rejection", "json"], "use crate::context::Principal;", 1),
        (&["context", "config"], "use crate::guard::Guard;", 1),
        (&["guard"], "use crate::auth::GatewayKey;", 1),
        (&["header"], "use crate::secret::Secret;", 1),
        (&["ext"], "use crate::PortkeyLayer;", 1),
        (&["stack"], "use crate::ext::ServiceBuilderExt;", 1),
        (&["auth", "layer"], "use crate::{context::Principal, guard::{Decision, Guard}, GatewayKey};", 0),
        (&["auth", "layer"], "use super::super::auth::key;\nmod tests { use super::super::key; }", 0),
        (&["auth", "layer"], "// use crate::config::Config;\n/* /* */ use crate::config::Config; */", 0),
        (
            &["auth", "layer"],
            "//! [`x`](crate::config)\nconst A: &str = \"crate::config\"; const B: &str = r#\"crate::config\"#;",
            0,
        ),
        (&["auth", "layer"], "const C: char = '\"'; fn f<'a>(x: &'a str) {} pub(crate) struct S;", 0),
        (&["context", "config"], "use crate::rejection::Rejection;", 0),
        (&["stack"], "use crate::{ConfigLayer, auth::KeySet};", 0),
        (&[], "pub use stack::PortkeyLayer; use crate::stack::x;", 0),
    ] {
        assert_eq!(faults(module, source, &exports).len(), faulty, "{source}");
    }
}

#[test]
fn files_are_short_and_safe_and_stand_where_they_are_found() {
    for (path, source) in sources() {
        let name = path.display();
        assert!(source.lines().count() <= 400, "{name}: {} lines", source.lines().count());
        assert!(!words(&source).contains("unsafe"), "{name}");
        let plain: String = source.split_whitespace().collect();
        assert!(!plain.contains("#[path") && !plain.contains("include!("), "{name}: a file of another folder");
    }
}

#[test]
fn only_forward_knows_a_network() {
    // To wait before a retry, or no longer for a body, takes a clock and nothing else of the runtime.
    let waiting = ["strategy", "model", "sign", "translate"].map(|room| (room, BTreeSet::from(["tokio"])));
    let waiting = BTreeMap::from(waiting);
    let clients = ["tokio", "hyper", "hyper_util", "hyper_rustls", "rustls"];
    let mut forward = BTreeSet::new();
    for (path, source) in sources() {
        let module = module(&path);
        let Some(room) = module.first().filter(|room| LEVELS[LAYERS].contains(room)) else { continue };
        let words = words(&source);
        let known = clients.into_iter().filter(|client| words.contains(*client));
        if *room == "forward" {
            forward.extend(known);
        } else {
            let allowed = waiting.get::<str>(room).cloned().unwrap_or_default();
            let known: BTreeSet<_> = known.collect();
            assert!(known.is_subset(&allowed), "{}: {known:?}", path.display());
            assert!(!words.contains("net"), "{}", path.display());
        }
    }
    assert!(forward.contains("tokio") && forward.contains("hyper"), "{forward:?}");
}

/// One connector: every other way to a socket or to the resolver would be a way around its checks.
#[test]
fn one_place_dials_and_one_resolves() {
    // A connector's type is needed to speak TLS over it, a listener's end to serve.
    let ways = [
        ("TcpStream::connect", "forward/egress/dial.rs"),
        ("lookup_host", "forward/egress/resolve.rs"),
        ("UdpSocket::bind", "forward/egress/policy.rs"),
        ("legacy::Client::builder", "forward/client.rs"),
    ];
    let elsewhere =
        ["HttpConnector", "build_http", "GaiResolver", "to_socket_addrs", "ToSocketAddrs", "TcpSocket", "UnixStream"];
    let (mut found, mut wrong) = (BTreeSet::new(), Vec::new());
    for (path, source) in sources() {
        // The binary's own tools speak to this machine: `limits` to the admin address, the demo to its gateway.
        if ["bin/portkey-gateway/limits/mod.rs", "bin/portkey-gateway/demo/call.rs"]
            .iter()
            .any(|own| path.ends_with(own))
        {
            continue;
        }
        // `aws_ambient` has AWS's own client ask the metadata services, which are closed to every other request.
        let ambient = path == Path::new("ambient.rs");
        // Those of Azure and Google are asked at an address that is a constant.
        let machine = path == Path::new("tokens.rs");
        let used: String = tokens(source.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default())
            .into_iter()
            .map(|token| match token {
                Token::Word(word) => format!(" {word}"),
                Token::Path => "::".to_owned(),
                Token::Sign(sign) => sign.to_string(),
            })
            .collect::<String>()
            .replace(":: ", "::");
        for (way, place) in ways {
            let times = used.matches(&format!(" {way}(")).count();
            if path == Path::new(place) {
                assert_eq!(times, 1, "{place}: {way}");
                found.insert(way);
            } else if machine && way == "TcpStream::connect" {
                assert_eq!((times, used.matches(" ask_machine( METADATA,").count()), (1, 1), "{}", path.display());
            } else if times > 0 && !path.ends_with("forward/egress/tests.rs") {
                wrong.push(format!("{}: {way}", path.display()));
            }
        }
        let words = words(&used);
        wrong.extend(
            elsewhere.iter().filter(|way| words.contains(**way)).map(|way| format!("{}: {way}", path.display())),
        );
        if !ambient && (words.contains("aws_config") || words.contains("reqwest")) {
            wrong.push(format!("{}: another client", path.display()));
        }
    }
    assert_eq!(wrong, [""; 0]);
    assert_eq!(found.len(), ways.len(), "{found:?}");
}
