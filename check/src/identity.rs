//! A machine's own certificate.

use npanel_model::Timestamp;
use npanel_pki::{Credentials, Due};

use crate::{Report, Verdict};

/// How the certificate stands by this machine's clock. An expired one is renewed when the daemon runs and reaches
/// a controller, so it is no error.
pub fn certificate(report: &mut Report, credentials: &Credentials) {
    let own = credentials.own();
    let until = own.not_after;
    let told = format!("{}, until {until}", own.id.identity);
    match own.due(Timestamp::now()) {
        None => report.ok("certificate", told),
        Some(Due::NotYetValid) => report.add(
            "certificate",
            Verdict::Warning,
            format!("{told}; it is not valid before {}", own.not_before),
            "set this machine's clock; the certificate is then renewed by itself",
        ),
        Some(due) => report.add(
            "certificate",
            Verdict::Warning,
            format!("{told}; it is due for renewal: {}", due.as_str()),
            "it is renewed by itself while the daemon runs and reaches a controller",
        ),
    }
}
