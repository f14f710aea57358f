//! JSON inside a text argument, as some models write lists and objects.

use serde_json::Value;

/// The most values that are parsed. In memory, a value takes many times its text: the two bytes of `0,` become about
/// thirty.
const VALUES: usize = 50_000;

/// Parses a text; `None` if it is not JSON, or has too many values for an argument.
pub fn read(text: &str) -> Option<Value> {
    let starts = text.trim_start().starts_with(['[', '{']);
    (starts && values(text) <= VALUES).then(|| serde_json::from_str(text).ok()).flatten()
}

/// An upper bound of the number of values: each follows a comma, a colon or a bracket.
fn values(text: &str) -> usize {
    let (mut inside, mut escaped, mut count) = (false, false, 0_usize);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if inside => escaped = true,
            b'"' => inside = !inside,
            b',' | b':' | b'[' | b'{' if !inside => count = count.saturating_add(1),
            _ => {}
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_text_with_too_many_values_is_not_parsed() {
        assert_eq!(read(r#" [{"a": "x,[{:\",,"}, 1]"#), Some(json!([{ "a": "x,[{:\",," }, 1])));
        assert_eq!(values(r#"["x,[{:\",,"]"#), 1);
        let list = |count: usize| format!("[{}0]", "0,".repeat(count));
        assert!(read(&list(VALUES - 2)).is_some());
        assert!(read(&list(VALUES)).is_none());
        assert_eq!(read("[1"), None);
        assert_eq!(read("words"), None);
    }
}
