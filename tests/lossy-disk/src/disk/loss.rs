//! What the power takes with it, drawn from the seed.

use std::{fmt, ops::RangeInclusive};

/// Which of the things that were not synced a cut leaves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Temper {
    /// None of them.
    Nothing,
    /// All of them: the cut is like a kill.
    Everything,
    /// Those that came first, and of the one after them some sectors.
    Prefix,
    /// Any of them, each with this chance.
    Any(f64),
}

impl Temper {
    pub(crate) fn drawn(chance: &mut fastrand::Rng) -> Self {
        match chance.u8(0..8) {
            0 | 1 => Self::Nothing,
            2 => Self::Everything,
            3 | 4 => Self::Prefix,
            _ => Self::Any(chance.f64()),
        }
    }
}

/// Decides piece by piece.
pub(super) struct Draw<'a> {
    temper: Temper,
    /// Of a prefix: the first thing that is not kept wholly.
    end: u64,
    chance: &'a mut fastrand::Rng,
}

impl<'a> Draw<'a> {
    /// A prefix ends somewhere among the `newest` changes.
    pub(super) fn new(temper: Temper, newest: RangeInclusive<u64>, chance: &'a mut fastrand::Rng) -> Self {
        Self { temper, end: chance.u64(newest), chance }
    }

    /// Whether the thing at this place in the order is kept.
    pub(super) fn keeps(&mut self, at: u64) -> bool {
        match self.temper {
            Temper::Nothing => false,
            Temper::Everything => true,
            Temper::Prefix => at < self.end,
            Temper::Any(share) => self.chance.f64() < share,
        }
    }

    /// Whether a piece of the thing at this place is kept.
    pub(super) fn keeps_piece(&mut self, at: u64) -> bool {
        match self.temper {
            Temper::Prefix if at == self.end => self.chance.bool(),
            _ => self.keeps(at),
        }
    }

    /// Whether a length is kept whose bytes are not.
    pub(super) fn keeps_length(&mut self) -> bool {
        match self.temper {
            Temper::Nothing | Temper::Everything => false,
            Temper::Prefix | Temper::Any(_) => self.chance.u8(0..4) == 0,
        }
    }
}

/// What one file has lost.
#[derive(Debug, Default)]
pub(super) struct Lost {
    pub(super) pieces: usize,
}

/// What a power cut took.
#[derive(Debug, Clone, PartialEq)]
pub struct Loss {
    /// How it was drawn.
    pub temper: Temper,
    /// Sectors and lengths by file.
    pub pieces: Vec<(String, usize)>,
    /// Changes of names, as they were made.
    pub names: Vec<String>,
}

impl Loss {
    /// Whether anything is gone.
    #[must_use]
    pub fn is_any(&self) -> bool {
        !(self.pieces.is_empty() && self.names.is_empty())
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.temper)?;
        for (path, pieces) in &self.pieces {
            write!(f, ", {pieces} pieces of {path}")?;
        }
        for name in &self.names {
            write!(f, ", {name}")?;
        }
        Ok(())
    }
}
