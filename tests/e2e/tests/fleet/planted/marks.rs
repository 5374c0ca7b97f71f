//! What is looked for: a secret in every form in which it could have slipped out.

use anyhow::{Context, Result};
use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};

/// What a mark is, for who may have it somewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// What nobody but its owner has.
    Secret,
    /// The hash that MariaDB keeps of a password.
    PasswordHash,
    /// A machine's own key.
    MachinesOwn,
}

/// A secret, and its forms.
#[derive(Debug, Clone)]
pub(super) struct Mark {
    /// What it is.
    pub(super) name: String,
    pub(super) kind: Kind,
    /// As a caller types it, if one does.
    pub(super) typed: Option<String>,
    pub(super) forms: Vec<Vec<u8>>,
}

/// A password that occurs nowhere else, and that whoever quotes, escapes or encodes it has to change. Its last 32 characters are hexadecimal
/// digits, which no form of escaping changes.
pub(super) fn password(of: &str) -> String {
    let random = npanel_model::RequestId::generate().to_string().replace('-', "");
    format!("Mk\"{of}\\<>&'%+{random}")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn percent(bytes: &[u8]) -> String {
    bytes
        .iter()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(*byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect()
}

/// Base64 of something that these bytes are in the middle of, wherever they begin: what lies between the first and the last
/// characters, which depend on the neighbours.
fn base64_within(bytes: &[u8]) -> Vec<String> {
    (0..3)
        .flat_map(|shift| {
            let padded = [vec![0; shift], bytes.to_vec()].concat();
            let whole = padded.len() / 3 * 3;
            let skip = if shift == 0 { 0 } else { 4 };
            [STANDARD_NO_PAD.encode(&padded[..whole]), URL_SAFE_NO_PAD.encode(&padded[..whole])]
                .map(|text| text[skip..].to_owned())
        })
        .collect()
}

/// A secret of thirty-two bytes is as lost in part: its first half is looked for as well.
fn forms(bytes: &[u8]) -> Vec<Vec<u8>> {
    let (lower, upper) = (hex(bytes), hex(bytes).to_uppercase());
    let escaped: String = bytes.iter().flat_map(|byte| std::ascii::escape_default(*byte)).map(char::from).collect();
    let json = serde_json::to_string(&String::from_utf8_lossy(bytes)).unwrap_or_default();
    // As `Debug` prints a vector, and JSON a list.
    let listed = |between: &str| bytes.iter().map(u8::to_string).collect::<Vec<_>>().join(between);
    let texts = [lower, upper, percent(bytes), escaped, json.trim_matches('"').to_owned(), listed(", "), listed(",")];
    let mut forms: Vec<Vec<u8>> = texts.into_iter().map(String::into_bytes).collect();
    forms.extend(base64_within(bytes).into_iter().map(String::into_bytes));
    forms.push(bytes.to_vec());
    forms
}

impl Mark {
    pub(super) fn of_bytes(name: &str, kind: Kind, bytes: &[u8]) -> Self {
        Self { name: name.to_owned(), kind, typed: None, forms: Vec::new() }.with(forms(bytes))
    }

    fn with(mut self, forms: Vec<Vec<u8>>) -> Self {
        self.forms.extend(forms);
        self.forms.sort();
        self.forms.dedup();
        self
    }

    pub(super) fn of_text(name: &str, text: &str) -> Self {
        let mark = Self { typed: Some(text.to_owned()), ..Self::of_bytes(name, Kind::Secret, text.as_bytes()) };
        // The secret part alone, of what is an id, a secret and perhaps a pin; and what that is the base64 of.
        let words = text.split(['.', '_']).filter(|word| word.len() > 20 && word.parse::<uuid::Uuid>().is_err());
        words.fold(mark, |mark, word| {
            let decoded = URL_SAFE_NO_PAD.decode(word).or_else(|_| STANDARD.decode(word)).unwrap_or_default();
            let of_decoded = if decoded.len() >= 16 { forms(&decoded) } else { Vec::new() };
            mark.with(forms(word.as_bytes())).with(of_decoded)
        })
    }

    /// A password, and the hash of it that opens MariaDB as well as it does.
    pub(super) fn of_password(name: &str, password: &str) -> [Self; 2] {
        let once = digest(&SHA1_FOR_LEGACY_USE_ONLY, password.as_bytes());
        let twice = digest(&SHA1_FOR_LEGACY_USE_ONLY, once.as_ref());
        let hash = Self::of_bytes(&format!("the hash of {name}"), Kind::PasswordHash, twice.as_ref());
        let hash = hash.with(forms(hex(twice.as_ref()).to_uppercase().as_bytes()));
        let core = password.split_at(password.len().saturating_sub(32)).1;
        [Self::of_text(name, password).with(forms(core.as_bytes())).with(forms(once.as_ref())), hash]
    }

    pub(super) fn of_base64(name: &str, kind: Kind, text: &str) -> Result<Self> {
        let bytes = STANDARD.decode(text).with_context(|| format!("{name} is no base64"))?;
        Ok(Self::of_bytes(name, kind, &bytes))
    }

    /// The private key of a PEM file.
    pub(super) fn of_pem(name: &str, kind: Kind, text: &str) -> Result<Self> {
        let (_, rest) = text.split_once("-----BEGIN PRIVATE KEY-----").with_context(|| format!("{name} is no PEM"))?;
        let (body, _) = rest.split_once("-----END").with_context(|| format!("{name} does not end"))?;
        let body: String = body.split_whitespace().collect();
        let mark = Self::of_base64(name, kind, &body)?;
        // A line of it is as good, and what precedes the key is the same in all.
        let line = body.get(64..112).with_context(|| format!("{name} is too short"))?;
        Ok(mark.with(vec![line.as_bytes().to_vec()]))
    }
}
