//! Byte-pair merging: starts with single bytes and repeatedly joins the two neighbours whose union
//! has the lowest rank (the leftmost of equals), until no union is a token.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::iter::successors;

use super::vocabulary;

/// Bytes of a piece that are merged at a time. Words are far shorter. It bounds the memory to about
/// 2 MB and keeps very long runs of one character in the processor's cache.
const WINDOW: usize = 1 << 16;

/// Merges pieces, reusing its buffers from one piece to the next.
#[derive(Default)]
pub(super) struct Merger {
    /// Indexed by the byte where the part begins. Parts joined to an earlier one stay unused.
    parts: Vec<Part>,
    /// Rank of the union of two neighbours, and where it begins. An entry is stale if its rank
    /// differs from that part's `union`; removing it from the heap would cost more than skipping.
    queue: BinaryHeap<Reverse<(u32, u32)>>,
}

/// Neighbouring bytes of the piece that form a token. `u32` halves the memory of long pieces.
#[derive(Clone, Copy)]
struct Part {
    /// Where the previous part begins.
    previous: u32,
    /// Where the next part begins.
    end: u32,
    /// Rank of the union with the next part, if that union is a token.
    union: Option<u32>,
}

impl Merger {
    /// Number of tokens in `piece`, of any length.
    pub(super) fn count(&mut self, piece: &[u8]) -> u64 {
        self.count_in_windows(piece, WINDOW).unwrap_or_else(|| {
            self.merge(piece);
            self.ends().map(|_| 1).sum()
        })
    }

    /// Number of tokens in `piece`, merging at most `window` bytes at a time; `None` if two windows
    /// do not fit together.
    ///
    /// Two windows fit if the last token of one is the first of the next: then their tokens are
    /// the tokens of the whole (corollary III in the documentation of the crate `bpe`).
    pub(super) fn count_in_windows(&mut self, piece: &[u8], window: usize) -> Option<u64> {
        let mut tokens = 0;
        // The token that two windows share.
        let mut common = 0..0;
        loop {
            let rest = piece.get(common.start..)?;
            let shown = rest.get(..window).unwrap_or(rest);
            let is_last = shown.len() == rest.len();
            // Bytes near the end of a window may merge differently once more bytes are seen.
            let trusted = if is_last { window } else { window - window / 8 };
            self.merge(shown);
            if !common.is_empty() && self.ends().next() != Some(common.len()) {
                return None;
            }
            let mut last = 0..0;
            for end in self.ends().take_while(|end| *end <= trusted) {
                tokens += 1;
                last = last.end..end;
            }
            if is_last {
                return Some(tokens);
            }
            if last.start == 0 {
                return None;
            }
            // The next window begins with the shared token and counts it again.
            tokens -= 1;
            common = common.start + last.start..common.start + last.end;
        }
    }

    /// The ends of the tokens of the last merged bytes, in order.
    fn ends(&self) -> impl Iterator<Item = usize> {
        successors(self.parts.first(), |part| self.parts.get(index(part.end)))
            .map(|part| index(part.end))
    }

    /// Merges `piece` as a whole. Bytes after the first 4 GiB are ignored.
    fn merge(&mut self, piece: &[u8]) {
        self.queue.clear();
        self.parts.clear();
        self.parts.extend((0..u32::MAX).zip(piece).map(|(begin, _)| Part {
            previous: begin.saturating_sub(1),
            end: begin + 1,
            union: None,
        }));
        for (begin, _) in (0..u32::MAX).zip(piece) {
            self.weigh(piece, begin);
        }
        while let Some(Reverse((rank, begin))) = self.queue.pop() {
            self.join(piece, begin, rank);
        }
    }

    /// Joins the part at `begin` with the next one, unless the entry is stale.
    fn join(&mut self, piece: &[u8], begin: u32, rank: u32) -> Option<()> {
        let left = *self.part(begin)?;
        if left.union != Some(rank) {
            return None;
        }
        let right = self.part(left.end)?;
        right.union = None;
        let end = right.end;
        self.part(begin)?.end = end;
        if let Some(next) = self.part(end) {
            next.previous = begin;
        }
        self.weigh(piece, begin);
        if begin > 0 {
            self.weigh(piece, left.previous);
        }
        Some(())
    }

    /// Computes the rank of the union at `begin` and queues it.
    fn weigh(&mut self, piece: &[u8], begin: u32) {
        let union = self.union(piece, begin);
        if let Some(part) = self.part(begin) {
            part.union = union;
        }
        self.queue.extend(union.map(|rank| Reverse((rank, begin))));
    }

    fn union(&mut self, piece: &[u8], begin: u32) -> Option<u32> {
        let middle = self.part(begin)?.end;
        let end = self.part(middle)?.end;
        vocabulary::rank(piece.get(index(begin)..index(end))?)
    }

    fn part(&mut self, begin: u32) -> Option<&mut Part> {
        self.parts.get_mut(index(begin))
    }
}

/// The index of a part; out of bounds where `usize` is smaller than `u32`.
fn index(begin: u32) -> usize {
    usize::try_from(begin).unwrap_or(usize::MAX)
}
