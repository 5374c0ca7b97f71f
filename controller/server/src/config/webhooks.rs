//! `[webhooks]`: where webhooks may be besides the Internet at large.

use npanel_model::Network;

use super::fields::Fields;

pub(super) fn read(fields: &mut Fields) -> Vec<Network> {
    let Some(mut section) = fields.section_if_there("webhooks") else { return Vec::new() };
    let network = |text: &str| text.parse::<Network>().map_err(|error| error.to_string());
    let allowed = section.texts("allowed_networks", network);
    fields.end_section(section);
    allowed
}
