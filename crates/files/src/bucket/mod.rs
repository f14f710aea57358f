//! An S3-compatible bucket for files, instead of a folder.
//!
//! This part knows keys, bytes and parts, but not jobs, callers or media. Only this part uses `object_store`, which
//! signs the requests and retries transient failures.
//!
//! * [`Bucket`]: one request each. Settings say where the bucket is ([`config::bucket_address`](crate::config::bucket_address)).
//! * [`Upload`]: a stream of bytes as one object, in parts that survive a restart.
//! * [`StoredFile`]: an object that is read in pieces, and only if it is unchanged.

mod client;
mod problem;
mod stored;
mod upload;

pub use client::{Bucket, Listed, Object};
pub use problem::BucketProblem;
pub use stored::{StoredFile, StoredReader};
pub use upload::{Checkpoint, PART, TAIL, Upload, Written};
