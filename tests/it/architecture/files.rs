//! The order of the files inside a layer: imports go in no circles, and a type's `impl` blocks stand in few files.
//!
//! Files are read as tokens, so comments and texts are no imports. A name that a `mod.rs` re-exports counts as an import
//! of the file that defines it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use super::{root, rust_files};

/// Layers in which imports between files go in no circles.
const WITHOUT_CIRCLES: &[&str] = &["mcp", "tools"];

/// Layers in which a type has `impl` blocks in at most so many files.
const WITH_FEW_IMPLS: (&[&str], usize) = (&["mcp", "tools"], 3);

/// A path of names, such as `crate`, `mcp`, `Server`.
type Path = Vec<String>;

/// What a file says of others and of its types.
#[derive(Debug, Default)]
struct Module {
    uses: Vec<Path>,
    /// By the name that they give it.
    exports: BTreeMap<String, Path>,
    types: BTreeSet<String>,
    /// Types with an `impl` block that is no router of tools.
    impls: BTreeSet<String>,
}

fn ident(token: Option<&TokenTree>) -> Option<String> {
    match token {
        Some(TokenTree::Ident(ident)) => Some(ident.to_string()),
        _ => None,
    }
}

fn is_punct(token: Option<&TokenTree>, sign: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == sign)
}

/// The paths of a `use` tree.
fn tree(tokens: &[TokenTree], before: &Path, paths: &mut Vec<Path>) {
    for item in tokens.split(|token| is_punct(Some(token), ',')) {
        let item: Vec<_> =
            item.iter().take_while(|token| ident(Some(token)).as_deref() != Some("as")).collect();
        let mut path = before.clone();
        path.extend(item.iter().filter_map(|token| ident(Some(token))));
        match item.last() {
            Some(TokenTree::Group(group)) => {
                tree(&group.stream().into_iter().collect::<Vec<_>>(), &path, paths);
            }
            Some(_) => paths.push(path),
            None => {}
        }
    }
}

/// The type that an `impl` block is for, from the tokens behind `impl`.
fn implemented(tokens: &[TokenTree]) -> Option<String> {
    let (mut depth, mut name) = (0_i32, None);
    for (at, token) in tokens.iter().enumerate() {
        match token {
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => break,
            TokenTree::Punct(punct) if punct.as_char() == '<' => depth += 1,
            TokenTree::Punct(punct)
                if punct.as_char() == '>' && !is_punct(tokens.get(at.wrapping_sub(1)), '-') =>
            {
                depth -= 1;
            }
            TokenTree::Ident(ident) if depth == 0 && ident == "where" => break,
            TokenTree::Ident(ident) if depth == 0 && ident == "for" => name = None,
            TokenTree::Ident(ident) if depth == 0 => name = Some(ident.to_string()),
            _ => {}
        }
    }
    name
}

impl Module {
    fn read(source: &str) -> Self {
        let mut module = Self::default();
        module.take(source.parse().unwrap(), true);
        module
    }

    fn take(&mut self, stream: TokenStream, outermost: bool) {
        let tokens: Vec<_> = stream.into_iter().collect();
        let (mut at, mut public, mut in_test, mut router) = (0, false, false, false);
        while let Some(token) = tokens.get(at) {
            let next = tokens.get(at + 1);
            let name = ident(Some(token));
            match (name.as_deref(), token) {
                (None, TokenTree::Punct(punct)) if punct.as_char() == '#' => {
                    let attribute = next.map(|next| next.to_string().replace(' ', "")).unwrap_or_default();
                    in_test |= attribute.contains("cfg(test)");
                    router |= attribute.contains("tool_router(");
                    at += 2;
                    continue;
                }
                (Some("pub"), _) => {
                    public = true;
                    at += if matches!(next, Some(TokenTree::Group(_))) { 2 } else { 1 };
                    continue;
                }
                (Some("use"), _) => {
                    let end = (at..tokens.len()).find(|end| is_punct(tokens.get(*end), ';')).unwrap();
                    let mut paths = Vec::new();
                    tree(&tokens[at + 1..end], &Path::new(), &mut paths);
                    if public {
                        self.exports
                            .extend(paths.into_iter().map(|path| (path.last().unwrap().clone(), path)));
                    } else {
                        self.uses.append(&mut paths);
                    }
                    at = end;
                }
                (Some("mod"), _) if in_test => at += 2,
                (Some("struct" | "enum"), _) if outermost => self.types.extend(ident(next)),
                // Elsewhere the word stands for "some type".
                (Some("impl"), _)
                    if outermost && !router && starts_item(at.checked_sub(1).map(|at| &tokens[at])) =>
                {
                    self.impls.extend(implemented(&tokens[at + 1..]));
                }
                (Some(_), _) => {
                    let mut path = vec![token.to_string()];
                    while is_punct(tokens.get(at + 1), ':') && is_punct(tokens.get(at + 2), ':') {
                        let Some(more) = ident(tokens.get(at + 3)) else { break };
                        path.push(more);
                        at += 3;
                    }
                    if path.len() > 1 {
                        self.uses.push(path);
                    }
                }
                (None, TokenTree::Group(group)) => self.take(group.stream(), false),
                (None, _) => {}
            }
            (public, in_test, router) = (false, false, false);
            at += 1;
        }
    }
}

fn starts_item(before: Option<&TokenTree>) -> bool {
    match before {
        None => true,
        Some(TokenTree::Group(group)) => group.delimiter() != Delimiter::Parenthesis,
        Some(before) => is_punct(Some(before), ';'),
    }
}

/// The modules of some layers, by their paths below the crate.
fn modules(layers: &[&str]) -> BTreeMap<Path, Module> {
    let source = root().join("src");
    let files = layers.iter().flat_map(|layer| rust_files(&source.join(layer)));
    let named = files.map(|file| {
        let path = file.strip_prefix(&source).unwrap().with_extension("");
        let mut name: Path = path.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
        if name.last().is_some_and(|last| last == "mod") {
            name.pop();
        }
        (name, Module::read(&fs::read_to_string(&file).unwrap()))
    });
    named.collect()
}

/// The module that a path leads to from `here`; `None` outside of what is looked at.
fn target(modules: &BTreeMap<Path, Module>, here: &Path, path: &[String], depth: u8) -> Option<Path> {
    let (mut at, mut rest) = match path.first()?.as_str() {
        "crate" => (Path::new(), &path[1..]),
        "self" => (here.clone(), &path[1..]),
        _ => (here.clone(), path),
    };
    while let Some("super") = rest.first().map(String::as_str) {
        at.pop();
        rest = &rest[1..];
    }
    let child = |at: &Path, name: &String| [at.as_slice(), std::slice::from_ref(name)].concat();
    let relative = at == *here && path.first()? != "self";
    if relative && !modules.contains_key(&child(&at, rest.first()?)) {
        return None;
    }
    while let Some(next) = rest.first().map(|name| child(&at, name)).filter(|next| modules.contains_key(next))
    {
        (at, rest) = (next, &rest[1..]);
    }
    let exported = rest.first().and_then(|name| modules.get(&at)?.exports.get(name));
    match exported {
        Some(path) if depth < 8 => target(modules, &at, path, depth + 1),
        _ => modules.contains_key(&at).then_some(at),
    }
}

/// Files that import each other, directly or through others.
fn circles(modules: &BTreeMap<Path, Module>) -> BTreeSet<BTreeSet<String>> {
    let imports = |here: &Path, module: &Module| -> BTreeSet<Path> {
        let targets = module.uses.iter().filter_map(|path| target(modules, here, path, 0));
        targets.filter(|target| target != here).collect()
    };
    let graph: BTreeMap<_, _> = modules.iter().map(|(here, module)| (here, imports(here, module))).collect();
    let reached = |from: &Path| {
        let (mut seen, mut open) = (BTreeSet::new(), vec![from]);
        while let Some(next) = open.pop() {
            open.extend(graph[next].iter().filter(|target| seen.insert((*target).clone())));
        }
        seen
    };
    let reached: BTreeMap<&Path, BTreeSet<Path>> = graph.keys().map(|here| (*here, reached(here))).collect();
    let in_circle = reached.iter().filter(|(here, all)| all.contains(**here));
    let circle = |(here, all): (&&Path, &BTreeSet<Path>)| {
        all.iter().filter(|other| reached[other].contains(*here)).map(|other| other.join("::")).collect()
    };
    in_circle.map(circle).collect()
}

#[test]
fn files_import_each_other_in_no_circles() {
    let modules = modules(WITHOUT_CIRCLES);
    assert!(modules.len() > 60, "{} files", modules.len());
    assert_eq!(circles(&modules), BTreeSet::new());
}

#[test]
fn a_type_has_its_methods_in_few_files() {
    let (layers, most) = WITH_FEW_IMPLS;
    let modules = modules(layers);
    let types: BTreeSet<_> = modules.values().flat_map(|module| &module.types).collect();
    for name in types {
        let files = modules.iter().filter(|(_, module)| module.impls.contains(name));
        let files: Vec<_> = files.map(|(path, _)| path.join("::")).collect();
        assert!(files.len() <= most, "`{name}` has `impl` blocks in {files:?}");
    }
}

#[test]
fn a_circle_is_found_also_through_what_a_face_re_exports() {
    let read = |files: &[(&str, &str)]| -> BTreeMap<Path, Module> {
        let name = |path: &str| path.split("::").map(str::to_owned).collect();
        files.iter().map(|(path, text)| (name(path), Module::read(text))).collect()
    };
    let face = ("top", "pub mod a; pub mod b; pub use a::A;");
    let in_line = [face, ("top::a", "use super::b::B; pub struct A(B);"), ("top::b", "pub struct B;")];
    assert_eq!(circles(&read(&in_line)), BTreeSet::new());
    for back in [
        "use crate::top::A;",
        "use super::{a::A};",
        "fn f() -> super::A { todo!() }",
        "use std::fs; use crate::top::{self, A as Other};",
    ] {
        let found = circles(&read(&[face, in_line[1], ("top::b", back)]));
        assert_eq!(found.len(), 1, "{back}: {found:?}");
    }
    for harmless in [
        "// use super::a::A;",
        "const A: &str = \"super::a::A\";",
        "#[cfg(test)] mod tests { use super::super::A; }",
    ] {
        assert_eq!(circles(&read(&[face, in_line[1], ("top::b", harmless)])), BTreeSet::new(), "{harmless}");
    }
    let module = Module::read(
        "#[tool_router(router = x)] impl A {} impl<T: Into<B>> X<T> for C<T> where T: Y {} fn f() -> impl D {}",
    );
    assert_eq!(module.impls, BTreeSet::from(["C".to_owned()]));
}
