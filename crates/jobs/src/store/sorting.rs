//! How a list of jobs is sorted.

/// How a list is sorted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Sorting {
    /// The newest first.
    #[default]
    Newest,
    /// The oldest first.
    Oldest,
    /// The highest price first, grouped by currency.
    Priciest,
    /// The longest sound or video first.
    Longest,
    /// The largest files first.
    Largest,
}

impl Sorting {
    /// The column that it sorts by. Each has an index with the principal before it.
    pub(super) fn column(self) -> &'static str {
        match self {
            Self::Newest | Self::Oldest => "created_at",
            Self::Priciest => "price",
            Self::Longest => "length",
            Self::Largest => "bytes",
        }
    }
}
