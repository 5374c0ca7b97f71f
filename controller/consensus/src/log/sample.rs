//! Samples of the log's files, for the golden ones.

use super::{
    frame::{self, FrameHeader, Kind, SegmentHeader},
    kept::{self, Kept},
    segment::{self, Frame, Tail},
};
use crate::types::{LogId, Vote};

pub(crate) fn kept(vote: Vote, purged: LogId) -> Vec<u8> {
    kept::encode(&Kept { vote: Some(vote), purged: Some(purged), newest: 12 })
}

pub(crate) fn read_kept(bytes: &[u8]) -> Option<(Vote, LogId, u64)> {
    let kept = kept::decode(bytes)?;
    Some((kept.vote?, kept.purged?, kept.newest))
}

/// A segment of one frame with entries from 40 on, a frame that takes back from 43, and a mark.
pub(crate) fn segment(entries: &[&[u8]]) -> Vec<u8> {
    let header = SegmentHeader { number: 12, salt: 0x0123_4567_89ab_cdef, sequence: 90, size: 192 };
    let mut body = Vec::new();
    for entry in entries {
        frame::push_record(&mut body, entry);
    }
    let (length, count) = (body.len().try_into().expect("short"), entries.len().try_into().expect("few"));
    let append = FrameHeader { kind: Kind::Append, sequence: 90, index: 40, body: length, count };
    let truncate = FrameHeader { kind: Kind::Truncate, sequence: 91, index: 43, body: 0, count: 0 };
    let mut bytes = header.encode().to_vec();
    bytes.extend(frame::seal(header.salt, append, &body));
    bytes.extend(frame::seal(header.salt, truncate, &[]));
    bytes.extend(FrameHeader::mark(92).encode(header.salt));
    bytes
}

pub(crate) fn read_segment(bytes: &[u8]) -> Vec<Vec<u8>> {
    let header = SegmentHeader::decode(bytes).expect("a header");
    assert_eq!((header.number, header.sequence, header.size), (12, 90, 192));
    let content = segment::read(&header, bytes).expect("whole");
    assert_eq!((content.sequence, content.tail), (92, Tail::Clean));
    let [Frame::Append { index: 40, records }, Frame::Truncate { index: 43 }] = content.frames.as_slice()
    else {
        panic!("other frames: {:?}", content.frames);
    };
    let record = |(index, (offset, length)): (u64, &(u64, u32))| {
        let start = usize::try_from(*offset).expect("short");
        let bytes = &bytes[start..start + *length as usize];
        frame::record(header.salt, index, bytes).expect("whole").to_vec()
    };
    (40..).zip(records).map(record).collect()
}
