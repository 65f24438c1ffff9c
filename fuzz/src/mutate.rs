//! Generates inputs from the corpus. Input `n` depends only on seed, corpus and dictionary, so that it can
//! be generated without the inputs before it.

use std::ops::Range;

use fastrand::Rng;

/// Maximum size of an input in bytes. The soak sends bodies of 10 MiB.
pub const LARGEST: usize = 64 * 1024;

/// Boundary values of common number types and limits.
const NUMBERS: [&str; 14] = [
    "0",
    "-1",
    "1",
    "18",
    "100",
    "101",
    "1000",
    "1e2",
    "1.10",
    "9007199254740993",
    "9223372036854775808",
    "18446744073709551616",
    "1e400",
    "-0",
];
/// Bytes and characters that are rare in text.
const ODD: [&[u8]; 10] = [
    b"\0",
    b"\r\n",
    b"\t",
    b"\xff",
    b"\xc3",
    b"\xed\xa0\x80",
    "\u{feff}".as_bytes(),
    "\u{1f600}".as_bytes(),
    "\u{202e}".as_bytes(),
    b"\\ud800",
];

/// The inputs of a target.
#[derive(Debug)]
pub struct Inputs {
    seed: u64,
    corpus: Vec<Vec<u8>>,
    dictionary: &'static [&'static str],
}

impl Inputs {
    /// The inputs that `seed` generates from `corpus`.
    pub fn new(seed: u64, corpus: Vec<Vec<u8>>, dictionary: &'static [&'static str]) -> Self {
        Self { seed, corpus, dictionary }
    }

    /// Input `number`: first the corpus unchanged, then mutated.
    pub fn input(&self, number: u64) -> Vec<u8> {
        let entry = usize::try_from(number).ok().and_then(|number| self.corpus.get(number));
        if let Some(entry) = entry {
            return entry.clone();
        }
        let mut rng = Rng::with_seed(self.seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut input = rng.choice(&self.corpus).cloned().unwrap_or_default();
        for _ in 0..=rng.u32(0..5) {
            self.change(&mut input, &mut rng);
            input.truncate(LARGEST);
        }
        input
    }

    fn change(&self, input: &mut Vec<u8>, rng: &mut Rng) {
        match rng.u8(0..10) {
            0 => {
                if let Some(byte) = rng.choice(input.iter_mut()) {
                    *byte ^= 1 << rng.u8(0..8);
                }
            }
            1 => drop(input.drain(piece(input.len(), rng))),
            2 => input.truncate(rng.usize(0..=input.len())),
            3 | 4 => {
                let piece = input.get(piece(input.len(), rng)).unwrap_or_default().to_vec();
                insert(input, &piece, often(rng), rng);
            }
            5 | 6 => {
                let word = rng.choice(self.dictionary).copied().unwrap_or_default();
                insert(input, word.as_bytes(), often(rng), rng);
            }
            7 => {
                let odd = rng.choice(ODD).unwrap_or_default();
                insert(input, odd, 1, rng);
            }
            8 => replace_number(input, rng),
            _ => {
                let other = rng.choice(&self.corpus).map(Vec::as_slice).unwrap_or_default();
                let other = other.get(piece(other.len(), rng)).unwrap_or_default();
                let replaced = piece(input.len(), rng);
                input.splice(replaced, other.iter().copied());
            }
        }
    }
}

/// Number of repetitions of an insertion: mostly one, sometimes thousands.
fn often(rng: &mut Rng) -> usize {
    if rng.u8(0..4) > 0 { 1 } else { 1 << rng.u32(1..15) }
}

/// Inserts `piece` `times` times at a random position, within the maximum size.
fn insert(input: &mut Vec<u8>, piece: &[u8], times: usize, rng: &mut Rng) {
    let room = LARGEST.saturating_sub(input.len()) / piece.len().max(1);
    let at = rng.usize(0..=input.len());
    input.splice(at..at, piece.repeat(times.min(room)));
}

/// A random range within `len` bytes, preferring short ones.
fn piece(len: usize, rng: &mut Rng) -> Range<usize> {
    let start = rng.usize(0..=len);
    let longest = if rng.bool() { 8 } else { len };
    start..start + rng.usize(0..=longest.min(len - start))
}

/// Replaces a number with another one.
fn replace_number(input: &mut Vec<u8>, rng: &mut Rng) {
    let from = rng.usize(0..=input.len());
    let digit = |byte: &u8| byte.is_ascii_digit();
    let Some(start) = input.iter().skip(from).position(digit).map(|at| from + at) else { return };
    let digits = input.iter().skip(start).take_while(|byte| digit(byte)).count();
    let number = rng.choice(NUMBERS).unwrap_or_default();
    input.splice(start..start + digits, number.bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs(seed: u64) -> Inputs {
        Inputs::new(seed, vec![b"{\"page\": 12}".to_vec(), b"hello".to_vec()], &["{{", "}}"])
    }

    #[test]
    fn the_same_seed_makes_the_same_inputs_in_any_order() {
        let (once, again) = (inputs(7), inputs(7));
        let forward: Vec<_> = (0..500).map(|number| once.input(number)).collect();
        let mut backward: Vec<_> = (0..500).rev().map(|number| again.input(number)).collect();
        backward.reverse();
        assert_eq!(forward, backward);
        assert_ne!(forward, (0..500).map(|number| inputs(8).input(number)).collect::<Vec<_>>());
    }

    #[test]
    fn inputs_begin_with_the_corpus_and_stay_within_their_size() {
        let inputs = inputs(1);
        assert_eq!(inputs.input(1), b"hello");
        let sizes: Vec<usize> = (2..2000).map(|number| inputs.input(number).len()).collect();
        assert!(sizes.iter().all(|size| *size <= LARGEST));
        assert!(sizes.iter().any(|size| *size > 10_000), "some are long");
    }
}
