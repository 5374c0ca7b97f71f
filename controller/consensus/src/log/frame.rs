//! What a segment file is made of. Everything is little endian.
//!
//! A segment starts with a header of [`SEGMENT_HEADER`] bytes: magic, version, the segment's number, its salt, the sequence of its
//! first frame, its size, and a CRC-32C. Frames follow, each at a multiple of eight bytes: a header of [`FRAME_HEADER`] bytes, then
//! its records. A frame is what one sync brought to disk, so it is there wholly or was never acknowledged. Behind the last one
//! stands a mark: it is written once that frame is synced, and the next frame is written over it. So a frame that is broken though a
//! mark or a frame follows it was whole once.
//!
//! Every checksum starts from the segment's salt, so that nothing a client sends can look like a frame.

use crc::{CRC_32_ISCSI, Crc, Digest, Table};

static CRC: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&CRC_32_ISCSI);

pub(super) const SEGMENT_HEADER: usize = 64;
pub(super) const FRAME_HEADER: usize = 40;
/// Length and checksum before each record.
pub(super) const RECORD_HEADER: usize = 8;
const ALIGNMENT: usize = 8;

const SEGMENT_MAGIC: [u8; 8] = *b"npanlog\0";
const VERSION: u32 = 1;
const FRAME_MAGIC: [u8; 4] = *b"nPfr";

/// What distinguishes a segment from all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    pub(super) number: u64,
    pub(super) salt: u64,
    /// That of its first frame.
    pub(super) sequence: u64,
    /// How many bytes the file had when it was made: it is never shorter.
    pub(super) size: u64,
}

/// What a frame does to the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Adds its records.
    Append,
    /// Takes back everything from its index on.
    Truncate,
    /// Nothing: all before it is synced.
    Mark,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FrameHeader {
    pub(super) kind: Kind,
    /// One more than that of the frame before; a mark's is that of the frame to come.
    pub(super) sequence: u64,
    /// The first index that the frame is about.
    pub(super) index: u64,
    /// The bytes of its records.
    pub(super) body: u32,
    pub(super) count: u32,
}

/// The checksum of SegmentHeader and kept state, which have no salt yet.
pub(super) fn unsalted(bytes: &[u8]) -> u32 {
    CRC.checksum(bytes)
}

fn salted(salt: u64) -> Digest<'static, u32, Table<16>> {
    let mut digest = CRC.digest();
    digest.update(&salt.to_le_bytes());
    digest
}

fn record_checksum(salt: u64, index: u64, record: &[u8]) -> u32 {
    let mut digest = salted(salt);
    digest.update(&index.to_le_bytes());
    digest.update(record);
    digest.finalize()
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

impl SegmentHeader {
    pub(super) fn encode(&self) -> [u8; SEGMENT_HEADER] {
        let mut bytes = [0; SEGMENT_HEADER];
        bytes[..8].copy_from_slice(&SEGMENT_MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.number.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.salt.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.sequence.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.size.to_le_bytes());
        let checksum = unsalted(&bytes[..60]);
        bytes[60..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// `None`: not the header of a segment that this version reads.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let is_ours = bytes.get(..8)? == SEGMENT_MAGIC && u32_at(bytes, 8)? == VERSION;
        let is_whole = u32_at(bytes, 60)? == unsalted(bytes.get(..60)?);
        let number = u64_at(bytes, 16)?;
        let (salt, sequence, size) = (u64_at(bytes, 24)?, u64_at(bytes, 32)?, u64_at(bytes, 40)?);
        (is_ours && is_whole).then_some(Self { number, salt, sequence, size })
    }
}

impl FrameHeader {
    pub(super) fn mark(sequence: u64) -> Self {
        Self { kind: Kind::Mark, sequence, index: 0, body: 0, count: 0 }
    }

    pub(super) fn encode(&self, salt: u64) -> [u8; FRAME_HEADER] {
        let mut bytes = [0; FRAME_HEADER];
        bytes[..4].copy_from_slice(&FRAME_MAGIC);
        bytes[4] = match self.kind {
            Kind::Append => 1,
            Kind::Truncate => 2,
            Kind::Mark => 3,
        };
        bytes[8..16].copy_from_slice(&self.sequence.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.index.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.body.to_le_bytes());
        bytes[28..32].copy_from_slice(&self.count.to_le_bytes());
        let checksum = Self::checksum(salt, &bytes[..32]);
        bytes[32..36].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    fn checksum(salt: u64, bytes: &[u8]) -> u32 {
        let mut digest = salted(salt);
        digest.update(bytes);
        digest.finalize()
    }

    /// `None`: there is no frame's header here.
    pub(super) fn decode(salt: u64, bytes: &[u8]) -> Option<Self> {
        if bytes.get(..4)? != FRAME_MAGIC || u32_at(bytes, 32)? != Self::checksum(salt, bytes.get(..32)?) {
            return None;
        }
        let kind = match bytes[4] {
            1 => Kind::Append,
            2 => Kind::Truncate,
            3 => Kind::Mark,
            _ => return None,
        };
        let (sequence, index) = (u64_at(bytes, 8)?, u64_at(bytes, 16)?);
        Some(Self { kind, sequence, index, body: u32_at(bytes, 24)?, count: u32_at(bytes, 28)? })
    }

    /// The bytes that the frame takes, up to where the next one starts.
    pub(super) fn length(&self) -> usize {
        (FRAME_HEADER + self.body as usize).next_multiple_of(ALIGNMENT)
    }
}

/// Adds a record to a frame's body. The segment, and with it the checksum, is known only when the frame is [`seal`]ed.
pub(super) fn push_record(body: &mut Vec<u8>, record: &[u8]) {
    // Commands are at most 1 MiB.
    let length = u32::try_from(record.len()).expect("a record of less than 4 GiB");
    body.extend(length.to_le_bytes());
    body.extend([0; 4]);
    body.extend(record);
}

/// A frame as it is written, of records that were pushed, the first of which is `index`.
pub(super) fn seal(salt: u64, header: FrameHeader, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(header.length() + FRAME_HEADER);
    bytes.extend(header.encode(salt));
    bytes.extend(body);
    let mut at = FRAME_HEADER;
    for index in (header.index..).take(header.count as usize) {
        let length = u32_at(&bytes, at).expect("a pushed record") as usize;
        let record = at + RECORD_HEADER;
        let checksum = record_checksum(salt, index, &bytes[record..record + length]);
        bytes[at + 4..record].copy_from_slice(&checksum.to_le_bytes());
        at = record + length;
    }
    bytes.resize(header.length(), 0);
    bytes
}

/// Where the records of a frame lie in its body, if all of them are whole.
pub(super) fn records(salt: u64, header: &FrameHeader, body: &[u8]) -> Option<Vec<(usize, usize)>> {
    let mut found = Vec::new();
    let mut at = 0;
    for index in (header.index..).take(header.count as usize) {
        let length = u32_at(body, at)? as usize;
        record(salt, index, body.get(at..at + RECORD_HEADER + length)?)?;
        found.push((at, RECORD_HEADER + length));
        at += RECORD_HEADER + length;
    }
    (at == body.len()).then_some(found)
}

/// The content of a record with its header before it, if it is whole.
pub(super) fn record(salt: u64, index: u64, bytes: &[u8]) -> Option<&[u8]> {
    let content = bytes.get(RECORD_HEADER..)?;
    let is_whole = u32_at(bytes, 0)? as usize == content.len()
        && u32_at(bytes, 4)? == record_checksum(salt, index, content);
    is_whole.then_some(content)
}

/// The first whole header of a frame of at least that sequence.
pub(super) fn find_later(salt: u64, bytes: &[u8], sequence: u64) -> Option<FrameHeader> {
    let at_each = (0..bytes.len()).step_by(ALIGNMENT);
    let header =
        |at: usize| FrameHeader::decode(salt, &bytes[at..]).filter(|header| header.sequence >= sequence);
    at_each.into_iter().find_map(header)
}

/// The length, with its header, of the record that a body starts with.
pub(super) fn pushed_length(body: &[u8]) -> u32 {
    u32_at(body, 0).expect("a pushed record") + u32::try_from(RECORD_HEADER).expect("a few bytes")
}
