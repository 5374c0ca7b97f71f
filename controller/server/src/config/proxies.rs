//! In `[api]`: whom the API believes that says for whom it asks.

use super::{fields::Fields, outgoing::network};
use crate::http::{ForwardedHeader, TrustedProxies};

pub(super) fn read(api: &mut Fields) -> TrustedProxies {
    let networks = api.texts_if_there("trusted_proxies", network);
    let header = api.text_or("forwarded_header", ForwardedHeader::default(), header);
    TrustedProxies::new(&networks, header.unwrap_or_default())
}

fn header(text: &str) -> Result<ForwardedHeader, String> {
    if text.eq_ignore_ascii_case("X-Forwarded-For") {
        Ok(ForwardedHeader::XForwardedFor)
    } else if text.eq_ignore_ascii_case("Forwarded") {
        Ok(ForwardedHeader::Forwarded)
    } else {
        Err(format!("X-Forwarded-For or Forwarded is expected (got {text:?})"))
    }
}
