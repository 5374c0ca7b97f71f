//! The disk as the kernel asks for it.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use fuser::{
    BsdFileFlags, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo,
    LockOwner, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory, ReplyEmpty,
    ReplyEntry, ReplyOpen, ReplyStatfs, ReplyWrite, Request, TimeOrNow, WriteFlags,
};

use crate::disk::{Attributes, BLOCK, Disk, Making, Number};

/// Nothing changes but through the kernel, so it may remember.
const REMEMBERED: Duration = Duration::from_secs(3600);

/// The longest name, as on other file systems.
const LONGEST_NAME: u32 = 255;

/// The kernel keeps a file's pages when it is opened again: other programs may have them mapped.
const OPENED: FopenFlags = FopenFlags::FOPEN_KEEP_CACHE;

/// What was in a directory when it was opened.
type Listing = Vec<(OsString, INodeNo, FileType)>;

/// Answers the kernel.
#[derive(Debug)]
pub(crate) struct Serving {
    disk: Arc<Mutex<Disk>>,
    listings: Mutex<BTreeMap<u64, Listing>>,
    next_listing: AtomicU64,
}

type Done<T> = Result<T, nix::errno::Errno>;

pub(crate) fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every change leaves it whole, or the test has failed already.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

fn errno(error: nix::errno::Errno) -> Errno {
    Errno::from_i32(error as i32)
}

fn kind(is_directory: bool) -> FileType {
    if is_directory { FileType::Directory } else { FileType::RegularFile }
}

fn attributes(number: Number, found: &Attributes) -> FileAttr {
    FileAttr {
        ino: INodeNo(number.0),
        size: found.length,
        blocks: found.length.div_ceil(BLOCK) * (BLOCK / 512),
        atime: found.modified,
        mtime: found.modified,
        ctime: found.modified,
        crtime: found.modified,
        kind: kind(found.is_directory),
        perm: found.mode,
        nlink: found.links,
        uid: found.owner.0,
        gid: found.owner.1,
        rdev: 0,
        blksize: u32::try_from(BLOCK).unwrap_or(u32::MAX),
        flags: 0,
    }
}

fn number(ino: INodeNo) -> Number {
    Number(ino.0)
}

fn permissions(mode: u32, umask: u32) -> u16 {
    u16::try_from(mode & !umask & 0o7777).unwrap_or(0)
}

impl Serving {
    pub(crate) fn new(disk: Arc<Mutex<Disk>>) -> Self {
        Self { disk, listings: Mutex::default(), next_listing: AtomicU64::new(1) }
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        lock(&self.disk)
    }

    fn entry(&self, number: Done<Number>, reply: ReplyEntry) {
        let found = number.and_then(|number| Ok(attributes(number, &self.disk().attributes(number)?)));
        match found {
            Ok(found) => reply.entry(&REMEMBERED, &found, Generation(0)),
            Err(error) => reply.error(errno(error)),
        }
    }

    fn listing(&self, directory: Number) -> Done<Listing> {
        let disk = self.disk();
        let mut listing: Listing =
            [".", ".."].map(|name| (name.into(), INodeNo(directory.0), FileType::Directory)).into();
        for (name, number) in disk.list(directory)? {
            listing.push((name, INodeNo(number.0), kind(disk.attributes(number)?.is_directory)));
        }
        Ok(listing)
    }
}

fn empty(done: Done<()>, reply: ReplyEmpty) {
    match done {
        Ok(()) => reply.ok(),
        Err(error) => reply.error(errno(error)),
    }
}

impl Filesystem for Serving {
    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let found = self.disk().look_up(number(parent), name);
        self.entry(found, reply);
    }

    fn getattr(&self, _: &Request, ino: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        match self.disk().attributes(number(ino)) {
            Ok(found) => reply.attr(&REMEMBERED, &attributes(number(ino), &found)),
            Err(error) => reply.error(errno(error)),
        }
    }

    fn setattr(
        &self,
        _: &Request,
        ino: INodeNo,
        mode: Option<u32>,
        uid: Option<u32>,
        gid: Option<u32>,
        size: Option<u64>,
        _: Option<TimeOrNow>,
        _: Option<TimeOrNow>,
        _: Option<SystemTime>,
        _: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let mut disk = self.disk();
        let mut change = || {
            mode.map_or(Ok(()), |mode| disk.set_mode(number(ino), permissions(mode, 0)))?;
            if uid.is_some() || gid.is_some() {
                disk.set_owner(number(ino), uid, gid)?;
            }
            size.map_or(Ok(()), |size| disk.resize(number(ino), size))?;
            disk.attributes(number(ino))
        };
        match change() {
            Ok(found) => reply.attr(&REMEMBERED, &attributes(number(ino), &found)),
            Err(error) => reply.error(errno(error)),
        }
    }

    fn mkdir(&self, from: &Request, parent: INodeNo, name: &OsStr, mode: u32, umask: u32, reply: ReplyEntry) {
        let (mode, owner) = (permissions(mode, umask), (from.uid(), from.gid()));
        let made = self.disk().make(number(parent), name, Making { is_directory: true, mode, owner });
        self.entry(made, reply);
    }

    fn create(
        &self,
        from: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        _: i32,
        reply: ReplyCreate,
    ) {
        let (mode, owner) = (permissions(mode, umask), (from.uid(), from.gid()));
        let mut disk = self.disk();
        let mut make = || {
            let made = disk.make(number(parent), name, Making { is_directory: false, mode, owner })?;
            disk.open(made)?;
            Ok(attributes(made, &disk.attributes(made)?))
        };
        match make() {
            Ok(made) => reply.created(&REMEMBERED, &made, Generation(0), FileHandle(0), OPENED),
            Err(error) => reply.error(errno(error)),
        }
    }

    fn link(&self, _: &Request, ino: INodeNo, newparent: INodeNo, newname: &OsStr, reply: ReplyEntry) {
        let linked = self.disk().link(number(ino), number(newparent), newname);
        self.entry(linked.map(|()| number(ino)), reply);
    }

    fn unlink(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        empty(self.disk().remove(number(parent), name, false), reply);
    }

    fn rmdir(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        empty(self.disk().remove(number(parent), name, true), reply);
    }

    fn rename(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        newparent: INodeNo,
        newname: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        if !RenameFlags::RENAME_NOREPLACE.contains(flags) {
            return reply.error(Errno::EINVAL);
        }
        let (from, to) = ((number(parent), name), (number(newparent), newname));
        empty(self.disk().rename(from, to, flags.is_empty()), reply);
    }

    fn open(&self, _: &Request, ino: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        match self.disk().open(number(ino)) {
            Ok(()) => reply.opened(FileHandle(0), OPENED),
            Err(error) => reply.error(errno(error)),
        }
    }

    fn read(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        match self.disk().read(number(ino), offset, size as usize) {
            Ok(bytes) => reply.data(bytes),
            Err(error) => reply.error(errno(error)),
        }
    }

    fn write(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        match self.disk().write(number(ino), offset, data) {
            Ok(written) => reply.written(u32::try_from(written).unwrap_or(u32::MAX)),
            Err(error) => reply.error(errno(error)),
        }
    }

    /// Closing brings nothing to disk; so answered, it is not asked for again.
    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        reply.error(Errno::ENOSYS);
    }

    fn release(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        _: OpenFlags,
        _: Option<LockOwner>,
        _: bool,
        reply: ReplyEmpty,
    ) {
        self.disk().close(number(ino));
        reply.ok();
    }

    fn fsync(&self, _: &Request, ino: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        empty(self.disk().sync(number(ino)), reply);
    }

    fn opendir(&self, _: &Request, ino: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        match self.listing(number(ino)) {
            Ok(listing) => {
                let handle = self.next_listing.fetch_add(1, Ordering::Relaxed);
                lock(&self.listings).insert(handle, listing);
                reply.opened(FileHandle(handle), FopenFlags::empty());
            }
            Err(error) => reply.error(errno(error)),
        }
    }

    fn readdir(&self, _: &Request, _: INodeNo, fh: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        let listings = lock(&self.listings);
        let Some(listing) = listings.get(&fh.0) else { return reply.error(Errno::EBADF) };
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        for (place, (name, ino, kind)) in (offset + 1..).zip(listing.iter().skip(start)) {
            if reply.add(*ino, place, *kind, name) {
                break;
            }
        }
        reply.ok();
    }

    fn releasedir(&self, _: &Request, _: INodeNo, fh: FileHandle, _: OpenFlags, reply: ReplyEmpty) {
        lock(&self.listings).remove(&fh.0);
        reply.ok();
    }

    fn fsyncdir(&self, _: &Request, ino: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        empty(self.disk().sync_directory(number(ino)), reply);
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        let space = self.disk().space();
        let block = u32::try_from(BLOCK).unwrap_or(u32::MAX);
        reply.statfs(space.blocks, space.free, space.free, 0, 0, block, LONGEST_NAME, block);
    }
}
