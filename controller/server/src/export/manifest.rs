//! What an archive says of itself: first what it is and what is not in it, and last what all is in it.

use npanel_model::Timestamp;
use npanel_state::{ExportBegun, ExportOf, LEFT_OUT_OF_EXPORTS};
use serde::Serialize;

/// The first file of an archive.
#[derive(Debug, Serialize)]
pub(super) struct Manifest {
    format: u32,
    of: Subject,
    cluster_id: String,
    /// All up to and with this log index is in it.
    index: u64,
    /// The cluster's time at that index.
    as_of: Timestamp,
    made_at: Timestamp,
    made_by: String,
    version: &'static str,
    files: &'static str,
    files_reason: &'static str,
    secrets: &'static str,
    secrets_reason: &'static str,
    contents: &'static str,
    left_out: Vec<Omission>,
}

#[derive(Debug, Serialize)]
struct Subject {
    kind: &'static str,
    id: String,
    name: String,
}

#[derive(Debug, Serialize)]
struct Omission {
    what: String,
    why: &'static str,
}

impl Manifest {
    pub(super) fn new(of: ExportOf, begun: &ExportBegun, made_by: String) -> Self {
        let omission = |one: &npanel_state::LeftOut| Omission {
            what: match one.columns {
                [] => one.table.to_owned(),
                columns => format!("{}.{{{}}}", one.table, columns.join(", ")),
            },
            why: one.why,
        };
        Self {
            format: 1,
            of: Subject { kind: of.noun(), id: of.id(), name: begun.name.clone() },
            cluster_id: begun.cluster_id.clone(),
            index: begun.index,
            as_of: begun.as_of,
            made_at: Timestamp::now(),
            made_by,
            version: env!("CARGO_PKG_VERSION"),
            files: "not included",
            files_reason: "the files of sites and the content of databases are on nodes, and not fetched from there: copy them by \
                           the account's own access",
            secrets: "not included",
            secrets_reason: "passwords, keys and what they are checked by are kept as hashes or sealed, and given to nobody",
            contents: "contents.json is the last file, and says of each other one how many rows it has and its SHA-256: an archive \
                       without it is not whole",
            left_out: LEFT_OUT_OF_EXPORTS.iter().map(omission).collect(),
        }
    }
}

/// A file of an archive.
#[derive(Debug, Serialize)]
pub(super) struct Content {
    pub(super) file: String,
    pub(super) about: &'static str,
    pub(super) rows: u64,
    pub(super) bytes: u64,
    pub(super) sha256: String,
}
