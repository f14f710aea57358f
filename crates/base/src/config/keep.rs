//! Settings for the retention of ended jobs.

use std::time::Duration;

use bytesize::ByteSize;

use super::reader::Reader;

/// The longest time that can be set: a hundred years.
const MOST_DAYS: u64 = 36_500;

/// The smallest limit of bytes. A smaller one is probably a number without its unit, and would remove almost everything.
const LEAST_BYTES: u64 = 1_000_000;

/// What is kept of ended jobs. By default everything.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KeepSettings {
    /// How long they are kept.
    pub age: Option<Duration>,
    /// How many bytes their files in the base folder may have together.
    pub bytes: Option<u64>,
    /// If true, files stay when their records are removed.
    pub files: bool,
}

impl<L: Fn(&str) -> Option<String>> Reader<L> {
    /// Reads the settings. An illegal value removes nothing, because a deletion cannot be undone.
    pub(super) fn keep(&mut self) -> KeepSettings {
        let (days, bytes) = ("MINIMAX_KEEP_DAYS", "MINIMAX_KEEP_BYTES");
        let age = self.get(days).map(|value| read_days(&value));
        let age = age.and_then(|age| age.map_err(|problem| self.problem(days, problem)).ok()).flatten();
        let most = self.get(bytes).map(|value| read_bytes(&value));
        let most = most.and_then(|most| most.map_err(|problem| self.problem(bytes, problem)).ok()).flatten();
        let files = self.flag("MINIMAX_KEEP_FILES");
        if files && most.is_some() {
            let warning = "MINIMAX_KEEP_BYTES has no effect, because MINIMAX_KEEP_FILES keeps all files";
            self.warnings.push(warning.to_owned());
        }
        KeepSettings { age, bytes: most, files }
    }
}

/// Reads a number of days; `None` for no limit. The error is a sentence without a subject.
pub fn read_days(value: &str) -> Result<Option<Duration>, String> {
    match value.trim().parse::<u64>() {
        Ok(0) => Ok(None),
        Ok(days @ 1..=MOST_DAYS) => Ok(Some(Duration::from_hours(days.saturating_mul(24)))),
        _ => Err(format!("is `{value}`; must be a whole number of days, 0 to {MOST_DAYS} (0 keeps all)")),
    }
}

/// Reads a limit of bytes; `None` for none. The error is a sentence without a subject.
pub fn read_bytes(value: &str) -> Result<Option<u64>, String> {
    match value.trim().parse::<ByteSize>() {
        Ok(ByteSize(0)) => Ok(None),
        Ok(ByteSize(bytes)) if bytes >= LEAST_BYTES && i64::try_from(bytes).is_ok() => Ok(Some(bytes)),
        _ => {
            Err(format!("is `{value}`; must be a size such as `500MB` or `20GB`, at least 1MB (0 keeps all)"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> (KeepSettings, usize, usize) {
        let lookup =
            |name: &str| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        let mut reader = Reader::new(lookup);
        let keep = reader.keep();
        (keep, reader.problems.len(), reader.warnings.len())
    }

    #[test]
    fn everything_is_kept_unless_a_setting_says_otherwise() {
        assert_eq!(read(&[]), (KeepSettings::default(), 0, 0));
        for (value, days) in [("1", Some(1)), ("36500", Some(36_500)), ("0", None)] {
            let (keep, problems, _) = read(&[("MINIMAX_KEEP_DAYS", value)]);
            let age = days.map(|days| Duration::from_hours(days * 24));
            assert_eq!((keep.age, keep.bytes, problems), (age, None, 0), "{value}");
        }
        for (value, bytes) in [
            ("0", None),
            ("1MB", Some(1_000_000)),
            ("20 GB", Some(20_000_000_000)),
            ("1.5GiB", Some(1_610_612_736)),
            ("5000000", Some(5_000_000)),
        ] {
            let (keep, problems, _) = read(&[("MINIMAX_KEEP_BYTES", value)]);
            assert_eq!((keep.age, keep.bytes, problems), (None, bytes, 0), "{value}");
        }
    }

    #[test]
    fn an_illegal_limit_removes_nothing() {
        for (name, value) in [
            ("MINIMAX_KEEP_DAYS", "-1"),
            ("MINIMAX_KEEP_DAYS", "36501"),
            ("MINIMAX_KEEP_DAYS", "1.5"),
            ("MINIMAX_KEEP_DAYS", "a month"),
            ("MINIMAX_KEEP_BYTES", "20"),
            ("MINIMAX_KEEP_BYTES", "999KB"),
            ("MINIMAX_KEEP_BYTES", "-5GB"),
            ("MINIMAX_KEEP_BYTES", "lots"),
            ("MINIMAX_KEEP_BYTES", "1e30GB"),
            ("MINIMAX_KEEP_BYTES", "NaN GB"),
        ] {
            let (keep, problems, _) = read(&[(name, value)]);
            assert_eq!((keep.age, keep.bytes, problems), (None, None, 1), "{name}={value}");
        }
    }

    #[test]
    fn a_limit_that_has_no_effect_is_named() {
        let (keep, problems, warnings) =
            read(&[("MINIMAX_KEEP_BYTES", "20GB"), ("MINIMAX_KEEP_FILES", "true")]);
        assert_eq!((keep.files, problems, warnings), (true, 0, 1));
    }
}
