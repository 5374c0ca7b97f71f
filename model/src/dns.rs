//! DNS zones and record sets.

use std::net::{Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use crate::{Fqdn, role::UnknownName, role::named_enum, text::text_type};

named_enum! {
    /// Who answers for a zone.
    ZoneProvider, "zone provider" {
        /// The fleet's own DNS nodes.
        PowerDns = "powerdns",
        /// Amazon Route 53.
        Route53 = "route53",
    }
}

named_enum! {
    /// A record type that may be put into a zone.
    RecordType, "record type" {
        /// An IPv4 address.
        A = "A",
        /// An IPv6 address.
        Aaaa = "AAAA",
        /// Which authorities may issue certificates.
        Caa = "CAA",
        /// Another name for this one.
        Cname = "CNAME",
        /// Where mail goes.
        Mx = "MX",
        /// Which servers answer for a name.
        Ns = "NS",
        /// Where a service is.
        Srv = "SRV",
        /// Text.
        Txt = "TXT",
    }
}

/// The error of parsing a [`RecordType`].
pub type RecordTypeError = UnknownName;

/// How long resolvers may keep a record set: 30 seconds to one week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Ttl(u32);

/// A time to live outside the bounds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a TTL is 30 to 604800 seconds (got {0})")]
pub struct TtlError(u32);

impl Ttl {
    /// One hour.
    pub const HOUR: Ttl = Ttl(3600);

    /// The time to live in seconds.
    pub fn seconds(self) -> u32 {
        self.0
    }
}

impl TryFrom<u32> for Ttl {
    type Error = TtlError;
    fn try_from(seconds: u32) -> Result<Self, TtlError> {
        if (30..=604_800).contains(&seconds) { Ok(Self(seconds)) } else { Err(TtlError(seconds)) }
    }
}

impl From<Ttl> for u32 {
    fn from(ttl: Ttl) -> u32 {
        ttl.0
    }
}

/// An owner name relative to its zone: `@` for the apex, else labels that may begin with `_`
/// (`_dmarc`, `selector._domainkey`), the first of which may be `*`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RecordName(String);

/// Why an owner name is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a record's name is '@' or labels of a-z, 0-9, '-' and '_', relative to the zone (got {0:?})")]
pub struct RecordNameError(String);

impl RecordName {
    fn parse_text(text: &str) -> Result<Self, RecordNameError> {
        let lower = text.to_ascii_lowercase();
        let label = |(index, label): (usize, &str)| (index == 0 && label == "*") || is_label(label);
        if lower == "@" || (lower.len() <= 200 && lower.split('.').enumerate().all(label)) {
            Ok(Self(lower))
        } else {
            Err(RecordNameError(text.chars().take(100).collect()))
        }
    }

    /// The zone's own name.
    pub fn apex() -> Self {
        Self("@".to_owned())
    }

    /// Whether this is the zone's own name.
    pub fn is_apex(&self) -> bool {
        self.0 == "@"
    }

    /// The full name in `zone`, with the final dot.
    pub fn absolute_in(&self, zone: &Fqdn) -> String {
        if self.is_apex() { zone.absolute() } else { format!("{}.{}", self.0, zone.absolute()) }
    }
}

fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_'))
}

text_type!(RecordName, RecordNameError);

/// The data of one record, parsed by its type and written in one canonical form: names are absolute without
/// the final dot, text is raw (quoting is the writer's work).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RecordData {
    /// An IPv4 address.
    A(Ipv4Addr),
    /// An IPv6 address.
    Aaaa(Ipv6Addr),
    /// Certification authority authorization (RFC 8659).
    Caa {
        /// 0 or 128 (critical).
        flags: u8,
        /// `issue`, `issuewild` or `iodef`.
        tag: String,
        /// The authority or address.
        value: String,
    },
    /// The canonical name.
    Cname(Fqdn),
    /// A mail exchanger.
    Mx {
        /// Lower is preferred.
        preference: u16,
        /// The host.
        exchange: Fqdn,
    },
    /// A name server.
    Ns(Fqdn),
    /// A service's place (RFC 2782).
    Srv {
        /// Lower is preferred.
        priority: u16,
        /// Share among equals.
        weight: u16,
        /// TCP or UDP port.
        port: u16,
        /// The host.
        target: Fqdn,
    },
    /// Text: printable ASCII, at most 4,000 characters.
    Txt(String),
}

/// Why a record or record set is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordSetError {
    /// The data does not fit the type.
    #[error("not the data of {article} {kind} record: expected {expected} (got {got:?})", article = article(*.kind))]
    Data {
        /// The record's type.
        kind: RecordType,
        /// What is expected.
        expected: &'static str,
        /// What was given.
        got: String,
    },
    /// No records.
    #[error("a record set has at least one record")]
    Empty,
    /// More records than a set may have.
    #[error("a record set has at most 100 records (got {0})")]
    TooMany(usize),
    /// The same record twice.
    #[error("the record {0:?} is there twice")]
    Duplicate(String),
    /// Several canonical names.
    #[error("a CNAME record set has one record (got {0})")]
    SeveralCnames(usize),
    /// A CNAME at the apex, where SOA and NS are.
    #[error("a zone's own name cannot be a CNAME")]
    CnameAtApex,
    /// The zone's own name servers belong to the fleet.
    #[error("the name servers of the zone itself are the fleet's, and not changed as records")]
    NsAtApex,
}

fn article(kind: RecordType) -> &'static str {
    match kind {
        RecordType::A | RecordType::Aaaa | RecordType::Mx | RecordType::Ns | RecordType::Srv => "an",
        RecordType::Caa | RecordType::Cname | RecordType::Txt => "a",
    }
}

impl RecordData {
    /// Parses the data of a record of type `kind`.
    ///
    /// # Errors
    /// [`RecordSetError::Data`], with what was expected.
    pub fn parse(kind: RecordType, text: &str) -> Result<Self, RecordSetError> {
        let expected = match kind {
            RecordType::A => "an IPv4 address",
            RecordType::Aaaa => "an IPv6 address",
            RecordType::Caa => "<0|128> <issue|issuewild|iodef> <value>",
            RecordType::Cname | RecordType::Ns => "a domain name",
            RecordType::Mx => "<preference> <domain name>",
            RecordType::Srv => "<priority> <weight> <port> <domain name>",
            RecordType::Txt => "1 to 4000 printable ASCII characters",
        };
        let words: Vec<&str> = text.split(' ').collect();
        let parsed = match (kind, words.as_slice()) {
            (RecordType::A, [address]) => address.parse().ok().map(Self::A),
            (RecordType::Aaaa, [address]) => address.parse().ok().map(Self::Aaaa),
            (RecordType::Cname, [name]) => name.parse().ok().map(Self::Cname),
            (RecordType::Ns, [name]) => name.parse().ok().map(Self::Ns),
            (RecordType::Mx, [preference, name]) => mx(preference, name),
            (RecordType::Srv, [priority, weight, port, name]) => srv(priority, weight, port, name),
            (RecordType::Caa, [flags, tag, value]) => caa(flags, tag, value),
            (RecordType::Txt, _) => txt(text),
            _ => None,
        };
        parsed.ok_or_else(|| RecordSetError::Data { kind, expected, got: text.chars().take(200).collect() })
    }

    /// The record's type.
    pub fn kind(&self) -> RecordType {
        match self {
            Self::A(_) => RecordType::A,
            Self::Aaaa(_) => RecordType::Aaaa,
            Self::Caa { .. } => RecordType::Caa,
            Self::Cname(_) => RecordType::Cname,
            Self::Mx { .. } => RecordType::Mx,
            Self::Ns(_) => RecordType::Ns,
            Self::Srv { .. } => RecordType::Srv,
            Self::Txt(_) => RecordType::Txt,
        }
    }

    /// The canonical text, which parses to this value again.
    pub fn canonical(&self) -> String {
        match self {
            Self::A(address) => address.to_string(),
            Self::Aaaa(address) => address.to_string(),
            Self::Caa { flags, tag, value } => format!("{flags} {tag} {value}"),
            Self::Cname(name) | Self::Ns(name) => name.to_string(),
            Self::Mx { preference, exchange } => format!("{preference} {exchange}"),
            Self::Srv { priority, weight, port, target } => format!("{priority} {weight} {port} {target}"),
            Self::Txt(text) => text.clone(),
        }
    }

    /// The record's content as a zone file writes it (RFC 1035): absolute names, quoted and escaped text in
    /// strings of at most 255 octets.
    pub fn presentation(&self) -> String {
        match self {
            Self::Cname(name) | Self::Ns(name) => name.absolute(),
            Self::Mx { preference, exchange } => format!("{preference} {}", exchange.absolute()),
            Self::Srv { priority, weight, port, target } => {
                format!("{priority} {weight} {port} {}", target.absolute())
            }
            Self::Caa { flags, tag, value } => format!("{flags} {tag} {}", quoted(value)),
            Self::Txt(text) => {
                // Printable ASCII, so every byte offset is a character boundary.
                let strings: Vec<String> = text
                    .as_bytes()
                    .chunks(255)
                    .map(|chunk| quoted(&String::from_utf8_lossy(chunk)))
                    .collect();
                strings.join(" ")
            }
            Self::A(_) | Self::Aaaa(_) => self.canonical(),
        }
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn printable(text: &str) -> bool {
    text.bytes().all(|byte| (0x20..0x7f).contains(&byte))
}

fn number<N: std::str::FromStr>(text: &str) -> Option<N> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

fn mx(preference: &str, name: &str) -> Option<RecordData> {
    Some(RecordData::Mx { preference: number(preference)?, exchange: name.parse().ok()? })
}

fn srv(priority: &str, weight: &str, port: &str, name: &str) -> Option<RecordData> {
    Some(RecordData::Srv {
        priority: number(priority)?,
        weight: number(weight)?,
        port: number(port)?,
        target: name.parse().ok()?,
    })
}

fn caa(flags: &str, tag: &str, value: &str) -> Option<RecordData> {
    let flags = number(flags).filter(|flags| matches!(flags, 0 | 128))?;
    let known = matches!(tag, "issue" | "issuewild" | "iodef");
    let good = known && (1..=200).contains(&value.len()) && printable(value) && !value.contains(['"', '\\']);
    good.then(|| RecordData::Caa { flags, tag: tag.to_owned(), value: value.to_owned() })
}

fn txt(text: &str) -> Option<RecordData> {
    ((1..=4000).contains(&text.len()) && printable(text)).then(|| RecordData::Txt(text.to_owned()))
}

/// Checks what holds of a record set as a whole, and returns its records in canonical order.
///
/// # Errors
/// The first rule that the set breaks.
pub fn validate_record_set(
    name: &RecordName,
    kind: RecordType,
    records: &[String],
) -> Result<Vec<RecordData>, RecordSetError> {
    match (kind, name.is_apex()) {
        (RecordType::Cname, true) => return Err(RecordSetError::CnameAtApex),
        (RecordType::Ns, true) => return Err(RecordSetError::NsAtApex),
        _ => {}
    }
    match records.len() {
        0 => return Err(RecordSetError::Empty),
        101.. => return Err(RecordSetError::TooMany(records.len())),
        2.. if kind == RecordType::Cname => return Err(RecordSetError::SeveralCnames(records.len())),
        _ => {}
    }
    let mut parsed =
        records.iter().map(|text| RecordData::parse(kind, text)).collect::<Result<Vec<_>, _>>()?;
    parsed.sort();
    if let Some(pair) = parsed.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(RecordSetError::Duplicate(pair[0].canonical()));
    }
    Ok(parsed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn data_must_fit_its_type() {
        for (kind, text) in [
            (RecordType::A, "2001:db8::1"),
            (RecordType::A, "192.0.2.1 "),
            (RecordType::A, "1.2.3"),
            (RecordType::Mx, "mail.example.com"),
            (RecordType::Mx, "+10 mail.example.com"),
            (RecordType::Cname, "a b.example"),
            (RecordType::Txt, "a\nb"),
            (RecordType::Txt, ""),
            (RecordType::Caa, "1 issue x"),
            (RecordType::Caa, "0 issue \"x"),
            (RecordType::Srv, "1 2 99999 a.example"),
        ] {
            assert!(RecordData::parse(kind, text).is_err(), "{kind} {text:?}");
        }
    }

    #[test]
    fn the_apex_keeps_its_name_servers() {
        let apex = RecordName::apex();
        assert_eq!(
            validate_record_set(&apex, RecordType::Ns, &["a.b".into()]),
            Err(RecordSetError::NsAtApex)
        );
        assert_eq!(
            validate_record_set(&apex, RecordType::Cname, &["a.b".into()]),
            Err(RecordSetError::CnameAtApex)
        );
    }

    #[test]
    fn long_text_is_split_and_quoted() {
        let data = RecordData::parse(RecordType::Txt, &"x\"".repeat(200)).expect("text");
        assert_eq!(data.presentation().matches("\" \"").count(), 1);
        assert!(data.presentation().starts_with("\"x\\\""));
    }

    #[test]
    fn owner_names_stay_inside_the_zone() {
        let zone: Fqdn = "example.com".parse().expect("a zone");
        let name: RecordName = "_dmarc".parse().expect("a name");
        assert_eq!(name.absolute_in(&zone), "_dmarc.example.com.");
        for text in ["", "a..b", "a.", "$INCLUDE", "a b", "a\nb", "*a", "a.*", "..", "@.a"] {
            assert!(text.parse::<RecordName>().is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_parses_has_one_canonical_form(kind in prop::sample::select(RecordType::ALL), text in ".{0,60}") {
            if let Ok(data) = RecordData::parse(kind, &text) {
                prop_assert_eq!(RecordData::parse(kind, &data.canonical()), Ok(data.clone()));
                prop_assert!(!data.presentation().contains(['\n', '\0']));
            }
        }
    }
}
