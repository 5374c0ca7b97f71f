//! `[keys]`: the key management service that seals the machine's key.

use npanel_cloud::Kms;

use super::{absolute_path, fields::Fields};

/// Where the machine's key rests, which seals what this machine has of the cluster's secrets.
#[derive(Debug, Clone)]
pub enum KeyPlace {
    /// In a file.
    File,
    /// In a file, sealed by a service that is asked at every start.
    Kms(Kms),
    /// In a file; if it is sealed by the service still, the next start has it open it, and makes another.
    BackToFile(Kms),
}

impl KeyPlace {
    /// The service, if one is to be asked.
    pub fn kms(&self) -> Option<&Kms> {
        match self {
            Self::File => None,
            Self::Kms(kms) | Self::BackToFile(kms) => Some(kms),
        }
    }
}

pub(super) fn read(fields: &mut Fields) -> Option<KeyPlace> {
    let Some(mut section) = fields.section_if_there("keys") else { return Some(KeyPlace::File) };
    let plain =
        |text: &str| if text.is_empty() { Err("it is empty".to_owned()) } else { Ok(text.to_owned()) };
    let key = section.text("kms", plain);
    let region = section.text("region", plain);
    let keys_file = section.text("keys_file", absolute_path);
    let usual = format!("https://kms.{}.amazonaws.com", region.as_deref().unwrap_or_default());
    let endpoint = section.text_or("endpoint", usual, plain);
    let is_left = section.flag("back_to_file");
    let kms =
        key.zip(region).zip(keys_file).zip(endpoint).and_then(|(((key, region), keys_file), endpoint)| {
            let made = Kms::new(&endpoint, &region, &key, keys_file).map_err(|error| error.to_string());
            section.checked("endpoint", made)
        });
    fields.end_section(section);
    Some(if is_left? { KeyPlace::BackToFile(kms?) } else { KeyPlace::Kms(kms?) })
}
