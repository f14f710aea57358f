//! The number of files with methods of one type.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

/// The types that `files` define, each with the files that have an `impl` block for it. Types are told apart by their
/// names, and where several files define the same name, each has a type of its own. Routers of tools do not count: they have
/// to be methods of the server, wherever a tool stands.
pub fn impl_files(files: &[PathBuf]) -> BTreeMap<String, BTreeSet<PathBuf>> {
    let (mut defined, mut found) = (BTreeMap::<_, BTreeSet<_>>::new(), BTreeMap::<_, BTreeSet<_>>::new());
    for path in files {
        for item in syn::parse_file(&fs::read_to_string(path).unwrap()).unwrap().items {
            match item {
                syn::Item::Struct(item) => {
                    _ = defined.entry(item.ident.to_string()).or_default().insert(path);
                }
                syn::Item::Enum(item) => _ = defined.entry(item.ident.to_string()).or_default().insert(path),
                syn::Item::Impl(item) if !item.attrs.iter().any(is_router) => {
                    if let syn::Type::Path(of) = *item.self_ty {
                        let name = of.path.segments.last().unwrap().ident.to_string();
                        found.entry(name).or_default().insert(path.clone());
                    }
                }
                _ => {}
            }
        }
    }
    found.retain(|name, _| defined.contains_key(name));
    for (name, files) in &mut found {
        if defined[name].len() > 1 {
            files.retain(|file| !defined[name].contains(file));
        }
    }
    found
}

fn is_router(attribute: &syn::Attribute) -> bool {
    attribute.path().is_ident("tool_router")
}

#[test]
fn impl_blocks_are_counted_by_file_and_routers_are_not() {
    let dir = tempfile::tempdir().unwrap();
    let texts = [
        "pub struct A; impl A {} impl A {} impl<T> From<T> for B<T> {}",
        "pub enum B<T> { C(T) } impl super::A {} impl From<A> for String {}",
        "#[tool_router(router = some, vis = \"pub\")] impl A {}",
    ];
    let paths: Vec<_> = (0..texts.len()).map(|number| dir.path().join(format!("{number}.rs"))).collect();
    for (path, text) in paths.iter().zip(texts) {
        fs::write(path, text).unwrap();
    }
    let found: Vec<_> = impl_files(&paths).into_iter().map(|(name, files)| (name, files.len())).collect();
    assert_eq!(found, [("A".to_owned(), 2), ("B".to_owned(), 1)]);
    // Another file with a type of the same name.
    fs::write(&paths[2], "struct A; impl A {}").unwrap();
    assert_eq!(impl_files(&paths)["A"], BTreeSet::from([paths[1].clone()]));
}
