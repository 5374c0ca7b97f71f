//! Somebody who has signed in confirms what a program waits for, or refuses it.

use axum::{extract::State, response::Response};
use bytes::Bytes;
use http::HeaderMap;
use npanel_model::IdentityProviderId;
use npanel_proto::command::{self, envelope::Command, principal::Who};
use npanel_state::RefusalCode;
use serde::Deserialize;

use super::{
    page::{Page, Wrong},
    password::form,
    proof::Proof,
};
use crate::http::{
    app::App,
    problem::{Failure, Kind},
    signing_in::SigningIn,
};

#[derive(Deserialize)]
struct Form {
    proof: String,
    decision: Decision,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Decision {
    Confirm,
    Refuse,
}

pub(super) async fn decide(
    State(app): State<App>,
    from: SigningIn,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Wrong> {
    let form: Form = form(&headers, &body)?;
    let proof = Proof::open(&app, &form.proof).ok_or_else(|| {
        let detail = "that was too long ago: type the code again";
        Failure::new(Kind::Refused(RefusalCode::Unauthenticated), detail)
    })?;
    let confirms = form.decision == Decision::Confirm;
    let command = command::DecideDeviceLogin {
        device_login_id: proof.login.to_bytes(),
        user_id: proof.user.to_bytes(),
        confirms,
        totp_step: proof.totp_step,
        recovery_hash: proof.recovery_hash,
        identity_provider_id: proof.provider.map(IdentityProviderId::to_bytes).unwrap_or_default(),
    };
    let envelope = from.envelope(Who::UserId(proof.user.to_bytes()), Command::DecideDeviceLogin(command));
    app.propose_envelope(envelope).await?;
    let said = if confirms {
        "Confirmed: the program goes on in some seconds. You can close this page."
    } else {
        "Refused: the program is told so, and gets nothing. You can close this page."
    };
    Ok(Page::Done { said }.show())
}
