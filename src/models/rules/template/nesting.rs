//! Bounds the nesting of a template, on its tokens, before it is parsed.
//!
//! The engine's parser, its code generator and the drop of its syntax tree recurse once per level, and
//! the engine bounds only some kinds of nesting. Each operator of `----1`, `1+1+1`, `a.b.b` and `1|e|e`
//! and each `elif` is a level.

use minijinja::machinery::{Token, Tokenizer};
use minijinja::syntax::SyntaxConfig;

/// Levels of nesting in a template.
pub(super) const MAX_DEPTH: usize = 120;

/// The levels that a pair of brackets counts as: without optimisation, a call in a call takes 19 kB of
/// the stack, twice as much as any other level.
const BRACKET_LEVELS: usize = 2;

/// Bytes of the templates of one reply, in all.
pub const MAX_SOURCE: usize = 64 << 10;

/// Checks that a template nests no deeper than [`MAX_DEPTH`]. The error is the line.
///
/// Errors of the tokenizer are ignored, because the parser reports them.
pub(super) fn check(source: &str, syntax: &SyntaxConfig) -> Result<(), u16> {
    let mut tokens = Tokenizer::new(source, super::TEMPLATE_NAME, false, syntax.clone());
    let mut blocks = Blocks::default();
    let mut tag: Option<Tag<'_>> = None;
    while let Ok(Some((token, span))) = tokens.next_token() {
        match token {
            Token::VariableStart | Token::BlockStart => tag = Some(Tag::default()),
            Token::VariableEnd => tag = None,
            Token::BlockEnd => {
                if let Some(tag) = tag.take() {
                    blocks.close_tag(&tag);
                }
            }
            token => {
                if let Some(tag) = &mut tag {
                    tag.add_token(&token);
                }
            }
        }
        let depth = blocks.depth() + tag.as_ref().map_or(0, Tag::depth);
        if depth > MAX_DEPTH {
            return Err(span.start_line);
        }
    }
    Ok(())
}

/// The levels that each open block adds: one for the block, and one more per `elif`.
#[derive(Default)]
struct Blocks {
    open: Vec<usize>,
    total: usize,
}

impl Blocks {
    fn depth(&self) -> usize {
        self.total
    }

    fn close_tag(&mut self, tag: &Tag<'_>) {
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
                // The parser refuses an end without a block.
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

/// A tag up to the current token.
#[derive(Default)]
struct Tag<'s> {
    /// The first word of a block's tag.
    keyword: Option<&'s str>,
    has_started: bool,
    /// Whether there is a `=` outside of brackets.
    assigns: bool,
    /// The open brackets, and the expression outside of them.
    levels: Vec<Level>,
    outer: Level,
}

/// A bound on the depth of the expressions between two brackets.
#[derive(Default, Clone, Copy)]
struct Level {
    /// Of the current expression: each operator and each bracket in it can be a level.
    current: usize,
    /// Of the deepest expression before it.
    deepest: usize,
}

impl<'s> Tag<'s> {
    fn depth(&self) -> usize {
        let inside: usize = self.levels.iter().map(|level| level.current + BRACKET_LEVELS).sum();
        inside + self.outer.current + 1
    }

    fn level(&mut self) -> &mut Level {
        self.levels.last_mut().unwrap_or(&mut self.outer)
    }

    fn add_token(&mut self, token: &Token<'s>) {
        if !self.has_started {
            self.has_started = true;
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
                    self.level().current += BRACKET_LEVELS + level.current.max(level.deepest);
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
