//! What both APIs mean: one method an act, one transaction an act.
//!
//! [`access`] tells who calls and what they may use, [`limits`] counts requests, [`turns`] makes
//! answers and stores them, [`studio`] makes agents and pictures, [`archive`] shows what is stored ([`items`]), [`worlds`] holds what hangs on an
//! account, [`journal`] what was asked and answered, [`faults`] what is to go wrong, [`fixtures`]
//! is what they all start with.

pub mod access;
pub mod archive;
pub mod faults;
pub mod fixtures;
mod health;
pub mod items;
pub mod journal;
pub mod limits;
pub mod snapshots;
pub mod studio;
pub mod turns;
pub mod worlds;

pub use self::access::{Access, Caller};
pub use self::archive::Archive;
pub use self::fixtures::{Fixtures, Shelf};
pub use self::health::Health;
pub use self::journal::Watch;
pub use self::snapshots::Snapshots;
pub use self::studio::Studio;
pub use self::turns::Turns;
pub use self::worlds::{World, Worlds};
