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

// The first line of each file says what it tests, or what it has for the others.
// Modules: `just modules` writes these lines.
mod a_day;
mod account;
mod architecture;
mod benchmarks;
mod blank_texts;
mod bucket;
mod bucket_fleet;
mod bucket_removal;
mod buy_again;
mod callers;
mod cancellation;
mod catalogue;
mod chat;
mod chat_budget;
mod chinese_pages;
mod clock;
mod codes;
mod consent;
mod coverage;
mod crash;
mod crash_matrix;
mod crash_orders;
mod crash_promises;
mod crash_random;
mod crash_several;
mod data_folder;
mod delivery;
mod deployment;
mod described_rules;
mod descriptions;
mod doctor;
#[cfg(target_os = "linux")]
mod doctor_entries;
#[cfg(target_os = "linux")]
mod doctor_fetchers;
#[cfg(unix)]
mod doctor_states;
mod endings;
mod endurance;
mod error_kinds;
mod example_config;
mod facts_file;
mod faults;
mod file;
mod fleet;
mod fleet_clocks;
mod fleet_late;
mod fleet_leases;
mod fleet_limits;
mod fleet_plans;
mod fleet_requests;
mod forged;
mod front_page;
mod gallery;
mod gallery_acts;
mod gallery_attack;
mod gallery_command;
mod gallery_pictures;
mod gallery_sorting;
mod gateway;
mod generated;
mod harness;
mod home;
mod http;
mod http_access;
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
mod image;
mod image_preview;
mod jobs;
mod key_file;
#[cfg(target_os = "linux")]
mod keyring;
mod leaving;
mod limits;
mod log_in_links;
mod login;
mod look;
mod media;
mod model_names;
mod models;
mod money;
mod music;
mod next_steps;
mod observe;
mod odd_answers;
mod odd_calls;
mod odd_paid_answers;
mod ownership;
mod packages;
mod parameters;
mod plain_english;
mod postgres;
mod project_folder;
mod prompts;
mod protocol_corners;
mod rate_limit;
mod readme;
mod resources;
mod results;
mod retention;
mod rules;
mod s3;
mod search;
mod secrets;
mod serve_start;
mod settings;
mod setup;
#[cfg(unix)]
mod setup_files;
mod setup_remove;
#[cfg(target_os = "linux")]
mod setup_terminal;
mod several_jobs;
mod shell;
mod speak;
mod speech;
mod speech_long;
mod speech_stream;
mod stdio;
mod stdio_batch;
mod stdio_lines;
mod stdio_start;
mod storage;
mod subtitles;
mod syncs;
mod tasks;
mod template;
mod third_party;
mod transcription;
mod troubleshooting;
mod two_keys;
mod unwritten;
mod uploads;
mod versions;
mod video;
mod video_extras;
mod viewer;
mod voice;
mod voice_list;
mod webhook;
mod what_models_see;
mod wire;
mod wishes;
mod workflows;
// End of the modules.
