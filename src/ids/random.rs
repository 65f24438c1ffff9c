//! Random numbers from a seed, and the base-62 text of a number.

use std::hash::Hasher as _;

use siphasher::sip128::{Hasher128 as _, SipHasher24};

/// Repeatable random numbers, derived from a seed and an account by keyed hashing.
#[derive(Debug, Clone, Copy)]
pub struct SeededRandom {
    seed: u64,
    account: u64,
}

impl SeededRandom {
    pub fn new(seed: u64, account: &str) -> Self {
        let mut hasher = SipHasher24::new_with_keys(seed, 0);
        hasher.write(account.as_bytes());
        Self { seed, account: hasher.finish128().h1 }
    }

    /// Number `ordinal` of the series `label`.
    pub fn number(&self, label: &str, ordinal: u64) -> u128 {
        let mut hasher = SipHasher24::new_with_keys(self.seed, self.account);
        hasher.write(label.as_bytes());
        hasher.write_u8(0);
        hasher.write(&ordinal.to_le_bytes());
        hasher.finish128().as_u128()
    }

    /// Number `ordinal` of the series `label`, uniform in `0..=max`.
    #[expect(clippy::expect_used, reason = "the remainder is at most `max`")]
    pub fn up_to(&self, max: u64, label: &str, ordinal: u64) -> u64 {
        let range = u128::from(max) + 1;
        u64::try_from(self.number(label, ordinal) % range).expect("it is at most `max`")
    }
}

/// An unpredictable seed, for servers started without `--seed`.
#[expect(clippy::disallowed_methods, reason = "the only source of unpredictable numbers")]
pub fn random_seed() -> u64 {
    let (high, low) = uuid::Uuid::new_v4().as_u64_pair();
    high ^ low.rotate_left(1)
}

/// `prefix` and 20 base-62 characters: 119 of the 128 bits of `number`.
#[expect(clippy::expect_used, reason = "remainders of 62 to the 10 and of 62 are small enough")]
pub(super) fn in_base62(prefix: &str, number: u128) -> String {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    const HALF: usize = 10;
    // Half of the digits fit into 64 bits, which divide many times faster than 128 bits.
    const HALF_RANGE: u128 = 62_u128.pow(10);
    let mut text = String::with_capacity(prefix.len() + 2 * HALF);
    text.push_str(prefix);
    for half in [number % HALF_RANGE, number / HALF_RANGE % HALF_RANGE] {
        let mut rest = u64::try_from(half).expect("62 to the 10 fits into 64 bits");
        for _ in 0..HALF {
            let digit = usize::try_from(rest % 62).expect("62 fits into usize");
            rest /= 62;
            text.push(char::from(*DIGITS.get(digit).expect("there are 62 digits")));
        }
    }
    text
}
