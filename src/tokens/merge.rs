//! Byte-pair merging: begins with single bytes and joins, again and again, the two neighbours
//! whose union has the lowest rank (of equals the leftmost), until no union is a token.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::iter::successors;

use super::vocabulary;

/// Bytes of a piece that are merged at a time. Words never come near it; it bounds the memory (some
/// 2 MB) and keeps in the cache what somebody sends who holds a key down.
const WINDOW: usize = 1 << 16;

/// Merges pieces; the memory for one piece is used again for the next.
#[derive(Default)]
pub(super) struct Merger {
    /// By the byte where the part begins; what has been joined to a part before it stays, unused.
    parts: Vec<Part>,
    /// Rank of the union of two neighbours, and where it begins. An entry whose rank is no longer
    /// that part's own is out of date: taking it out of the middle would cost more.
    queue: BinaryHeap<Reverse<(u32, u32)>>,
}

/// Some neighbouring bytes of the piece, a token. `u32` halves what a very long piece needs.
#[derive(Clone, Copy)]
struct Part {
    /// Where the part before this one begins.
    previous: u32,
    /// Where the part after this one begins.
    end: u32,
    /// Rank of this part together with the next one, if that is a token.
    union: Option<u32>,
}

impl Merger {
    /// Number of tokens in `piece`, which may be of any length.
    pub(super) fn count(&mut self, piece: &[u8]) -> u64 {
        self.count_in_windows(piece, WINDOW).unwrap_or_else(|| {
            self.merge(piece);
            self.ends().map(|_| 1).sum()
        })
    }

    /// Number of tokens in `piece`, of which no more than `window` bytes are merged at a time;
    /// nothing if the windows do not fit together.
    ///
    /// Two windows fit together if the last token of one is the first of the other: then the tokens
    /// of both are those of the whole. (Corollary III in the documentation of the crate `bpe`.)
    pub(super) fn count_in_windows(&mut self, piece: &[u8], window: usize) -> Option<u64> {
        let mut tokens = 0;
        // The token that two windows have in common.
        let mut common = 0..0;
        loop {
            let rest = piece.get(common.start..)?;
            let shown = rest.get(..window).unwrap_or(rest);
            let is_last = shown.len() == rest.len();
            // What the window cuts off at its end may be merged otherwise when more is seen.
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
            // The next window begins with it, and counts it again.
            tokens -= 1;
            common = common.start + last.start..common.start + last.end;
        }
    }

    /// Where the tokens of the bytes merged last end, in order.
    fn ends(&self) -> impl Iterator<Item = usize> {
        successors(self.parts.first(), |part| self.parts.get(index(part.end)))
            .map(|part| index(part.end))
    }

    /// Merges `piece` as a whole.
    ///
    /// Bytes after the first 4 GiB are left out: no request is that long.
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

    /// Joins the part at `begin` with the next one, unless their union is no longer that of `rank`.
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

    /// Finds the rank of the part at `begin` together with the next one, and puts it in the queue.
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

/// An index that is out of bounds where `usize` is too small for it.
fn index(begin: u32) -> usize {
    usize::try_from(begin).unwrap_or(usize::MAX)
}
