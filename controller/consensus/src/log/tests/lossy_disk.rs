//! A disk that loses at a power failure whatever was not synced: any sectors of a file, and any names.

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex},
};

use super::super::disk::{Blocks, Directory};

const SECTOR: u64 = 512;

#[derive(Debug, Clone, Default)]
pub(super) struct Contents {
    on_disk: Vec<u8>,
    now: Vec<u8>,
    unsynced: Vec<(u64, Vec<u8>)>,
}

#[derive(Debug, Clone)]
enum Naming {
    Is(String, u64),
    Gone(String),
}

#[derive(Debug, Default)]
struct World {
    files: BTreeMap<u64, Contents>,
    names: BTreeMap<String, u64>,
    names_on_disk: BTreeMap<String, u64>,
    unsynced: Vec<Naming>,
    /// Steps until the power fails.
    steps: Option<u64>,
    is_full: bool,
    /// The next sync of a file fails, and what it should have brought to disk is then only read from memory.
    fails_to_sync: bool,
}

#[derive(Debug, Clone, Default)]
pub(super) struct LossyDisk {
    world: Arc<Mutex<World>>,
}

#[derive(Debug)]
pub(super) struct LossyFile {
    world: Arc<Mutex<World>>,
    id: u64,
}

fn put(bytes: &mut Vec<u8>, offset: u64, piece: &[u8]) {
    let start = usize::try_from(offset).expect("small");
    let end = start + piece.len();
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    bytes[start..end].copy_from_slice(piece);
}

fn rename(names: &mut BTreeMap<String, u64>, naming: &Naming) {
    match naming {
        Naming::Is(name, id) => drop(names.insert(name.clone(), *id)),
        Naming::Gone(name) => drop(names.remove(name)),
    }
}

impl World {
    fn step(&mut self) -> io::Result<()> {
        match &mut self.steps {
            Some(0) => Err(io::Error::other("the power has failed")),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn name(&mut self, naming: Naming) {
        rename(&mut self.names, &naming);
        self.unsynced.push(naming);
    }

    fn write(&mut self, id: u64, offset: u64, bytes: &[u8]) {
        let file = self.files.get_mut(&id).expect("a file");
        put(&mut file.now, offset, bytes);
        let (mut at, mut rest) = (offset, bytes);
        while !rest.is_empty() {
            let room = usize::try_from(SECTOR - at % SECTOR).expect("small");
            let (piece, later) = rest.split_at(room.min(rest.len()));
            file.unsynced.push((at, piece.to_vec()));
            at += piece.len() as u64;
            rest = later;
        }
    }
}

impl LossyDisk {
    pub(super) fn fail_after(&self, steps: u64) {
        self.world.lock().expect("no panic").steps = Some(steps);
    }

    /// Whether there is space for another file.
    pub(super) fn be_full(&self, is_full: bool) {
        self.world.lock().expect("no panic").is_full = is_full;
    }

    pub(super) fn fail_to_sync(&self) {
        self.world.lock().expect("no panic").fails_to_sync = true;
    }

    /// The disk as it is found when the power is back.
    pub(super) fn after_power_loss(&self, chance: &mut fastrand::Rng) -> Self {
        let world = self.world.lock().expect("no panic");
        let mut names = world.names_on_disk.clone();
        let kept = chance.f64();
        for naming in &world.unsynced {
            if chance.f64() < kept {
                rename(&mut names, naming);
            }
        }
        let mut files = world.files.clone();
        for file in files.values_mut() {
            let kept = chance.f64();
            for (offset, piece) in std::mem::take(&mut file.unsynced) {
                if chance.f64() < kept {
                    put(&mut file.on_disk, offset, &piece);
                }
            }
            file.now.clone_from(&file.on_disk);
        }
        let world = World { files, names_on_disk: names.clone(), names, ..World::default() };
        Self { world: Arc::new(Mutex::new(world)) }
    }

    /// The files as they are read now, for a test to change.
    pub(super) fn image(&self) -> BTreeMap<String, Vec<u8>> {
        let world = self.world.lock().expect("no panic");
        world.names.iter().map(|(name, id)| (name.clone(), world.files[id].now.clone())).collect()
    }

    pub(super) fn of_image(image: &BTreeMap<String, Vec<u8>>) -> Self {
        let mut world = World::default();
        for (id, (name, bytes)) in (1..).zip(image) {
            let file = Contents { on_disk: bytes.clone(), now: bytes.clone(), ..Contents::default() };
            world.files.insert(id, file);
            world.names.insert(name.clone(), id);
        }
        world.names_on_disk = world.names.clone();
        Self { world: Arc::new(Mutex::new(world)) }
    }
}

impl Directory for LossyDisk {
    type File = LossyFile;

    fn names(&self) -> io::Result<Vec<String>> {
        Ok(self.world.lock().expect("no panic").names.keys().cloned().collect())
    }

    fn create(&self, name: &str, size: u64) -> io::Result<LossyFile> {
        let mut world = self.world.lock().expect("no panic");
        world.step()?;
        if world.is_full {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let id = world.files.keys().last().map_or(1, |last| last + 1);
        world.files.insert(id, Contents::default());
        world.name(Naming::Is(name.to_owned(), id));
        world.write(id, 0, &vec![0; usize::try_from(size).expect("small")]);
        Ok(LossyFile { world: Arc::clone(&self.world), id })
    }

    fn open(&self, name: &str) -> io::Result<LossyFile> {
        let id = self.world.lock().expect("no panic").names.get(name).copied();
        let id = id.ok_or(io::ErrorKind::NotFound)?;
        Ok(LossyFile { world: Arc::clone(&self.world), id })
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut world = self.world.lock().expect("no panic");
        world.step()?;
        let id = *world.names.get(from).ok_or(io::ErrorKind::NotFound)?;
        // Either may be lost by itself.
        world.name(Naming::Is(to.to_owned(), id));
        world.name(Naming::Gone(from.to_owned()));
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut world = self.world.lock().expect("no panic");
        world.step()?;
        world.name(Naming::Gone(name.to_owned()));
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut world = self.world.lock().expect("no panic");
        world.step()?;
        world.names_on_disk = world.names.clone();
        world.unsynced.clear();
        Ok(())
    }
}

impl Blocks for LossyFile {
    fn read_all(&self) -> io::Result<Vec<u8>> {
        Ok(self.world.lock().expect("no panic").files[&self.id].now.clone())
    }

    fn read_at(&self, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let start = usize::try_from(offset).expect("small");
        let bytes = self.read_all()?;
        Ok(bytes.get(start..start + length).ok_or(io::ErrorKind::UnexpectedEof)?.to_vec())
    }

    /// The power may fail while this is under way.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut world = self.world.lock().expect("no panic");
        let was_on = world.steps != Some(0);
        let stepped = world.step();
        if was_on {
            world.write(self.id, offset, bytes);
            if world.steps == Some(0) {
                return Err(io::Error::other("the power has failed"));
            }
        }
        stepped
    }

    fn sync(&self) -> io::Result<()> {
        let mut world = self.world.lock().expect("no panic");
        world.step()?;
        let fails = std::mem::take(&mut world.fails_to_sync);
        let file = world.files.get_mut(&self.id).expect("a file");
        let unsynced = std::mem::take(&mut file.unsynced);
        if fails {
            // It is given up, and no later sync brings it to disk or says so.
            return Err(io::Error::other("an I/O error"));
        }
        for (offset, piece) in unsynced {
            put(&mut file.on_disk, offset, &piece);
        }
        Ok(())
    }
}
