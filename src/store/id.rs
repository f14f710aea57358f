//! Ids of rows.

use crate::clock::now;

/// A name that cannot be guessed: 128 random bits behind a word that says what it is.
pub fn random_id(word: &str) -> String {
    let mut bits = [0_u8; 16];
    // Without randomness from the system there is no safe name; the time at least keeps names apart.
    if getrandom::fill(&mut bits).is_err() {
        bits = u128::try_from(now()).unwrap_or_default().to_be_bytes();
    }
    format!("{word}-{}", data_encoding::BASE32_NOPAD.encode(&bits).to_lowercase())
}
