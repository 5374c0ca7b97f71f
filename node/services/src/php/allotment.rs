//! What an account's processes may take of the node: limits of its slice, in which all of them are.

use npanel_host::Systemd;
use npanel_model::{Allotment, Uid};

use super::units::slice;
use crate::{Difference, ServiceError};

/// Gives everything that runs as the account these limits, now and from now on. Answers whether it had others.
///
/// # Errors
/// If systemd refuses.
pub async fn limit_account(systemd: &Systemd, uid: Uid, allotment: &Allotment) -> Result<bool, ServiceError> {
    Ok(systemd.limit_slice(&slice(uid), allotment).await?)
}

/// How the account's limits differ, if they do.
///
/// # Errors
/// If systemd cannot be asked.
pub async fn limits_difference(
    systemd: &Systemd,
    uid: Uid,
    allotment: &Allotment,
) -> Result<Option<Difference>, ServiceError> {
    let slice = slice(uid);
    if systemd.has_limits(&slice, allotment).await? {
        return Ok(None);
    }
    let what = format!("limits of {slice}");
    let expected = if allotment.is_unlimited() { "none".to_owned() } else { allotment.to_text() };
    Ok(Some(Difference::resource(what, expected, Some("others".to_owned()))))
}
