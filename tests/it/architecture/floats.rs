//! No amount of money is a binary fraction: amounts are `Money`, which is exact.

use std::fs;
use std::path::PathBuf;

use syn::visit::{self, Visit};

/// Words that mean money in the name of a field, a parameter, a function, a constant or a type.
const WORDS: &[&str] = &[
    "actual",
    "amount",
    "balance",
    "bill",
    "budget",
    "ceiling",
    "charge",
    "cny",
    "cost",
    "currency",
    "dollar",
    "estimate",
    "estimated",
    "fee",
    "money",
    "price",
    "priced",
    "purchase",
    "reserved",
    "settle",
    "settled",
    "spend",
    "spending",
    "spent",
    "usd",
    "yuan",
];

/// The places in `files` where an `f64` or `f32` stands for money: in a field, a parameter, a constant, a variable or an
/// alias with such a name, in the result of a function with such a name, in any field or signature of a type with such a
/// name, and anywhere in the body of a function with such a name. Tests do not count.
pub fn money_in_floats(files: &[PathBuf]) -> Vec<String> {
    let mut found = Vec::new();
    for path in files {
        let syntax = syn::parse_file(&fs::read_to_string(path).unwrap()).unwrap();
        let mut file = File { owner: String::new(), function: String::new(), found: Vec::new() };
        file.visit_file(&syntax);
        found.extend(file.found.into_iter().map(|place| format!("{}: {place}", path.display())));
    }
    found
}

fn is_money(name: &str) -> bool {
    let mut words = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !words.ends_with(char::is_uppercase) {
            words.push('_');
        }
        words.push(letter);
    }
    let words = words.to_lowercase();
    words.split('_').any(|word| WORDS.contains(&word) || WORDS.contains(&word.trim_end_matches('s')))
}

/// Whether a type is or has a binary fraction.
fn is_float(of: &syn::Type) -> bool {
    struct Floats(bool);
    impl Visit<'_> for Floats {
        fn visit_path_segment(&mut self, segment: &syn::PathSegment) {
            self.0 |= segment.ident == "f64" || segment.ident == "f32";
            visit::visit_path_segment(self, segment);
        }
    }
    let mut floats = Floats(false);
    floats.visit_type(of);
    floats.0
}

fn is_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.parse_args::<syn::Ident>().is_ok_and(|word| word == "test")
    })
}

struct File {
    /// The type whose definition or methods are being visited.
    owner: String,
    /// The function whose body is being visited.
    function: String,
    found: Vec<String>,
}

impl File {
    fn check(&mut self, name: &str, of: &syn::Type) {
        if is_float(of) && (is_money(name) || is_money(&self.owner)) {
            let place =
                if self.owner.is_empty() { name.to_owned() } else { format!("{}::{name}", self.owner) };
            self.found.push(place);
        }
    }

    fn owned<'a, T>(&mut self, owner: String, item: &'a T, visit: impl FnOnce(&mut Self, &'a T)) {
        let outer = std::mem::replace(&mut self.owner, owner);
        visit(self, item);
        self.owner = outer;
    }

    fn signature(&mut self, signature: &syn::Signature, body: impl FnOnce(&mut Self)) {
        let name = signature.ident.to_string();
        if let syn::ReturnType::Type(_, of) = &signature.output {
            self.check(&name, of);
        }
        for input in &signature.inputs {
            if let syn::FnArg::Typed(input) = input {
                self.pattern(input);
            }
        }
        let outer = std::mem::replace(&mut self.function, name);
        body(self);
        self.function = outer;
    }

    fn pattern(&mut self, pattern: &syn::PatType) {
        if let syn::Pat::Ident(name) = &*pattern.pat {
            self.check(&name.ident.to_string(), &pattern.ty);
        }
    }

    fn in_body(&mut self, what: &str) {
        if is_money(&self.function) {
            self.found.push(format!("{what} in {}", self.function));
        }
    }
}

impl<'a> Visit<'a> for File {
    fn visit_item_mod(&mut self, item: &'a syn::ItemMod) {
        if !is_test(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_struct(&mut self, item: &'a syn::ItemStruct) {
        self.owned(item.ident.to_string(), item, visit::visit_item_struct);
    }

    fn visit_item_enum(&mut self, item: &'a syn::ItemEnum) {
        self.owned(item.ident.to_string(), item, visit::visit_item_enum);
    }

    fn visit_variant(&mut self, variant: &'a syn::Variant) {
        let owner = format!("{}_{}", self.owner, variant.ident);
        self.owned(owner, variant, visit::visit_variant);
    }

    fn visit_item_trait(&mut self, item: &'a syn::ItemTrait) {
        self.owned(item.ident.to_string(), item, visit::visit_item_trait);
    }

    fn visit_item_impl(&mut self, item: &'a syn::ItemImpl) {
        let owner = match &*item.self_ty {
            syn::Type::Path(of) => of.path.segments.last().unwrap().ident.to_string(),
            _ => String::new(),
        };
        self.owned(owner, item, visit::visit_item_impl);
    }

    fn visit_field(&mut self, field: &'a syn::Field) {
        let name = field.ident.as_ref().map_or_else(|| "0".to_owned(), ToString::to_string);
        self.check(&name, &field.ty);
    }

    fn visit_item_fn(&mut self, item: &'a syn::ItemFn) {
        self.signature(&item.sig, |file| visit::visit_block(file, &item.block));
    }

    fn visit_impl_item_fn(&mut self, item: &'a syn::ImplItemFn) {
        self.signature(&item.sig, |file| visit::visit_block(file, &item.block));
    }

    fn visit_trait_item_fn(&mut self, item: &'a syn::TraitItemFn) {
        self.signature(&item.sig, |_| {});
    }

    fn visit_item_const(&mut self, item: &'a syn::ItemConst) {
        self.check(&item.ident.to_string(), &item.ty);
    }

    fn visit_item_static(&mut self, item: &'a syn::ItemStatic) {
        self.check(&item.ident.to_string(), &item.ty);
    }

    fn visit_item_type(&mut self, item: &'a syn::ItemType) {
        self.check(&item.ident.to_string(), &item.ty);
    }

    fn visit_pat_type(&mut self, pattern: &'a syn::PatType) {
        self.pattern(pattern);
        visit::visit_pat_type(self, pattern);
    }

    fn visit_path_segment(&mut self, segment: &'a syn::PathSegment) {
        if segment.ident == "f64" || segment.ident == "f32" {
            self.in_body("a float");
        }
        visit::visit_path_segment(self, segment);
    }

    fn visit_lit_float(&mut self, literal: &'a syn::LitFloat) {
        self.in_body(literal.base10_digits());
    }
}

#[test]
fn a_binary_fraction_that_is_money_is_found_in_any_place() {
    let dir = tempfile::tempdir().unwrap();
    let found = |text: &str| {
        let path = dir.path().join("a.rs");
        fs::write(&path, text).unwrap();
        money_in_floats(&[path]).len()
    };
    for text in [
        "struct A { price: f64 }",
        "struct A { unit_prices: Vec<Option<f64>> }",
        "struct SpentView { total: f32 }",
        "struct Cost(f64);",
        "enum A { Paid { amount: f64 } }",
        "enum A { Price(f64) }",
        "fn a(budget: f64) {}",
        "fn cost_of(units: u64) -> Option<f64> { None }",
        "impl Cost { fn of(&self, units: f64) {} }",
        "trait Price { fn of(&self) -> f64; }",
        "fn a(actual: impl FnOnce(u8) -> Option<f64>) {}",
        "const FEE: f64 = A;",
        "static MAX_SPEND: f64 = A;",
        "type Usd = f64;",
        "fn a() { let cost: f64 = b(); }",
        "fn a() { b(|price: f64| price) }",
        "fn price() { a() * 1.5 }",
        "fn price(units: u8) { a(units as f64) }",
        "fn balance(text: &str) { text.parse::<f64>() }",
        "mod a { struct A { usd: f64 } }",
    ] {
        assert_eq!(found(text), 1, "{text}");
    }
    for text in [
        "struct A { seconds: f64, left_percent: f64, priceless: f64, price: Money }",
        "fn cost(seconds: Option<f64>) -> Money { a(1) }",
        "fn chance() -> f64 { 0.5 }",
        "impl Cost { fn of(&self, units: u64) -> Money {} }",
        "#[cfg(test)] mod tests { fn price() -> f64 { 1.0 } }",
    ] {
        assert_eq!(found(text), 0, "{text}");
    }
}
