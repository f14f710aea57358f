//! The only test binary: one module a subject.
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

// A sandbox, a server in front of it and a client, in one process; and the real program as a child.
mod harness;
mod http;
mod http_attack;
mod http_files;
mod http_protocol;
mod http_uploads;
// Who is let in over HTTP, by a token or an identity provider, and what they may use up.
mod http_access;

// The import rule, and that no file of this folder is forgotten.
mod architecture;
// The catalogue as clients see it.
mod catalogue;
// README, the pages in docs and their tables.
mod readme;
// The example of a client's configuration.
mod example_config;
// The pages about running it, and the files they speak of.
mod deployment;
// Files, links and folders.
mod media;
// Files that were never meant to leave.
mod secrets;
mod uploads;
// Callers over HTTP who bring keys of their own, and those who leave.
mod callers;
mod leaving;
// Several callers of one account, and what MiniMax keeps for each.
mod ownership;
// One tool each, through client, server and sandbox.
mod chat;
mod image;
mod music;
mod speak;
mod speech;
mod speech_long;
mod speech_stream;
mod subtitles;
mod tasks;
mod template;
mod transcription;
mod video;
mod video_extras;
mod voice;
mod voice_list;
// Files at MiniMax, on their way there and back.
mod file;
// What the key is and what is left on it.
mod account;
// Images before the eyes of a model: ours, and MiniMax's.
mod limits;
mod look;
// Search and embeddings.
mod resources;
mod search;
// The models and their legal values.
mod models;
// Every endpoint of MiniMax, and the tool that reaches it.
mod coverage;
// Rows of the user's over the tables.
mod facts_file;
// What is spent, and who may say yes to it.
mod consent;
mod money;
// Jobs that outlive calls and processes.
mod jobs;
// The program killed at chosen points and at any time, and several programs on one folder.
mod crash;
mod crash_matrix;
mod crash_orders;
mod crash_promises;
mod crash_random;
mod crash_several;
// Records and folders that are damaged, full, read-only, held by others or of another time.
mod clock;
mod data_folder;
mod endurance;
mod storage;
// Records that another version of the program has written, or writes at the same time.
mod versions;
// What could not be written at once.
mod unwritten;
// Files that somebody has put where the program could take them for its own.
mod forged;
// A day of the whole server, in minutes.
mod a_day;
// Results on their way here, over bad roads.
mod delivery;
// Limits that are kept, and those that refusals teach.
mod rate_limit;
// What went wrong, and what the caller is told.
mod faults;
// Every code and envelope of MiniMax's, and what follows from it.
mod codes;
// Every rule that is checked before anything is sent.
mod rules;
// Figures, log lines and traces, for those who run the server.
mod observe;
// The protocol on stdin and stdout, byte by byte.
mod stdio;
mod stdio_start;
