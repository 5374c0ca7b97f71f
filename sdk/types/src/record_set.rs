//! Record sets of zones.

use npanel_model::{RecordName, RecordSetId, RecordType, Revision, Timestamp, Ttl, ZoneId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Convergence, change::present};

/// A new record set: all records of one name and type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateRecordSet {
    /// The name relative to the zone; `@` is the zone itself.
    #[schema(value_type = String, example = "www")]
    pub name: RecordName,
    /// `A`, `AAAA`, `CAA`, `CNAME`, `MX`, `NS`, `SRV` or `TXT`.
    #[serde(rename = "type")]
    #[schema(value_type = String, example = "A")]
    pub kind: RecordType,
    /// How long resolvers may keep it: 30 to 604800 seconds; an hour if absent.
    #[serde(default = "hour")]
    #[schema(value_type = u32, default = 3600)]
    pub ttl_seconds: Ttl,
    /// The records' data, 1 to 100. Names are absolute, without or with the final dot; text is not quoted.
    #[schema(example = json!(["192.0.2.10"]))]
    pub records: Vec<String>,
}

fn hour() -> Ttl {
    Ttl::HOUR
}

/// A change of a record set. What is absent stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateRecordSet {
    /// How long resolvers may keep it: 30 to 604800 seconds.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u32>)]
    pub ttl_seconds: Option<Ttl>,
    /// All of its records' data, 1 to 100: as when it was made.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub records: Option<Vec<String>>,
}

/// A record set. Its convergence is that of its zone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RecordSet {
    /// Its id.
    #[schema(value_type = String, format = "uuid")]
    pub id: RecordSetId,
    /// Its zone.
    #[schema(value_type = String, format = "uuid")]
    pub zone_id: ZoneId,
    /// The name relative to the zone; `@` is the zone itself.
    #[schema(value_type = String, example = "www")]
    pub name: RecordName,
    /// The records' type.
    #[serde(rename = "type")]
    #[schema(value_type = String, example = "A")]
    pub kind: RecordType,
    /// How long resolvers may keep it.
    #[schema(value_type = u32, example = 3600)]
    pub ttl_seconds: Ttl,
    /// The records' data in canonical form and order.
    #[schema(example = json!(["192.0.2.10"]))]
    pub records: Vec<String>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it was last changed, as a place in the fleet's log: what `If-Match` is compared with. What nodes report
    /// is no change of it.
    #[schema(value_type = u64)]
    pub revision: Revision,
    /// How far the fleet is with the zone.
    #[serde(flatten)]
    pub convergence: Convergence,
}
