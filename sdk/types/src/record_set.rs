//! Record sets of zones.

use npanel_model::{RecordName, RecordSetId, RecordType, Revision, Timestamp, Ttl, ZoneId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Convergence, change::present, schema};

/// A new record set: all records of one name and type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateRecordSet {
    /// The name relative to the zone; `@` is the zone itself.
    #[schema(value_type = schema::RecordName)]
    pub name: RecordName,
    /// `A`, `AAAA`, `CAA`, `CNAME`, `MX`, `NS`, `SRV` or `TXT`.
    #[serde(rename = "type")]
    #[schema(value_type = schema::RecordType)]
    pub kind: RecordType,
    /// How long resolvers may keep it: 30 to 604800 seconds; an hour if absent.
    #[serde(default = "hour")]
    #[schema(value_type = schema::Ttl, default = 3600)]
    pub ttl_seconds: Ttl,
    /// The records' data, 1 to 100. Names are absolute, without or with the final dot; text is not quoted.
    #[schema(value_type = Vec<schema::RecordData>, min_items = 1, max_items = 100)]
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
    #[schema(value_type = schema::Ttl)]
    pub ttl_seconds: Option<Ttl>,
    /// All of its records' data, 1 to 100: as when it was made.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Vec<schema::RecordData>, min_items = 1, max_items = 100)]
    pub records: Option<Vec<String>>,
}

/// A record set. Its convergence is that of its zone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RecordSet {
    /// Its id.
    #[schema(value_type = schema::RecordSetId)]
    pub id: RecordSetId,
    /// Its zone.
    #[schema(value_type = schema::ZoneId)]
    pub zone_id: ZoneId,
    /// The name relative to the zone; `@` is the zone itself.
    #[schema(value_type = schema::RecordName)]
    pub name: RecordName,
    /// The records' type.
    #[serde(rename = "type")]
    #[schema(value_type = schema::RecordType)]
    pub kind: RecordType,
    /// How long resolvers may keep it.
    #[schema(value_type = schema::Ttl)]
    pub ttl_seconds: Ttl,
    /// The records' data in canonical form and order.
    #[schema(value_type = Vec<schema::RecordData>, min_items = 1, max_items = 100)]
    pub records: Vec<String>,
    /// When it was made.
    #[schema(value_type = schema::Timestamp)]
    pub created_at: Timestamp,
    /// When it was last changed, as a place in the fleet's log: what `If-Match` is compared with. What nodes report
    /// is no change of it.
    #[schema(value_type = schema::Revision)]
    pub revision: Revision,
    /// How far the fleet is with the zone.
    #[serde(flatten)]
    pub convergence: Convergence,
}
