//! How a list of jobs is sorted.

/// How a list is sorted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Sorting {
    /// The newest first.
    #[default]
    Newest,
    /// The oldest first.
    Oldest,
    /// The highest price first, one currency after the other.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::database::Store;
    use crate::store::sql::query;

    #[tokio::test]
    async fn every_sorting_of_the_gallery_reads_an_index() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), "me".to_owned()).await.unwrap();
        for (sorting, index) in [
            (Sorting::Priciest, "jobs_by_price"),
            (Sorting::Longest, "jobs_by_length"),
            (Sorting::Largest, "jobs_by_size"),
        ] {
            let column = sorting.column();
            for after in [String::new(), format!(" AND ({column}, id) < (5, 'x')")] {
                let sql = format!(
                    "EXPLAIN QUERY PLAN SELECT id FROM jobs WHERE principal = 'p'{after}
                     ORDER BY {column} DESC, id DESC LIMIT 61"
                );
                let rows = query(sql).fetch_all(store.readers()).await.unwrap();
                let plan: Vec<String> = rows.iter().map(|row| row.try_get("detail").unwrap()).collect();
                let plan = plan.join("; ");
                assert!(plan.contains(index) && !plan.contains("TEMP B-TREE"), "{column}: {plan}");
            }
        }
    }
}
