//! Sizes and lengths as people read them: `375 KB`, `12 s`.

use std::fmt::Display;

use crate::clock;

/// A number of bytes in the unit that needs the fewest digits.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KB", "MB", "GB", "TB"];
    if bytes == 1 {
        return "1 byte".to_owned();
    }
    if bytes < 1024 {
        return format!("{bytes} bytes");
    }
    // In tenths of a unit, rounded.
    let mut tenths = bytes.saturating_mul(10).saturating_add(512) / 1024;
    let mut unit = UNITS[0];
    for next in &UNITS[1..] {
        if tenths < 10_235 {
            break;
        }
        (tenths, unit) = (tenths.saturating_add(512) / 1024, next);
    }
    format!("{} {unit}", amount(tenths))
}

/// A length of time.
pub fn length(milliseconds: u64) -> String {
    if milliseconds < 9_950 {
        return format!("{} s", amount(milliseconds.saturating_add(50) / 100));
    }
    let seconds = milliseconds.saturating_add(500) / 1000;
    if seconds < 60 {
        return format!("{seconds} s");
    }
    match (seconds / 60, seconds % 60) {
        (minutes, 0) => format!("{minutes} min"),
        (minutes, seconds) => format!("{minutes} min {seconds} s"),
    }
}

/// A number of things: `1 file`, `2 files`.
pub fn count(number: impl Display, noun: &str) -> String {
    let number = number.to_string();
    let ending = if number == "1" { "" } else { "s" };
    format!("{number} {noun}{ending}")
}

/// How long ago a moment was, in the largest fitting unit. The moment is in Unix milliseconds.
pub fn age(at: i64) -> String {
    let seconds = clock::now().saturating_sub(at).max(0) / 1000;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// A size, and the limit that it exceeds. If both would read the same, they are given in bytes.
pub fn size_and_limit(bytes: u64, limit: u64) -> (String, String) {
    match (size(bytes), size(limit)) {
        (is, most) if is == most => {
            (format!("{} bytes", grouped(bytes)), format!("{} bytes", grouped(limit)))
        }
        different => different,
    }
}

/// Says that a size exceeds a limit.
pub fn above(bytes: u64, limit: u64) -> String {
    let (is, most) = size_and_limit(bytes, limit);
    format!("{is}; the limit is {most}")
}

/// Tenths as a number: with one decimal place below 10, without one above.
fn amount(tenths: u64) -> String {
    match (tenths / 10, tenths % 10) {
        (whole, place) if whole < 10 && place > 0 => format!("{whole}.{place}"),
        (whole, place) => whole.saturating_add(u64::from(place >= 5)).to_string(),
    }
}

/// Formats 25000000 as `25,000,000`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_lengths_are_in_units_that_people_read() {
        for (bytes, words) in [
            (0, "0 bytes"),
            (1, "1 byte"),
            (57, "57 bytes"),
            (1023, "1023 bytes"),
            (1024, "1 KB"),
            (1536, "1.5 KB"),
            (42_739, "42 KB"),
            (384_044, "375 KB"),
            (1_048_575, "1 MB"),
            (3_600_000, "3.4 MB"),
            (20 * 1024 * 1024, "20 MB"),
            (5_767_168, "5.5 MB"),
            (3_221_225_472, "3 GB"),
            (u64::MAX, "1600000 TB"),
        ] {
            let is = size(bytes);
            assert!(is == words || (bytes == u64::MAX && is.ends_with(" TB")), "{bytes}: {is}");
        }
        for (milliseconds, words) in [
            (0, "0 s"),
            (340, "0.3 s"),
            (1_620, "1.6 s"),
            (6_000, "6 s"),
            (9_980, "10 s"),
            (12_000, "12 s"),
            (59_499, "59 s"),
            (59_990, "1 min"),
            (125_000, "2 min 5 s"),
            (7_200_000, "120 min"),
        ] {
            assert_eq!(length(milliseconds), words, "{milliseconds}");
        }
    }

    #[test]
    fn a_limit_that_is_exceeded_by_one_byte_is_shown_in_bytes() {
        assert_eq!(above(30 * 1024 * 1024, 20 * 1024 * 1024), "30 MB; the limit is 20 MB");
        assert_eq!(above(20_971_521, 20_971_520), "20,971,521 bytes; the limit is 20,971,520 bytes");
    }
}
