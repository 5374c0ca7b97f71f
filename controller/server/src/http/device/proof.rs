//! That somebody has shown who they are, for this one sign-in that a program waits for.

use npanel_model::{DeviceLoginId, IdentityProviderId, Timestamp, UserId};
use serde::{Deserialize, Serialize};

use super::brief;
use crate::http::{app::App, problem::Failure};

const PURPOSE: &str = "device proof";

/// As long as it takes to read the page.
const MILLIS: i64 = 5 * 60 * 1000;

/// Who has signed in, and by what.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Proof {
    pub(super) login: DeviceLoginId,
    pub(super) user_code: String,
    pub(super) user: UserId,
    /// The second factor, which is taken when they confirm.
    pub(super) totp_step: Option<u64>,
    pub(super) recovery_hash: Vec<u8>,
    /// Who has said so; `None`: they have shown a password.
    pub(super) provider: Option<IdentityProviderId>,
}

impl Proof {
    /// As the form carries it.
    pub(super) fn seal(&self, app: &App) -> Result<String, Failure> {
        let until = Timestamp::from_millis(Timestamp::now().as_millis() + MILLIS);
        brief::seal(app, PURPOSE, until, self)
    }

    /// The same again, if it counts still.
    pub(super) fn open(app: &App, text: &str) -> Option<Self> {
        brief::open(app, PURPOSE, text).map(|(proof, _)| proof)
    }
}
