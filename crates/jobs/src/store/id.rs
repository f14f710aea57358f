//! Ids of rows.

use crate::clock::now;

/// An id that cannot be guessed: 128 random bits behind a word for its kind.
pub fn random_id(word: &str) -> String {
    let mut bits = [0_u8; 16];
    // Without randomness from the system no id is safe; the time at least keeps ids apart.
    if getrandom::fill(&mut bits).is_err() {
        bits = u128::try_from(now()).unwrap_or_default().to_be_bytes();
    }
    format!("{word}-{}", data_encoding::BASE32_NOPAD.encode(&bits).to_lowercase())
}
