//! The only test binary, with one module for each subject.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::needless_pass_by_value,
    clippy::default_trait_access,
    clippy::similar_names,
    reason = "clippy's own exceptions do not cover helpers of tests, and a test may block its own thread"
)]

// A sandbox, a server that uses it and a client in one process, and the real program as a child.
mod harness;
mod http;
mod http_attack;
mod http_batch;
mod http_browser;
mod http_cancel;
mod http_choice;
mod http_files;
mod http_fuzz;
mod http_messages;
mod http_protocol;
mod http_refusals;
mod http_replicas;
mod http_uploads;
// HTTP callers: tokens, an identity provider, and the limits of each caller.
mod http_access;

// The import rule, and a check that no file of this folder is left out.
mod architecture;
// PostgreSQL and S3 for tests, and several servers with them.
mod bucket;
mod bucket_fleet;
mod bucket_removal;
mod fleet;
mod fleet_clocks;
mod fleet_late;
mod fleet_leases;
mod fleet_limits;
mod fleet_plans;
mod fleet_requests;
mod postgres;
mod s3;
// The catalogue as clients see it.
mod catalogue;
// README, the pages in docs, their tables, ratios and translations, the workflows and the licences of dependencies.
mod benchmarks;
mod chinese_pages;
mod front_page;
mod gallery;
mod gallery_acts;
mod gallery_attack;
mod gallery_command;
mod gallery_pictures;
mod gallery_sorting;
mod parameters;
mod plain_english;
mod readme;
mod third_party;
mod troubleshooting;
mod workflows;
// The example of a client configuration.
mod example_config;
// The pages about deployment and the files that they mention.
mod deployment;
mod described_rules;
mod descriptions;
// Files, links and folders.
mod media;
// Files with secrets, which must never be sent.
mod secrets;
mod uploads;
// HTTP callers with their own keys, and callers who disconnect.
mod blank_texts;
mod buy_again;
mod callers;
mod cancellation;
mod endings;
mod leaving;
mod next_steps;
// Several callers of one account, and their files, tasks and voices at MiniMax.
mod ownership;
mod packages;
// One module for each tool, tested through client, server and sandbox.
mod chat;
mod chat_budget;
mod image;
mod image_preview;
mod model_names;
mod music;
mod speak;
mod speech;
mod speech_long;
mod speech_stream;
mod subtitles;
mod syncs;
mod tasks;
mod template;
mod transcription;
mod video;
mod video_extras;
mod voice;
mod voice_list;
// Files at MiniMax: upload and download.
mod file;
// The key, its plan and its balance.
mod account;
mod two_keys;
// Images for a model to see: the client's model, and MiniMax's.
mod limits;
mod log_in_links;
mod look;
// Search and embeddings.
mod error_kinds;
mod resources;
mod results;
mod retention;
mod search;
// The models and their allowed values.
mod models;
// Every MiniMax endpoint and the tool that uses it.
mod coverage;
// The overlay: facts that the user adds or replaces.
mod facts_file;
// A gateway in front of MiniMax.
mod gateway;
// Budgets, the ledger and consent.
mod consent;
mod money;
// Jobs that outlive calls and processes.
mod jobs;
// The program killed at crash points and at random times, and several programs on one folder.
mod crash;
mod crash_matrix;
mod crash_orders;
mod crash_promises;
mod crash_random;
mod crash_several;
// Databases and folders that are damaged, full, read-only or locked, and a clock that is set.
mod clock;
mod data_folder;
mod endurance;
mod storage;
// Records from another version of the program, also while that version runs.
mod versions;
// The spool: updates that could not be written at once.
mod unwritten;
// Forged files in places where the program could take them for its own.
mod forged;
// A simulated day of the whole server, in minutes.
mod a_day;
// Downloads of results over bad connections.
mod delivery;
// Files of the project that the client works in.
mod project_folder;
// Rate limits: those of the table, and those learned from throttled requests.
mod rate_limit;
// Faults, and what the caller is told.
mod faults;
// Every error code and envelope of MiniMax, and its consequences.
mod codes;
// Every rule that is checked before a request is sent.
mod rules;
// Metrics, log lines and traces, for the operator.
mod observe;
mod odd_answers;
mod odd_calls;
mod odd_paid_answers;
// Several jobs in one call.
mod several_jobs;
// The prompts, played to the calls that they lead to.
mod prompts;
// The page of results in the chats of hosts with MCP Apps.
mod viewer;
// The message about a job that ended.
mod webhook;
// What clients of several kinds show their models.
mod what_models_see;
// What goes over the wire, by protocol revision.
mod wire;
// The wishes in bench/wishes, which measure how well a model uses the tools.
mod wishes;
// What the doctor finds.
mod doctor;
#[cfg(target_os = "linux")]
mod doctor_entries;
#[cfg(target_os = "linux")]
mod doctor_fetchers;
// A key file whose key is replaced.
#[cfg(unix)]
mod doctor_states;
mod home;
mod key_file;
#[cfg(target_os = "linux")]
mod keyring;
mod login;
// Wrong settings, placeholders, misspelt names, and the command line.
mod settings;
mod setup;
#[cfg(unix)]
mod setup_files;
mod setup_remove;
#[cfg(target_os = "linux")]
mod setup_terminal;
// The protocol on stdin and stdout, byte by byte.
mod serve_start;
// The tools as commands.
mod protocol_corners;
mod shell;
mod stdio;
mod stdio_batch;
mod stdio_lines;
mod stdio_start;
