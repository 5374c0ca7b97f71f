//! What differs between a zone as it is and as it should be. Pure.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv6Addr,
};

use npanel_model::Fqdn;
use serde::{Deserialize, Serialize};

use super::spec::ZoneSpec;
use crate::{Difference, What};

/// The times in our zones' SOA, in seconds (RIPE-203's advice for small and stable zones, with a shorter
/// negative answer so that a new name is soon seen).
const SOA_TIMES: &str = "10800 3600 1209600 300";
/// How long the zone's own name servers and SOA may be kept.
const APEX_TTL: u32 = 3600;

/// A zone as PowerDNS's API shows it. Fields that are not ours are left out.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct ShownZone {
    /// Its record sets.
    pub(super) rrsets: Vec<Rrset>,
}

/// A record set as PowerDNS's API reads and shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Rrset {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    ttl: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    changetype: Option<String>,
    #[serde(default)]
    records: Vec<Record>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Record {
    content: String,
    #[serde(default)]
    disabled: bool,
}

impl Rrset {
    fn new(name: String, kind: &str, ttl: u32, contents: impl IntoIterator<Item = String>) -> Self {
        let records = contents.into_iter().map(|content| Record { content, disabled: false }).collect();
        Self { name, kind: kind.to_owned(), ttl, changetype: None, records }
    }

    fn key(&self) -> (String, String) {
        (self.name.to_ascii_lowercase(), self.kind.clone())
    }

    fn says_the_same(&self, other: &Rrset) -> bool {
        let comparable = |set: &Rrset| -> BTreeSet<(String, bool)> {
            set.records
                .iter()
                .map(|record| (comparable(&set.kind, &record.content), record.disabled))
                .collect()
        };
        self.ttl == other.ttl && comparable(self) == comparable(other)
    }

    fn changing(mut self, how: &str) -> Self {
        self.changetype = Some(how.to_owned());
        self
    }
}

/// A record's content in a form that does not depend on who wrote it.
fn comparable(kind: &str, content: &str) -> String {
    match kind {
        "AAAA" => content.parse::<Ipv6Addr>().map_or_else(|_| content.to_owned(), |a| a.to_string()),
        // The serial is the server's.
        "SOA" => content
            .split(' ')
            .enumerate()
            .filter(|(i, _)| *i != 2)
            .map(|(_, word)| word)
            .collect::<Vec<_>>()
            .join(" "),
        _ => content.to_owned(),
    }
}

/// Everything that the zone should hold.
pub(super) fn wanted(zone: &ZoneSpec) -> Vec<Rrset> {
    let apex = zone.name.absolute();
    let primary = zone.name_servers.first().map_or_else(|| apex.clone(), |name| name.absolute());
    let soa = format!("{primary} {} 1 {SOA_TIMES}", zone.hostmaster.absolute());
    let servers = zone.name_servers.iter().map(|name| name.absolute());
    let mut sets = vec![Rrset::new(apex.clone(), "SOA", APEX_TTL, [soa])];
    if !zone.name_servers.is_empty() {
        sets.push(Rrset::new(apex, "NS", APEX_TTL, servers));
    }
    sets.extend(zone.record_sets.iter().map(|set| {
        let contents = set.records().iter().map(|record| record.presentation());
        Rrset::new(set.name().absolute_in(&zone.name), set.kind().as_str(), set.ttl().seconds(), contents)
    }));
    sets
}

/// The changes that make a zone with `found` hold exactly `wanted`; deletions first, so that a name's CNAME can
/// give way to other records in the same step.
pub(super) fn changes(found: &[Rrset], wanted: &[Rrset]) -> Vec<Rrset> {
    let found: BTreeMap<_, _> = found.iter().map(|set| (set.key(), set)).collect();
    let keys: BTreeSet<_> = wanted.iter().map(Rrset::key).collect();
    let gone = found
        .iter()
        .filter(|(key, _)| !keys.contains(*key))
        .map(|(_, set)| Rrset { records: Vec::new(), ..(*set).clone() }.changing("DELETE"));
    let differs = |set: &&Rrset| !found.get(&set.key()).is_some_and(|found| found.says_the_same(set));
    let put = wanted.iter().filter(differs).map(|set| set.clone().changing("REPLACE"));
    gone.chain(put).collect()
}

/// The same, as differences in words. Records are public, but long: they are counted.
pub(super) fn differences(zone: &Fqdn, found: &[Rrset], wanted: &[Rrset]) -> Vec<Difference> {
    let count = |sets: &[Rrset], set: &Rrset| {
        let same = sets.iter().find(|other| other.key() == set.key())?;
        Some(format!("{} records, time to live {} s", same.records.len(), same.ttl))
    };
    let differences = changes(found, wanted).into_iter().map(|set| {
        let what = format!("zone {zone}: {} {}", set.name, set.kind);
        match count(wanted, &set) {
            None => Difference::removing(What::Resource(what)),
            Some(expected) => {
                let shown = count(found, &set).map(|shown| format!("another set: {shown}"));
                Difference::resource(what, expected, shown)
            }
        }
    });
    differences.collect()
}

#[cfg(test)]
mod tests {
    use npanel_model::Ttl;

    use super::*;
    use crate::{Change, powerdns::RecordSet};

    fn zone(sets: &[(&str, &str, &[&str])]) -> ZoneSpec {
        let record_sets = sets.iter().map(|(name, kind, records)| {
            let records: Vec<String> = records.iter().map(|text| (*text).to_owned()).collect();
            let (name, kind) = (name.parse().expect("a name"), kind.parse().expect("a type"));
            RecordSet::new(name, kind, Ttl::HOUR, &records).expect("a set")
        });
        ZoneSpec {
            name: "example.com".parse().expect("a zone"),
            name_servers: vec!["ns1.host.example".parse().expect("a name")],
            hostmaster: "hostmaster.host.example".parse().expect("a name"),
            record_sets: record_sets.collect(),
        }
    }

    fn kinds(changes: &[Rrset]) -> Vec<(String, String)> {
        let how = |set: &Rrset| set.changetype.clone().unwrap_or_default();
        changes.iter().map(|set| (how(set), format!("{} {}", set.name, set.kind))).collect()
    }

    #[test]
    fn the_same_zone_needs_no_change() {
        let wanted = wanted(&zone(&[("@", "AAAA", &["2001:db8::1"]), ("www", "CNAME", &["example.com"])]));
        let mut found = wanted.clone();
        found[0].records[0].content =
            "ns1.host.example. hostmaster.host.example. 2026112301 10800 3600 1209600 300".into();
        found[2].records[0].content = "2001:0db8:0:0::1".into();
        assert_eq!(changes(&found, &wanted), []);
    }

    #[test]
    fn a_cname_gives_way_to_an_address() {
        let before = wanted(&zone(&[("www", "CNAME", &["example.com"]), ("@", "A", &["192.0.2.1"])]));
        let after = wanted(&zone(&[("www", "A", &["192.0.2.9"]), ("@", "A", &["192.0.2.1"])]));
        let expected = [
            ("DELETE".to_owned(), "www.example.com. CNAME".to_owned()),
            ("REPLACE".to_owned(), "www.example.com. A".to_owned()),
        ];
        assert_eq!(kinds(&changes(&before, &after)), expected);
    }

    #[test]
    fn the_apex_keeps_soa_and_name_servers() {
        let before = wanted(&zone(&[("@", "A", &["192.0.2.1"])]));
        let after = wanted(&zone(&[]));
        assert_eq!(kinds(&changes(&before, &after)), [("DELETE".to_owned(), "example.com. A".to_owned())]);
    }

    #[test]
    fn another_order_is_no_change_and_another_ttl_is() {
        let wanted = wanted(&zone(&[("@", "A", &["192.0.2.1", "192.0.2.2"])]));
        let mut found = wanted.clone();
        found[2].records.reverse();
        assert_eq!(changes(&found, &wanted), []);
        found[2].ttl = 60;
        assert_eq!(kinds(&changes(&found, &wanted)).len(), 1);
    }

    #[test]
    fn what_differs_is_said_by_name_and_type() {
        let wanted = wanted(&zone(&[("@", "A", &["192.0.2.1"]), ("www", "A", &["192.0.2.1"])]));
        let mut found = wanted.clone();
        found[2].records[0].content = "192.0.2.66".into();
        found[3].name = "evil.example.com.".into();
        let name = "example.com".parse().expect("a zone");
        let said: Vec<(What, Change)> =
            differences(&name, &found, &wanted).into_iter().map(|one| (one.what, one.change)).collect();
        let set = |text: &str| What::Resource(format!("zone example.com: {text}"));
        let expected = [
            (set("evil.example.com. A"), Change::Remove),
            (set("example.com. A"), Change::Replace),
            (set("www.example.com. A"), Change::Create),
        ];
        assert_eq!(said, expected);
        assert_eq!(differences(&name, &wanted, &wanted), []);
    }

    #[test]
    fn text_is_sent_quoted_and_names_absolute() {
        let sets =
            wanted(&zone(&[("@", "TXT", &["v=spf1 \"x\" $INCLUDE"]), ("@", "MX", &["10 mail.example.com"])]));
        assert_eq!(sets[2].records[0].content, "\"v=spf1 \\\"x\\\" $INCLUDE\"");
        assert_eq!(sets[3].records[0].content, "10 mail.example.com.");
    }
}
