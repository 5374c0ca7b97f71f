//! What is left when the power is back, and what goes when nothing refers to it.

use std::collections::BTreeSet;

use super::{
    Disk, Done,
    loss::{Draw, Loss, Lost, Temper},
    names::{Entry, Naming, Number},
    node::Kind,
};

/// A prefix ends among so many of the last changes.
const NEWEST: u64 = 200;

impl Disk {
    /// The disk as it is found when the power is back, and what is gone.
    pub(crate) fn survivor(&self, temper: Temper, chance: &mut fastrand::Rng) -> (Self, Loss) {
        let newest = self.happened.saturating_sub(NEWEST)..=self.happened;
        let mut draw = Draw::new(temper, newest, chance);
        let mut loss = Loss { temper, pieces: Vec::new(), names: Vec::new() };
        let mut left = Self { blocks: self.blocks, next: self.next, ..Self::empty() };
        left.nodes.clone_from(&self.nodes);
        for naming in &self.unsynced_names {
            let is_kept = draw.keeps(naming.at) && left.settle(naming).is_ok();
            if !is_kept {
                loss.names.push(naming.said.clone());
            }
        }
        for (number, node) in &mut left.nodes {
            match &mut node.kind {
                Kind::Directory(names) => names.now.clone_from(&names.on_disk),
                Kind::File(content) => {
                    let mut lost = Lost::default();
                    *content = std::mem::take(content).survivor(&mut draw, &mut lost);
                    if lost.pieces > 0 {
                        loss.pieces.push((self.path(*number).display().to_string(), lost.pieces));
                    }
                }
            }
        }
        left.keep_what_has_a_name();
        (left, loss)
    }

    fn keep_what_has_a_name(&mut self) {
        for (number, node) in &mut self.nodes {
            (node.links, node.opens) = (u32::from(*number == Number::ROOT), 0);
        }
        let mut directories = vec![Number::ROOT];
        while let Some(directory) = directories.pop() {
            let names = self.names(directory).map(|names| names.now.clone()).unwrap_or_default();
            for (name, number) in names {
                let Ok(node) = self.node_mut(number) else { continue };
                node.links += 1;
                node.place = (directory, name);
                if matches!(node.kind, Kind::Directory(_)) && node.links == 1 {
                    directories.push(number);
                }
            }
        }
        self.nodes.retain(|_, node| node.links > 0);
    }

    /// Drops what has no name, neither now nor on disk nor in a change that is not on disk yet, and is not open.
    pub(super) fn drop_unreachable(&mut self) {
        let on_disk = self.nodes.values().filter_map(|node| match &node.kind {
            Kind::Directory(names) => Some(names.on_disk.values()),
            Kind::File(_) => None,
        });
        let unsynced = self.unsynced_names.iter().flat_map(|naming| &naming.entries);
        let reachable: BTreeSet<Number> =
            on_disk.flatten().copied().chain(unsynced.filter_map(|entry| entry.is)).collect();
        self.nodes.retain(|number, node| node.links > 0 || node.opens > 0 || reachable.contains(number));
    }

    /// Brings a change of names to disk.
    pub(super) fn settle(&mut self, naming: &Naming) -> Done<()> {
        for Entry { directory, name, is } in &naming.entries {
            let names = &mut self.names_mut(*directory)?.on_disk;
            match is {
                Some(number) => names.insert(name.clone(), *number),
                None => names.remove(name),
            };
        }
        Ok(())
    }
}
