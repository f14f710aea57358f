//! The result of an inspection of the records.

/// What is in the records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// How many jobs there are.
    pub jobs: i64,
    /// How many of them have not ended.
    pub open: i64,
    /// How many have an unknown outcome.
    pub unknown: i64,
    /// The size of the database, in bytes.
    pub bytes: u64,
    /// If true, the next start migrates the database.
    pub is_older: bool,
}
