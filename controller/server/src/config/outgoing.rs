//! `[outgoing]`: where controllers connect to besides the Internet at large, and where they do not.

use npanel_cloud::Outside;
use npanel_model::Network;

use super::fields::Fields;

pub(super) fn read(fields: &mut Fields) -> Outside {
    let mut outside = Outside::default();
    if let Some(mut section) = fields.section_if_there("outgoing") {
        outside.allowed = section.texts_if_there("allowed_networks", network);
        outside.refused = section.texts_if_there("refused_networks", network);
        fields.end_section(section);
    }
    // As it was called when only webhooks were called.
    if let Some(mut section) = fields.section_if_there("webhooks") {
        outside.allowed.extend(section.texts("allowed_networks", network));
        fields.end_section(section);
    }
    outside
}

pub(super) fn network(text: &str) -> Result<Network, String> {
    text.parse::<Network>().map_err(|error| error.to_string())
}
