//! Reading a segment: its frames, and what to make of what is not one.

use super::{
    disk::Blocks,
    frame::{self, FRAME_HEADER, FrameHeader, Kind, SEGMENT_HEADER, SegmentHeader},
};

/// An open segment.
#[derive(Debug)]
pub(super) struct Segment<F> {
    pub(super) header: SegmentHeader,
    pub(super) file: F,
}

/// A segment file's name.
pub(super) fn name(number: u64) -> String {
    format!("{number:012}.log")
}

/// The number in a segment file's name.
pub(super) fn number(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".log")?;
    (digits.len() == 12).then(|| digits.parse().ok()).flatten()
}

/// A whole frame. Each record by its offset in the file and its length, both with its header.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame {
    Append { index: u64, records: Vec<(u64, u32)> },
    Truncate { index: u64 },
}

/// What is behind the last whole frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tail {
    /// Nothing.
    Clean,
    /// The beginning of a frame that was never acknowledged, of at most so many bytes.
    Torn { bytes: usize },
}

/// All there is in a segment.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) frames: Vec<Frame>,
    /// Where the next frame goes.
    pub(super) end: u64,
    /// The next frame's sequence.
    pub(super) sequence: u64,
    pub(super) tail: Tail,
}

/// How a segment shows that it is not what was once on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Damage {
    #[error("its header is broken")]
    Header,
    #[error("it is {have} bytes long, but was made with {made}")]
    Short { made: u64, have: u64 },
    #[error("what is at byte {offset} is broken, and it was whole once: the log goes on behind it")]
    Middle { offset: u64 },
}

/// Reads all frames of the bytes of a segment's file.
pub(super) fn read(header: &SegmentHeader, bytes: &[u8]) -> Result<Content, Damage> {
    let have = bytes.len() as u64;
    if have < header.size {
        return Err(Damage::Short { made: header.size, have });
    }
    let (mut at, mut sequence, mut frames) = (SEGMENT_HEADER, header.sequence, Vec::new());
    while let Some((frame, length)) = whole_frame(header.salt, bytes, at, sequence) {
        frames.push(frame);
        at += length;
        sequence += 1;
    }
    let rest = bytes.get(at..).unwrap_or_default();
    // Here is a mark, or zeros, or a frame that is broken. It was whole if anything follows that was only written then.
    if frame::find_later(header.salt, rest, sequence + 1).is_some() {
        return Err(Damage::Middle { offset: at as u64 });
    }
    Ok(Content { frames, end: at as u64, sequence, tail: tail(header.salt, rest, sequence) })
}

fn tail(salt: u64, rest: &[u8], sequence: u64) -> Tail {
    let mark = FrameHeader::mark(sequence).encode(salt);
    let is_zero = |bytes: &[u8]| bytes.iter().all(|byte| *byte == 0);
    match rest.iter().rposition(|byte| *byte != 0) {
        None => Tail::Clean,
        Some(_) if rest.strip_prefix(mark.as_slice()).is_some_and(is_zero) => Tail::Clean,
        Some(last) => Tail::Torn { bytes: last + 1 },
    }
}

fn whole_frame(salt: u64, bytes: &[u8], at: usize, sequence: u64) -> Option<(Frame, usize)> {
    let header = FrameHeader::decode(salt, bytes.get(at..)?).filter(|header| header.sequence == sequence)?;
    let body_at = at + FRAME_HEADER;
    let body = bytes.get(body_at..body_at + header.body as usize)?;
    let frame = match header.kind {
        Kind::Mark => return None,
        Kind::Truncate => Frame::Truncate { index: header.index },
        Kind::Append => {
            let place = |(at, length)| ((body_at + at) as u64, u32::try_from(length).unwrap_or(u32::MAX));
            let records = frame::records(salt, &header, body)?.into_iter().map(place).collect();
            Frame::Append { index: header.index, records }
        }
    };
    Some((frame, header.length()))
}

impl<F: Blocks> Segment<F> {
    /// The content of a record.
    ///
    /// # Errors
    /// If it cannot be read, or is broken.
    pub(super) fn record(&self, index: u64, offset: u64, length: u32) -> std::io::Result<Vec<u8>> {
        let bytes = self.file.read_at(offset, length as usize)?;
        let content = frame::record(self.header.salt, index, &bytes).map(<[u8]>::to_vec);
        content.ok_or_else(|| {
            let file = name(self.header.number);
            std::io::Error::other(format!("the log's entry {index} in {file} is broken on disk"))
        })
    }
}
