//! Import circles between the files of a crate.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};

/// A module or an item in it, from the root of the crate on.
type Name = Vec<String>;

/// What a file says about imports.
#[derive(Debug, Default)]
struct File {
    module: Name,
    /// Everything that the file names: `use` items, and other paths that start at `crate`, `self`, `super` or a child.
    named: Vec<Name>,
    children: BTreeSet<String>,
    defined: BTreeSet<String>,
    /// Names that the file passes on with `pub use`, and what they stand for.
    passed_on: BTreeMap<String, Name>,
    /// Modules of which the file passes on everything.
    globs: Vec<Name>,
    /// The inline modules around the item that is being visited.
    inline: Name,
}

/// Groups of files below these source folders that import each other, directly or through others. A re-export counts as an import of
/// the file that defines the name. `#[cfg(test)]` modules do not count.
pub fn import_circles(sources: &[PathBuf]) -> Vec<Vec<String>> {
    let files = read_all(sources);
    let imports = imports_of(&files);
    let reach: BTreeMap<_, _> = imports.keys().map(|module| (*module, reachable(&imports, module))).collect();
    let mut circles = BTreeSet::new();
    for (module, reached) in &reach {
        let together = reached.iter().filter(|other| reach[*other].contains(*module));
        let shown = |module: &&Name| if module.is_empty() { "crate".to_owned() } else { module.join("::") };
        let circle: BTreeSet<String> = together.map(shown).collect();
        if !circle.is_empty() {
            circles.insert(circle);
        }
    }
    circles.into_iter().map(|circle| circle.into_iter().collect()).collect()
}

/// The files below these source folders that each file imports, as modules such as `mcp::pipeline`.
pub fn imports(sources: &[PathBuf]) -> BTreeMap<String, BTreeSet<String>> {
    let files = read_all(sources);
    let named = |(module, targets): (&Name, BTreeSet<&Name>)| {
        (module.join("::"), targets.into_iter().map(|target| target.join("::")).collect())
    };
    imports_of(&files).into_iter().map(named).collect()
}

/// All packages as one tree of modules, because `crate::jobs` leads to the same module in each of them.
fn read_all(sources: &[PathBuf]) -> BTreeMap<Name, File> {
    let mut files = BTreeMap::new();
    for src in sources {
        read(src, &[], &mut files);
    }
    files
}

fn imports_of(files: &BTreeMap<Name, File>) -> BTreeMap<&Name, BTreeSet<&Name>> {
    let mut imports = BTreeMap::new();
    for (module, file) in files {
        let targets = file.named.iter().map(|name| home(files, name, 0)).filter(|home| *home != module);
        imports.insert(module, targets.collect());
    }
    imports
}

fn read(folder: &Path, module: &[String], files: &mut BTreeMap<Name, File>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let inner: Name = module.iter().cloned().chain([name.clone()]).collect();
        if path.is_dir() {
            read(&path, &inner, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let module =
                if matches!(name.as_str(), "mod" | "lib" | "main") { module.to_vec() } else { inner };
            let syntax = syn::parse_file(&fs::read_to_string(&path).unwrap())
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let file = files.entry(module.clone()).or_default();
            file.module = module;
            // Children are declared anywhere in a file, but must be known before its paths are read.
            file.children.extend(syntax.items.iter().filter_map(|item| match item {
                syn::Item::Mod(item) if item.content.is_none() => Some(item.ident.to_string()),
                _ => None,
            }));
            file.visit_file(&syntax);
        }
    }
}

/// The module whose file defines a name.
fn home<'a>(files: &'a BTreeMap<Name, File>, name: &[String], depth: usize) -> &'a Name {
    let found = (0..=name.len()).rev().find_map(|length| files.get_key_value(&name[..length]));
    let (module, file) = found.expect("every crate has a root");
    let Some(item) = name.get(module.len()).filter(|item| depth < 16 && !file.defined.contains(*item)) else {
        return module;
    };
    if let Some(target) = file.passed_on.get(item).filter(|target| target.as_slice() != name) {
        return home(files, target, depth + 1);
    }
    let of_glob = |glob: &Name| files.get(glob).is_some_and(|file| file.defined.contains(item));
    file.globs.iter().find(|glob| of_glob(glob)).map_or(module, |glob| files.get_key_value(glob).unwrap().0)
}

fn reachable<'a>(imports: &BTreeMap<&'a Name, BTreeSet<&'a Name>>, start: &Name) -> BTreeSet<&'a Name> {
    let mut found = BTreeSet::new();
    let mut next: Vec<_> = imports[start].iter().copied().collect();
    while let Some(module) = next.pop() {
        if found.insert(module) {
            next.extend(&imports[module]);
        }
    }
    found
}

impl File {
    /// A path from the root of the crate on; `None` if it leads to another crate or to something local.
    fn absolute(&self, path: &[String]) -> Option<Name> {
        let mut base: Name = self.module.iter().chain(&self.inline).cloned().collect();
        let mut rest = path;
        match rest.first()?.as_str() {
            "crate" => (base, rest) = (Name::new(), &rest[1..]),
            "self" => rest = &rest[1..],
            "super" => {
                while rest.first().is_some_and(|segment| segment == "super") {
                    base.pop();
                    rest = &rest[1..];
                }
            }
            child if self.inline.is_empty() && self.children.contains(child) => {}
            _ => return None,
        }
        Some(base.into_iter().chain(rest.iter().cloned()).collect())
    }

    fn import(&mut self, tree: &syn::UseTree, path: &[String], public: bool) {
        let with = |ident: &syn::Ident| path.iter().cloned().chain([ident.to_string()]).collect::<Name>();
        match tree {
            syn::UseTree::Path(part) => self.import(&part.tree, &with(&part.ident), public),
            syn::UseTree::Group(group) => group.items.iter().for_each(|tree| self.import(tree, path, public)),
            syn::UseTree::Name(name) if name.ident == "self" => self.note(path, path.last().cloned(), public),
            syn::UseTree::Name(name) => self.note(&with(&name.ident), Some(name.ident.to_string()), public),
            syn::UseTree::Rename(name) => {
                self.note(&with(&name.ident), Some(name.rename.to_string()), public);
            }
            syn::UseTree::Glob(_) => self.note(path, None, public),
        }
    }

    fn note(&mut self, path: &[String], known_as: Option<String>, public: bool) {
        let Some(name) = self.absolute(path) else { return };
        match known_as {
            Some(known_as) if public => drop(self.passed_on.insert(known_as, name.clone())),
            None if public => self.globs.push(name.clone()),
            _ => {}
        }
        self.named.push(name);
    }
}

fn is_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.parse_args::<syn::Ident>().is_ok_and(|condition| condition == "test")
    })
}

impl<'ast> Visit<'ast> for File {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        let ident = match item {
            syn::Item::Const(item) => Some(&item.ident),
            syn::Item::Enum(item) => Some(&item.ident),
            syn::Item::Fn(item) => Some(&item.sig.ident),
            syn::Item::Static(item) => Some(&item.ident),
            syn::Item::Struct(item) => Some(&item.ident),
            syn::Item::Trait(item) => Some(&item.ident),
            syn::Item::Type(item) => Some(&item.ident),
            _ => None,
        };
        if self.inline.is_empty() {
            self.defined.extend(ident.map(ToString::to_string));
        }
        visit::visit_item(self, item);
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if !is_test(&item.attrs) {
            self.inline.push(item.ident.to_string());
            visit::visit_item_mod(self, item);
            self.inline.pop();
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.import(&item.tree, &[], !matches!(item.vis, syn::Visibility::Inherited));
    }

    /// `pub(in crate::a)` names a module and takes nothing from it.
    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {}

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Name = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if segments.len() > 1 && segments[0] != "self" {
            self.named.extend(self.absolute(&segments));
        }
        visit::visit_path(self, path);
    }

    /// Paths inside a macro call are found by their first word.
    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.visit_path(&call.path);
        let tokens = call.tokens.to_string();
        let words: Vec<&str> = tokens.split_whitespace().collect();
        for (at, word) in words.iter().enumerate().filter(|(_, word)| matches!(**word, "crate" | "super")) {
            let rest = words[at + 1..].chunks(2).take_while(|pair| pair.len() == 2 && pair[0] == "::");
            let path: Name = [*word].into_iter().chain(rest.map(|pair| pair[1])).map(str::to_owned).collect();
            self.named.extend(self.absolute(&path));
        }
    }
}

#[test]
fn a_circle_is_found_through_reexports_and_macros_and_not_in_tests() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("lib.rs", "mod a; mod b; pub use a::one::One; pub struct Root;");
    write("a/mod.rs", "pub mod one; pub mod two; pub use self::one::*; pub use two::Two as Second;");
    write("a/one.rs", "use crate::b::B; pub struct One; #[cfg(test)] mod tests { use crate::a::Second; }");
    write("a/two.rs", "pub struct Two;");
    write("b.rs", "use crate::a::Second; pub struct B;");
    assert_eq!(import_circles(&[dir.path().to_owned()]), Vec::<Vec<String>>::new());
    // Neither `lib.rs` nor `a/mod.rs` is part of the circle: they only pass names on.
    write("b.rs", "pub struct B; fn f() { vec![crate::One]; }");
    assert_eq!(import_circles(&[dir.path().to_owned()]), [["a::one", "b"]]);
    write("b.rs", "use super::a::One; pub struct B;");
    assert_eq!(import_circles(&[dir.path().to_owned()]), [["a::one", "b"]]);
    write("b.rs", "pub(in crate::a) struct B;");
    assert_eq!(import_circles(&[dir.path().to_owned()]), Vec::<Vec<String>>::new());
    // This name is not passed on, but defined at the root.
    write("b.rs", "pub struct B; fn f(_: crate::Root) {}");
    assert_eq!(import_circles(&[dir.path().to_owned()]), [["a::one", "b", "crate"]]);
}
