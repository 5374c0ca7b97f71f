//! What is asked of PowerDNS.

use npanel_model::{Fqdn, RecordData, RecordName, RecordSetError, RecordType, Ttl, validate_record_set};
use serde::{Deserialize, Serialize};

/// A zone with exactly these record sets. SOA and the apex's NS are made from the other fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ZoneSpec {
    /// The zone's name.
    pub name: Fqdn,
    /// The hosts that answer for it; the first is the SOA's primary. At least one.
    pub name_servers: Vec<Fqdn>,
    /// The SOA's mailbox as a domain name: `hostmaster.example.com`.
    pub hostmaster: Fqdn,
    /// Everything else in the zone.
    pub record_sets: Vec<RecordSet>,
}

/// The records of one name and type. Always a valid set: non-empty, of one type, without duplicates, never
/// the apex's NS; see [`validate_record_set`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "RecordSetFields", into = "RecordSetFields")]
pub struct RecordSet {
    name: RecordName,
    kind: RecordType,
    ttl: Ttl,
    records: Vec<RecordData>,
}

impl RecordSet {
    /// Checks and makes a record set; `records` are in the canonical form of [`RecordData`].
    ///
    /// # Errors
    /// The first rule that the set breaks.
    pub fn new(
        name: RecordName,
        kind: RecordType,
        ttl: Ttl,
        records: &[String],
    ) -> Result<Self, RecordSetError> {
        let records = validate_record_set(&name, kind, records)?;
        Ok(Self { name, kind, ttl, records })
    }

    /// The owner name, relative to the zone.
    pub fn name(&self) -> &RecordName {
        &self.name
    }

    /// The type of all its records.
    pub fn kind(&self) -> RecordType {
        self.kind
    }

    /// How long resolvers may keep it.
    pub fn ttl(&self) -> Ttl {
        self.ttl
    }

    /// The records, sorted.
    pub fn records(&self) -> &[RecordData] {
        &self.records
    }
}

/// A [`RecordSet`] as it travels, before it is checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordSetFields {
    /// The owner name, relative to the zone; `@` is the zone itself.
    pub name: RecordName,
    /// The type.
    #[serde(rename = "type")]
    pub kind: RecordType,
    /// How long resolvers may keep it.
    pub ttl: Ttl,
    /// The records' data in canonical form.
    pub records: Vec<String>,
}

impl TryFrom<RecordSetFields> for RecordSet {
    type Error = RecordSetError;
    fn try_from(fields: RecordSetFields) -> Result<Self, RecordSetError> {
        Self::new(fields.name, fields.kind, fields.ttl, &fields.records)
    }
}

impl From<RecordSet> for RecordSetFields {
    fn from(set: RecordSet) -> Self {
        let records = set.records.iter().map(RecordData::canonical).collect();
        Self { name: set.name, kind: set.kind, ttl: set.ttl, records }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_that_breaks_a_rule_does_not_parse() {
        let good = r#"{"name":"@","type":"A","ttl":3600,"records":["192.0.2.1"]}"#;
        let set: RecordSet = serde_json::from_str(good).expect("a set");
        assert_eq!(serde_json::to_string(&set).expect("json"), good);
        for bad in [
            r#"{"name":"@","type":"NS","ttl":3600,"records":["ns.example.com"]}"#,
            r#"{"name":"@","type":"A","ttl":3600,"records":[]}"#,
            r#"{"name":"a","type":"A","ttl":3600,"records":["x; $INCLUDE /etc/shadow"]}"#,
            r#"{"name":"a","type":"A","ttl":1,"records":["192.0.2.1"]}"#,
            r#"{"name":"a","type":"A","ttl":3600,"records":["192.0.2.1"],"more":1}"#,
        ] {
            assert!(serde_json::from_str::<RecordSet>(bad).is_err(), "{bad}");
        }
    }
}
