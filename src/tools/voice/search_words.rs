//! How well a search word matches a text.

/// 2 for the same word, 1 for a prefix. Short words must be equal, so that `man` does not match `Mandarin`. Scripts without
/// spaces between words match anywhere.
pub(super) fn fit(text: &str, word: &str) -> u32 {
    if !word.is_ascii() {
        return u32::from(text.to_lowercase().contains(word));
    }
    let long = word.len() >= 4;
    tokens(text)
        .map(|token| match token {
            token if token == word => 2,
            token if long && token.starts_with(word) => 1,
            _ => 0,
        })
        .max()
        .unwrap_or(0)
}

/// The words of a text or an id in lower case; `CuteGirl` has two.
pub(super) fn tokens(text: &str) -> impl Iterator<Item = String> {
    let mut spaced = String::with_capacity(text.len() + 8);
    let mut low = false;
    for letter in text.chars() {
        if letter.is_uppercase() && low {
            spaced.push(' ');
        }
        low = letter.is_lowercase();
        spaced.push(if letter.is_alphanumeric() { letter } else { ' ' });
    }
    spaced.to_lowercase().split_whitespace().map(str::to_owned).collect::<Vec<_>>().into_iter()
}
