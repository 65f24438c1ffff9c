//! Bounds on a template's source, checked on its tokens before it is parsed.
//!
//! The engine's parser, its code generator and the dropping of its syntax tree call themselves for
//! every level of nesting, and guard only some kinds of it. Each of `----1`, `1+1+1`, `a.b.b`,
//! `1|e|e` and an `elif` is a level.

use minijinja::machinery::{Token, Tokenizer};
use minijinja::syntax::SyntaxConfig;

/// How deep a template may nest.
pub(super) const DEPTH: usize = 120;

/// How many levels a pair of brackets is. The parser calls the most functions for them: a call in a call
/// takes 19 kB of the stack in a build without optimisation, twice as much as any other level.
const BRACKETS: usize = 2;

/// How long the templates of one reply may be together, in bytes.
pub const SOURCE: usize = 64 << 10;

/// Refuses a template that nests deeper than [`DEPTH`]; gives the line.
///
/// Whatever the tokenizer refuses is left to the parser, which says why.
pub(super) fn check(source: &str, syntax: &SyntaxConfig) -> Result<(), u16> {
    let mut tokens = Tokenizer::new(source, super::ONLY, false, syntax.clone());
    let mut blocks = Blocks::default();
    let mut tag: Option<Tag<'_>> = None;
    while let Ok(Some((token, span))) = tokens.next_token() {
        match token {
            Token::VariableStart | Token::BlockStart => tag = Some(Tag::default()),
            Token::VariableEnd => tag = None,
            Token::BlockEnd => {
                if let Some(tag) = tag.take() {
                    blocks.pass(&tag);
                }
            }
            token => {
                if let Some(tag) = &mut tag {
                    tag.take(&token);
                }
            }
        }
        let depth = blocks.depth() + tag.as_ref().map_or(0, Tag::depth);
        if depth > DEPTH {
            return Err(span.start_line);
        }
    }
    Ok(())
}

/// The blocks that are open: for each the levels it adds, one and one for every `elif`.
#[derive(Default)]
struct Blocks {
    open: Vec<usize>,
    total: usize,
}

impl Blocks {
    fn depth(&self) -> usize {
        self.total
    }

    fn pass(&mut self, tag: &Tag<'_>) {
        match tag.keyword {
            Some("for" | "if" | "with" | "autoescape" | "filter" | "macro" | "call") => self.open(),
            Some("set") if !tag.assigns => self.open(),
            Some("elif") => {
                if let Some(levels) = self.open.last_mut() {
                    *levels += 1;
                    self.total += 1;
                }
            }
            Some(name) if name.starts_with("end") => {
                // The parser refuses a block that ends without having begun.
                if let Some(levels) = self.open.pop() {
                    self.total -= levels;
                }
            }
            _ => {}
        }
    }

    fn open(&mut self) {
        self.open.push(1);
        self.total += 1;
    }
}

/// What has been seen of one tag.
#[derive(Default)]
struct Tag<'s> {
    /// The first word of a block's tag.
    keyword: Option<&'s str>,
    begun: bool,
    /// Whether there is a `=` outside of brackets.
    assigns: bool,
    /// The open brackets, and what is outside of them.
    levels: Vec<Level>,
    outer: Level,
}

/// A bound on the depth of the expressions between two brackets.
#[derive(Default, Clone, Copy)]
struct Level {
    /// Of the expression under way: each operator and each bracket in it may be a level.
    current: usize,
    /// Of the deepest so far.
    deepest: usize,
}

impl<'s> Tag<'s> {
    fn depth(&self) -> usize {
        let inside: usize = self.levels.iter().map(|level| level.current + BRACKETS).sum();
        inside + self.outer.current + 1
    }

    fn level(&mut self) -> &mut Level {
        self.levels.last_mut().unwrap_or(&mut self.outer)
    }

    fn take(&mut self, token: &Token<'s>) {
        if !self.begun {
            self.begun = true;
            if let Token::Ident(word) = token {
                self.keyword = Some(word);
            }
        }
        match token {
            Token::ParenOpen | Token::BracketOpen | Token::BraceOpen => {
                self.levels.push(Level::default());
            }
            Token::ParenClose | Token::BracketClose | Token::BraceClose => {
                if let Some(level) = self.levels.pop() {
                    self.level().current += BRACKETS + level.current.max(level.deepest);
                }
            }
            Token::Comma => {
                let level = self.level();
                level.deepest = level.deepest.max(level.current);
                level.current = 0;
            }
            Token::Assign => self.assigns |= self.levels.is_empty(),
            Token::Ident("if" | "else" | "and" | "or" | "not" | "is" | "in")
            | Token::Plus
            | Token::Minus
            | Token::Mul
            | Token::Div
            | Token::FloorDiv
            | Token::Pow
            | Token::Mod
            | Token::Dot
            | Token::Tilde
            | Token::Pipe
            | Token::Eq
            | Token::Ne
            | Token::Gt
            | Token::Gte
            | Token::Lt
            | Token::Lte => self.level().current += 1,
            _ => {}
        }
    }
}
