//! Random ids in the forms that MiniMax uses.

use crate::engine::clock::now;

/// A random id with exactly this many digits (1 to 18). MiniMax's own ids can have 17 or more digits, which a
/// floating-point number cannot hold; clients must cope with that.
pub(crate) fn new_id(digits: u32) -> i64 {
    let floor = 10_u64.saturating_pow(digits.saturating_sub(1));
    let random = getrandom::u64().unwrap_or_else(|_| now().subsec_nanos().into());
    // Adding at most 8 * floor keeps the first digit at 8 or below, so the sum never gains a digit.
    i64::try_from(floor + random % floor.saturating_mul(8)).unwrap_or(i64::MAX)
}

/// 32 random lower-case hex digits, the form of MiniMax's trace and request ids.
pub(crate) fn new_token() -> String {
    let mut bytes = [0_u8; 16];
    if getrandom::fill(&mut bytes).is_err() {
        bytes = now().as_nanos().to_le_bytes();
    }
    data_encoding::HEXLOWER.encode(&bytes)
}
