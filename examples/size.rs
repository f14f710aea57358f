//! Sizes.
#![allow(clippy::all, clippy::pedantic, clippy::print_stdout)]
fn main() {
    let mut all = 0;
    for t in minimax_mcp::tools::Server::catalogue() {
        let s = serde_json::to_string(&t.input_schema).unwrap();
        let n = t.name.len() + t.description.unwrap().len() + s.len();
        all += n;
        println!("{n:6} {}", t.name);
        if std::env::args().nth(1).as_deref() == Some(&*t.name) {
            println!("{s}");
        }
    }
    println!("{all:6} all");
}
