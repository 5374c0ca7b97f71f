//! What programs do to the disk.

use std::{ffi::OsStr, path::Path, time::SystemTime};

use nix::errno::Errno;

use super::{
    Disk, Done, Making,
    content::Content,
    index,
    names::{Entry, Names, Naming, Number, take_synced},
    node::{BLOCK, Kind, Node},
};
use crate::faults::{Going, Step};

impl Disk {
    pub(crate) fn make(&mut self, directory: Number, name: &OsStr, making: Making) -> Done<Number> {
        let going = self.step(Step::Create, &self.path_in(directory, name))?;
        if self.names(directory)?.now.contains_key(name) {
            return Err(Errno::EEXIST);
        }
        if making.is_directory && self.space().free == 0 {
            return Err(Errno::ENOSPC);
        }
        let (number, Making { is_directory, mode, owner }) = (Number(self.next), making);
        self.next += 1;
        let kind =
            if is_directory { Kind::Directory(Names::default()) } else { Kind::File(Content::default()) };
        let place = (directory, name.to_owned());
        let node = Node { kind, mode, owner, modified: SystemTime::now(), place, links: 0, opens: 0 };
        self.nodes.insert(number, node);
        let said = format!("creation of {}", self.path_in(directory, name).display());
        self.name(said, vec![Entry { directory, name: name.to_owned(), is: Some(number) }])?;
        self.end(going, number)
    }

    /// Gives a file one more name.
    pub(crate) fn link(&mut self, file: Number, directory: Number, name: &OsStr) -> Done<()> {
        let path = self.path_in(directory, name);
        let going = self.step(Step::Create, &path)?;
        self.content(file)?;
        if self.names(directory)?.now.contains_key(name) {
            return Err(Errno::EEXIST);
        }
        let said = format!("link {}", path.display());
        self.name(said, vec![Entry { directory, name: name.to_owned(), is: Some(file) }])?;
        self.end(going, ())
    }

    pub(crate) fn remove(&mut self, directory: Number, name: &OsStr, is_directory: bool) -> Done<()> {
        let path = self.path_in(directory, name);
        let going = self.step(Step::Remove, &path)?;
        let number = self.look_up(directory, name)?;
        match (&self.node(number)?.kind, is_directory) {
            (Kind::Directory(names), true) if names.now.is_empty() => {}
            (Kind::Directory(_), true) => return Err(Errno::ENOTEMPTY),
            (Kind::Directory(_), false) => return Err(Errno::EISDIR),
            (Kind::File(_), true) => return Err(Errno::ENOTDIR),
            (Kind::File(_), false) => {}
        }
        let said = format!("removal of {}", path.display());
        self.name(said, vec![Entry { directory, name: name.to_owned(), is: None }])?;
        self.end(going, ())
    }

    /// `replaces`: whether what has the new name may go.
    pub(crate) fn rename(
        &mut self,
        from: (Number, &OsStr),
        to: (Number, &OsStr),
        replaces: bool,
    ) -> Done<()> {
        let path = self.path_in(to.0, to.1);
        let going = self.step(Step::Rename, &path)?;
        let number = self.look_up(from.0, from.1)?;
        match self.look_up(to.0, to.1) {
            Ok(_) if !replaces => return Err(Errno::EEXIST),
            Ok(there) if there == number => return self.end(going, ()),
            Ok(there) => match &self.node(there)?.kind {
                Kind::Directory(names) if !names.now.is_empty() => return Err(Errno::ENOTEMPTY),
                _ => {}
            },
            Err(_) => {}
        }
        let said = format!("rename of {} to {}", self.path_in(from.0, from.1).display(), path.display());
        let entry = |(directory, name): (Number, &OsStr), is| Entry { directory, name: name.to_owned(), is };
        self.name(said, vec![entry(to, Some(number)), entry(from, None)])?;
        self.end(going, ())
    }

    /// Returns how many bytes were written: fewer than all if the disk is full then.
    pub(crate) fn write(&mut self, file: Number, offset: u64, bytes: &[u8]) -> Done<usize> {
        let going = self.step(Step::Write, &self.path(file))?;
        let most = self.longest(file)?;
        let room = usize::try_from(most.saturating_sub(offset)).unwrap_or(usize::MAX);
        if room == 0 && !bytes.is_empty() {
            return Err(Errno::ENOSPC);
        }
        let bytes = &bytes[..bytes.len().min(room)];
        let at = self.happens();
        self.content_mut(file)?.write(at, index(offset)?, bytes);
        self.node_mut(file)?.modified = SystemTime::now();
        self.end(going, bytes.len())
    }

    pub(crate) fn resize(&mut self, file: Number, length: u64) -> Done<()> {
        let going = self.step(Step::Resize, &self.path(file))?;
        if length > self.longest(file)? {
            return Err(Errno::ENOSPC);
        }
        let at = self.happens();
        self.content_mut(file)?.resize(at, index(length)?);
        self.node_mut(file)?.modified = SystemTime::now();
        self.end(going, ())
    }

    /// How long the file may become with the space that there is.
    fn longest(&self, file: Number) -> Done<u64> {
        Ok((self.node(file)?.blocks() + self.space().free) * BLOCK)
    }

    pub(crate) fn set_mode(&mut self, number: Number, mode: u16) -> Done<()> {
        self.faults.power()?;
        self.node_mut(number)?.mode = mode;
        Ok(())
    }

    pub(crate) fn set_owner(&mut self, number: Number, user: Option<u32>, group: Option<u32>) -> Done<()> {
        self.faults.power()?;
        let owner = &mut self.node_mut(number)?.owner;
        *owner = (user.unwrap_or(owner.0), group.unwrap_or(owner.1));
        Ok(())
    }

    pub(crate) fn sync(&mut self, file: Number) -> Done<()> {
        let path = self.path(file);
        // A sync that the power cuts short has brought to disk what it happens to have.
        let going = self.step(Step::Sync, &path)?;
        self.end(going, ())?;
        if self.faults.ignores_sync(&path) {
            return Ok(());
        }
        let fails = self.faults.fails_to_sync(&path);
        let content = self.content_mut(file)?;
        if fails {
            content.give_up();
            return Err(Errno::EIO);
        }
        content.sync();
        Ok(())
    }

    pub(crate) fn sync_directory(&mut self, directory: Number) -> Done<()> {
        let path = self.path(directory);
        let going = self.step(Step::SyncDirectory, &path)?;
        self.end(going, ())?;
        if self.faults.ignores_sync(&path) {
            return Ok(());
        }
        if self.faults.fails_to_sync(&path) {
            return Err(Errno::EIO);
        }
        self.names(directory)?;
        for naming in take_synced(&mut self.unsynced_names, directory) {
            self.settle(&naming)?;
        }
        self.drop_unreachable();
        Ok(())
    }

    /// Carries out a change of names, which is not on disk yet.
    fn name(&mut self, said: String, entries: Vec<Entry>) -> Done<()> {
        for Entry { directory, name, is } in &entries {
            let names = &mut self.names_mut(*directory)?.now;
            let before = match is {
                Some(number) => names.insert(name.clone(), *number),
                None => names.remove(name),
            };
            if let Some(before) = before {
                self.node_mut(before)?.links -= 1;
            }
            if let Some(number) = is {
                let node = self.node_mut(*number)?;
                node.links += 1;
                node.place = (*directory, name.clone());
            }
        }
        let at = self.happens();
        self.unsynced_names.push(Naming { at, said, entries });
        Ok(())
    }

    fn happens(&mut self) -> u64 {
        self.happened += 1;
        self.happened
    }

    fn step(&mut self, step: Step, path: &Path) -> Done<Going> {
        self.faults.step(step, path)
    }

    /// With the last step the power goes, and nobody hears what came of it.
    fn end<T>(&mut self, going: Going, done: T) -> Done<T> {
        match going {
            Going::On => Ok(done),
            Going::Last => {
                self.faults.cut();
                Err(Errno::EIO)
            }
        }
    }
}
