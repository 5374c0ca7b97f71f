//! What a node is, as bits: a decision compares numbers, not texts.

use std::collections::HashMap;

use npanel_model::{AvailabilityZone, NodeLabel, NodeRole, PhpVersion, PoolName};

use crate::NodeView;

/// Something that a node is or has, and others are not or have not.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Trait {
    Role(NodeRole),
    /// It has what the role's services need.
    Able(NodeRole),
    Pool(PoolName),
    Zone(AvailabilityZone),
    Label(NodeLabel),
    Php(PhpVersion),
}

impl Trait {
    pub(crate) fn of(node: &NodeView) -> impl Iterator<Item = Trait> {
        let able = |role: &&NodeRole| !node.missing.iter().any(|(missing, _)| missing == *role);
        let roles = node.roles.iter().copied().map(Trait::Role);
        roles
            .chain(node.roles.iter().filter(able).copied().map(Trait::Able))
            .chain([Trait::Pool(node.pool.clone())])
            .chain(node.availability_zone.clone().map(Trait::Zone))
            .chain(node.labels.iter().cloned().map(Trait::Label))
            .chain(node.php_versions.iter().cloned().map(Trait::Php))
    }
}

/// A number for every trait that some node has or had, and every node's traits as bits, row after row.
#[derive(Debug, Clone, Default)]
pub(crate) struct Traits {
    numbers: HashMap<Trait, usize>,
    bits: Vec<u64>,
    /// Words in a row.
    width: usize,
}

impl Traits {
    /// The trait's number; `None` if no node ever had it.
    pub(crate) fn number(&self, of: &Trait) -> Option<usize> {
        self.numbers.get(of).copied()
    }

    pub(crate) fn has(&self, row: usize, number: usize) -> bool {
        self.bits[row * self.width + number / 64] >> (number % 64) & 1 == 1
    }

    /// Whether all the bits of the words are set.
    pub(crate) fn has_all(&self, row: usize, mask: &[(usize, u64)]) -> bool {
        let row = &self.bits[row * self.width..];
        mask.iter().all(|(word, bits)| row[*word] & bits == *bits)
    }

    /// Sets the row, which is an old one or the one after the last.
    pub(crate) fn set(&mut self, row: usize, node: &NodeView) {
        let numbers: Vec<usize> = Trait::of(node).map(|known| self.intern(known)).collect();
        let needed = (row + 1) * self.width;
        if self.bits.len() < needed {
            self.bits.resize(needed, 0);
        }
        let row = &mut self.bits[row * self.width..(row + 1) * self.width];
        row.fill(0);
        for number in numbers {
            row[number / 64] |= 1 << (number % 64);
        }
    }

    /// Removes a row; the last one takes its place.
    pub(crate) fn swap_remove(&mut self, row: usize) {
        let last = self.bits.len() - self.width;
        self.bits.copy_within(last.., row * self.width);
        self.bits.truncate(last);
    }

    fn intern(&mut self, known: Trait) -> usize {
        let next = self.numbers.len();
        let number = *self.numbers.entry(known).or_insert(next);
        if number >= self.width * 64 {
            self.widen();
        }
        number
    }

    fn widen(&mut self) {
        let (old, new) = (self.width, self.width + 1);
        let rows = self.bits.len().checked_div(old).unwrap_or(0);
        let mut bits = vec![0; rows * new];
        for row in 0..rows {
            bits[row * new..row * new + old].copy_from_slice(&self.bits[row * old..(row + 1) * old]);
        }
        (self.bits, self.width) = (bits, new);
    }
}
