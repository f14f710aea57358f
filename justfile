# Every command of the repository by name: `just` lists them. Each line also runs by itself, without just.

# Lists the commands.
default:
    @just --list --unsorted

# The whole suite, or the tests with one of these words in their names: no network, no key.
test *words:
    cargo test -- {{words}}

# What lands has passed this.
ci:
    .ci/run

# Formatter, lints and doc comments.
lint:
    cargo fmt --all --check
    cargo clippy --all-targets --locked -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --locked --quiet

# Spelling. `pip install typos` or `cargo install typos-cli` brings it.
spell:
    typos

# Writes the lines that name files: modules, toolboxes and routes.
modules:
    UPDATE=1 cargo test --test it -- the_lines_that_name_files_match_the_folders

# Writes those lines, the generated tables in docs, and the list of tools that clients see.
tables: modules
    UPDATE=1 cargo test --test it -- the_list_is_what_the_code_makes the_tables_of_the_pages_match the_page_equals_the_tables

# The picture of the demo on the front page. `pip install rich==15.0.0` brings what it needs.
picture:
    cargo build
    python3 docs/demo.py target/debug/minimax-mcp

# The licence texts of the libraries in the programs. `cargo install cargo-about --features cli` brings it.
licences:
    cargo fetch --locked
    cargo about generate --offline --locked about.hbs --output-file THIRD-PARTY.md

# Shows each changed snapshot and asks. `cargo install cargo-insta` brings it.
snapshots:
    cargo insta test --review

# The demo: three results in a folder, without a key.
demo:
    cargo demo

# The simulator of MiniMax alone, for a client or a test of your own.
sandbox port="9000":
    cargo run -- sandbox --port {{port}}

# The packages' build: slower to compile, smaller and faster.
dist:
    cargo build --profile dist --locked

# The tests that take minutes: crashes, faults, storage, memory, a day on a fast clock.
long:
    cargo test --test it -- --ignored --nocapture crash_matrix crash_random crash_several
    cargo test --test it -- --ignored --nocapture faults::matrix storage a_day crowd

# The quick crash tests with PostgreSQL in place of SQLite. `just crashes-on-postgres --ignored` runs the long ones.
crashes-on-postgres *flags:
    MINIMAX_TEST_STORE=postgres cargo test --test it crash -- --nocapture {{flags}}

# Every tool killed at every crash point.
crash-matrix:
    cargo test --test it crash_matrix -- --ignored --nocapture

# Three hundred deaths at random moments.
crash-random:
    cargo test --test it crash_random -- --ignored --nocapture

# Three servers, two hundred jobs, ten deaths.
crash-several:
    cargo test --test it crash_several -- --ignored --nocapture

# A gibibyte by a job, with the memory that it takes.
memory:
    cargo test --test it a_gibibyte -- --ignored --nocapture

# A thousand jobs in flight.
load:
    python3 bench/load.py

# The release build beside three other servers, and what a call costs as the work grows: docs/benchmarks.md. Needs Node.js 20.
benchmarks:
    cargo build --release --locked
    python3 bench/peers.py
    python3 bench/growth.py

# The workflows of .github. `pip install zizmor` brings it.
workflows:
    zizmor --offline .github

# The wishes: the right answers of all, or what a model makes of them with `just wishes --base-url URL --model NAME`.
wishes *options="--right":
    cargo build
    python3 bench/wishes/run.py --program target/debug/minimax-mcp {{options}}

# Real clients from the package registries: libraries, the conformance suite, the official packages. Needs Python 3.10.
clients:
    python3 tests/clients/matrix.py
    python3 tests/clients/conformance.py
    python3 tests/clients/viewer.py
    python3 tests/clients/gallery.py
    python3 tests/clients/packages.py
    python3 tests/clients/check.py
    python3 tests/clients/hosts.py
    python3 tests/clients/setup.py
    python3 tests/clients/first_hour.py

# One fuzz target for some seconds: answer, stream, arguments, archive, media. Needs nightly and `cargo install cargo-fuzz`.
fuzz target seconds="240":
    cargo +nightly fuzz run {{target}} -- -max_total_time={{seconds}} {{ if target == "arguments" { "-max_len=2000" } else if target == "archive" { "-max_len=16384" } else { "" } }}

# Licences, sources and known vulnerabilities. `cargo install cargo-deny` brings it.
deny:
    cargo deny --locked check
