//! Opening the log: what is there is read and judged before anything is changed.

use std::{io, sync::Arc};

use super::{
    disk::{Blocks, Directory},
    engine::SPARE,
    frame::SegmentHeader,
    index::{Index, Place},
    kept::{self, Kept},
    segment::{self, Content, Damage, Frame, Segment, Tail},
};

/// Why the log is not opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unusable {
    #[error("the raft log cannot be read or written: {0}")]
    Io(#[from] io::Error),
    #[error("the raft log is damaged: in {file}, {damage}; {REPLACE}")]
    Damaged { file: String, damage: Damage },
    #[error("the raft log is damaged: {file} is missing; {REPLACE}")]
    Missing { file: String },
    #[error("the raft log is damaged: its file \"kept\", which holds the vote, is {how}; {REPLACE}")]
    Kept { how: &'static str },
    #[error("the raft log is damaged: entry {index} is missing before {file}; {REPLACE}")]
    Hole { index: u64, file: String },
}

/// What to do about a log that cannot be trusted. Whoever goes on with less than was acknowledged can undo what others rely on.
const REPLACE: &str = "entries that this controller acknowledged are lost, so it must not go on with what is left: remove it from \
    the cluster, move its data directory away, and join it anew (docs/operations/controllers.md)";

/// The log as it was found.
pub(super) struct Recovered<F> {
    pub(super) index: Index<F>,
    /// The segment that is written to, if there is one.
    pub(super) active: Option<Active<F>>,
    /// The next frame's sequence.
    pub(super) sequence: u64,
}

/// The segment that is written to.
#[derive(Debug)]
pub(super) struct Active<F> {
    pub(super) segment: Arc<Segment<F>>,
    /// Where the next frame goes.
    pub(super) end: u64,
}

struct Read<F> {
    segment: Arc<Segment<F>>,
    content: Content,
}

/// Reads what is there, and cuts a torn tail off.
pub(super) fn recover<D: Directory>(directory: &D) -> Result<Recovered<D::File>, Unusable> {
    let names = directory.names()?;
    let mut numbers: Vec<u64> = names.iter().filter_map(|name| segment::number(name)).collect();
    numbers.sort_unstable();
    let kept = read_kept(directory, &names, &numbers)?;
    let run = newest_run(&numbers, &kept)?;
    let mut read = Vec::new();
    for number in run {
        read.push(read_segment(directory, *number)?);
    }
    check_sequences(&read)?;
    let mut index = Index::new(kept);
    replay(&mut index, &read)?;
    let active = read.pop();
    if let Some(active) = &active {
        write_again(active)?;
        cut(active)?;
        let newest = active.segment.header.number;
        if index.kept.newest < newest {
            // It was made, but not noted yet.
            index.kept.newest = newest;
            kept::write(directory, &index.kept)?;
        }
    }
    // What a purge or a cut-off preparation has left.
    let left =
        |name: &&String| segment::number(name).is_some_and(|number| !run.contains(&number)) || *name == SPARE;
    for name in names.iter().filter(left) {
        directory.remove(name)?;
    }
    Ok(Recovered {
        index,
        sequence: active.as_ref().map_or(1, |active| active.content.sequence),
        active: active.map(|active| Active { segment: active.segment, end: active.content.end }),
    })
}

fn read_kept<D: Directory>(directory: &D, names: &[String], numbers: &[u64]) -> Result<Kept, Unusable> {
    if names.iter().any(|name| name == kept::NAME) {
        let bytes = directory.open(kept::NAME)?.read_all()?;
        return kept::decode(&bytes).ok_or(Unusable::Kept { how: "broken" });
    }
    if !numbers.is_empty() {
        return Err(Unusable::Kept { how: "missing" });
    }
    let kept = Kept::default();
    kept::write(directory, &kept)?;
    Ok(kept)
}

/// The segments up to the newest without a gap. Before a gap are those that a purge had begun to remove.
fn newest_run<'a>(numbers: &'a [u64], kept: &Kept) -> Result<&'a [u64], Unusable> {
    let newest = numbers.last().copied().unwrap_or(0);
    if newest < kept.newest {
        return Err(Unusable::Missing { file: segment::name(kept.newest) });
    }
    let start = numbers.windows(2).rposition(|pair| pair[0] + 1 != pair[1]).map_or(0, |before| before + 1);
    Ok(&numbers[start..])
}

fn read_segment<D: Directory>(directory: &D, number: u64) -> Result<Read<D::File>, Unusable> {
    let damaged = |damage| Unusable::Damaged { file: segment::name(number), damage };
    let file = directory.open(&segment::name(number))?;
    let bytes = file.read_all()?;
    let header = SegmentHeader::decode(&bytes).filter(|header| header.number == number);
    let header = header.ok_or_else(|| damaged(Damage::Header))?;
    let content = segment::read(&header, &bytes).map_err(damaged)?;
    Ok(Read { segment: Arc::new(Segment { header, file }), content })
}

/// A segment is only begun when all of the one before it is on disk.
fn check_sequences<F>(read: &[Read<F>]) -> Result<(), Unusable> {
    for pair in read.windows(2) {
        if pair[0].content.sequence != pair[1].segment.header.sequence {
            let damage = Damage::Middle { offset: pair[0].content.end };
            return Err(Unusable::Damaged { file: segment::name(pair[0].segment.header.number), damage });
        }
    }
    Ok(())
}

fn replay<F>(index: &mut Index<F>, read: &[Read<F>]) -> Result<(), Unusable> {
    let purged = index.kept.purged.map(|id| id.index);
    for Read { segment, content } in read {
        let number = segment.header.number;
        index.segments.insert(number, Arc::clone(segment));
        let hole = |index| Unusable::Hole { index, file: segment::name(number) };
        for frame in &content.frames {
            match frame {
                Frame::Truncate { index: from } => index.truncate(*from),
                Frame::Append { index: first, records } => {
                    for (at, (offset, length)) in (*first..).zip(records) {
                        let range = index.range();
                        if purged.is_some_and(|purged| at <= purged) {
                            continue;
                        }
                        // The first may be one that is taken back further on: where it starts is looked at in the end.
                        if !range.is_empty() && at != range.end {
                            return Err(hole(range.end));
                        }
                        index.place(at, Place { segment: number, offset: *offset, length: *length });
                    }
                }
            }
        }
    }
    let start = purged.map_or(0, |purged| purged + 1);
    match index.oldest_needed().map(segment::name) {
        None => index.start_at(start),
        Some(_) if index.range().start == start => {}
        Some(file) => return Err(Unusable::Hole { index: start, file }),
    }
    Ok(())
}

/// Writes what was read once more, and syncs it. After a sync that failed, what the disk never took may still be read from memory,
/// and no later sync would say so. Every earlier segment was synced before this one was begun.
fn write_again<F: Blocks>(active: &Read<F>) -> Result<(), Unusable> {
    let end = usize::try_from(active.content.end).map_err(io::Error::other)?;
    active.segment.file.write_at(0, &active.segment.file.read_at(0, end)?)?;
    Ok(active.segment.file.sync()?)
}

/// Makes zeros again of a frame that was being written when the machine stopped. Nobody was told that it is there.
fn cut<F: Blocks>(active: &Read<F>) -> Result<(), Unusable> {
    let Tail::Torn { bytes } = active.content.tail else { return Ok(()) };
    let (file, offset) = (segment::name(active.segment.header.number), active.content.end);
    tracing::warn!(file, offset, bytes, "the raft log ends in a write that was cut off: it is taken away");
    active.segment.file.write_at(offset, &vec![0; bytes])?;
    active.segment.file.sync()?;
    Ok(())
}
