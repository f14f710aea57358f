//! An S3-compatible bucket for files, in place of a folder.
//!
//! This module knows keys, bytes and parts, and nothing of jobs, callers or media. Only it uses `object_store`, which signs the
//! requests and repeats those that a server has to be asked twice.
//!
//! * [`Address`]: where the bucket is and who asks. [`Bucket`]: one request each.
//! * [`Upload`]: a stream of bytes as one object, in parts that survive a restart.
//! * [`StoredFile`]: an object that is read in pieces, as it was written or not at all.

mod address;
mod client;
mod problem;
mod stored;
mod upload;

pub use address::{Address, Credentials};
pub use client::{Bucket, Listed, Object};
pub use problem::BucketProblem;
pub use stored::{StoredFile, StoredReader};
pub use upload::{Checkpoint, PART, TAIL, Upload, Written};
