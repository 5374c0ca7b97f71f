//! `/problems/{code}`: where a problem's `type` leads. For people, without an API key.

use axum::{
    extract::Path,
    response::{IntoResponse, Response},
};
use http::{StatusCode, header::CONTENT_TYPE};
use npanel_state::RefusalCode;

use super::problem::{Failure, Kind, meaning};

pub(super) async fn page(Path(code): Path<String>) -> Response {
    match Kind::all().find(|kind| meaning(*kind).1 == code) {
        Some(kind) => ([(CONTENT_TYPE, "text/plain; charset=utf-8")], text(kind)).into_response(),
        None => Failure::of_status(StatusCode::NOT_FOUND).into_response(),
    }
}

fn text(kind: Kind) -> String {
    let (status, code, title) = meaning(kind);
    format!("{code} ({})\n\n{title}.\n\n{}\n", status.as_u16(), advice(kind))
}

/// What whoever meets it can do.
fn advice(kind: Kind) -> &'static str {
    match kind {
        Kind::Refused(code) => refusal_advice(code),
        Kind::MalformedBody => "Send JSON in UTF-8. The detail says where it ends to be JSON.",
        Kind::InvalidBody => {
            "The field at fault is named. The fields of each route are in /v1/openapi.json; unknown ones are refused."
        }
        Kind::UnsupportedMediaType => {
            "Send Content-Type: application/json; a PATCH also takes application/merge-patch+json."
        }
        Kind::BodyTooLarge => "A body has at most 1 MiB. Split what you send.",
        Kind::InvalidQuery => {
            "The parameter at fault is named. A limit is 1 to 200; a cursor goes with the filters of the list that gave it."
        }
        Kind::InvalidHeader => {
            "The header at fault is named. An If-Match is an entity tag that this API gave, such as \"57\"."
        }
        Kind::NoRoute => "The routes are in /v1/openapi.json.",
        Kind::MethodNotAllowed => {
            "The methods of each route are in /v1/openapi.json and in the header Allow."
        }
        Kind::DiskFull => {
            "The disk of the controller that leads is full, so it takes no writes; reads are answered, and sites are served. Free 48 MiB on its data directory's file system, or stop it, and another leads: writes go on by themselves. Repeat the request later."
        }
        Kind::NoLeader => {
            "The controllers have no majority, or are choosing a leader: that takes about two seconds. Repeat the request, a write with the same Idempotency-Key. If it lasts, see `npanel cluster status` and the controllers' logs. Sites are served meanwhile."
        }
        Kind::Removed => {
            "This machine is no controller of the cluster any more and knows nothing new. Ask another controller, and take this one's address out of --api-url, of profiles and of whatever balances between controllers. `npanel cluster status` lists those that there are."
        }
        Kind::Stopped => {
            "It has stopped writing its log or its state, and ends; its journal says why, and its service manager starts it again. The other controllers go on. Repeat the request, a write with the same Idempotency-Key, or ask another controller."
        }
        Kind::TimedOut => "Repeat the request, a write with the same Idempotency-Key: it may have happened.",
        Kind::EventsGone => {
            "Events are kept for seven days, and a million of them. Note the index in NPanel-Index or of a heartbeat, read the objects themselves (their lists), and follow the events after that index."
        }
        Kind::NotReached => {
            "The controller has not applied the log up to min_index within five seconds: it is behind, or has lost the others, or the index is of no answer of this cluster. Ask again, or another controller."
        }
        Kind::TooManyListeners => {
            "Close connections to /v1/events that nobody reads, let one connection serve several readers, or ask another controller."
        }
        Kind::Busy => "Ask again after Retry-After, or ask another controller.",
        Kind::Bucket => {
            "The detail has what the store says. See to [backup] in the controller's configuration and to the keys in its keys_file, or have the backup as the answer and keep it elsewhere."
        }
        Kind::KeyMissing => {
            "The keys of secrets are being changed, and this controller has not the newest yet, or has missed it. It asks the others for it every few seconds. Ask another controller, or this one again. `npanel secrets status` names the controllers that lack a key; if it lasts, their logs say which others they cannot reach."
        }
        Kind::TooManyGuesses => {
            "Wait for Retry-After. Guessing is slowed for each user and network; nobody is locked out of where they have signed in before. Who has forgotten a password asks somebody who manages them to set another one."
        }
        Kind::TooManyRequests => {
            "Have fewer requests under way with this API key at once, and repeat this one after Retry-After. Nothing of it was done. A key gets half of what a controller takes while it is alone, and less when others ask, too."
        }
        Kind::TooOften => {
            "Ask less often, and repeat this request after Retry-After. Nothing of it was done. The headers RateLimit-Policy and RateLimit of every answer say how many requests there are and how many are left; see docs/operations/overload.md."
        }
        Kind::AddressTooLong => "A path and its query have at most 8,192 characters.",
        Kind::Overloaded => {
            "Repeat the request after Retry-After. Nothing of it was done. If it lasts, the disks of the controllers are slow, or too many ask: see docs/operations/overload.md."
        }
        Kind::BodyTooSlow => {
            "A body has to be here within ten seconds. Nothing was done; repeat the request."
        }
        Kind::GoneSince => {
            "Nothing is to be done for this request: it happened, once. What it made or changed was deleted later. To make it again, use a new Idempotency-Key."
        }
        Kind::BadRequest => "The request is not HTTP as this API reads it.",
        Kind::Internal => {
            "It is not your fault. The controller's log has the cause under the problem's request_id."
        }
    }
}

fn refusal_advice(code: RefusalCode) -> &'static str {
    use RefusalCode as R;
    match code {
        R::NotFound => "It does not exist, or your API key's tenant does not see it.",
        R::Forbidden => {
            "The API key's patterns do not cover the action, or it is for a tenant above yours to do. `npanel api-key get` shows what a key covers."
        }
        R::SecondFactorRequired => {
            "Repeat the request with the code that the authenticator shows, or with a recovery code, as `code`."
        }
        R::Unauthenticated => {
            "Send Authorization: Bearer with an API key that is neither expired nor revoked."
        }
        R::Invalid => "The field at fault is named, and the detail says what is allowed.",
        R::NameTaken => "Choose another name. A deleted database keeps its name until its data is gone.",
        R::NameOverlaps => {
            "A name above or beneath it belongs to another account, which therefore could take its visitors. Put it on that account."
        }
        R::LimitReached => {
            "The detail names the limit and what is there. Change the plan, or have a tenant above yours raise yours."
        }
        R::TenantSuspended => {
            "Whoever is above your tenant has suspended it: `npanel tenant get` shows why, if it is yours and not one above it. What it has is kept. Reads are answered; writes are again when the suspension is lifted."
        }
        R::RevisionMismatch => {
            "Somebody changed it after you read it. Read it again, look whether your change still makes sense, and send the new entity tag."
        }
        R::InUse => "The detail says what depends on it. Move or remove that first.",
        R::Deleting => {
            "It is being removed and takes no changes. The operation of its deletion shows how far that is."
        }
        R::NoNode => {
            "The detail names every node and why it was passed over: whether it is connected, what it is for, its PHP versions and its room."
        }
        R::NodeFull => {
            "What is there fits, the larger size does not. Choose a smaller plan, or have the platform make room on the node."
        }
        R::PlacementUnmet => {
            "The plan wants its accounts in a pool, on nodes with a label, or apart from each other, and the account's node is not so. Accounts cannot be moved to other nodes yet: choose another plan, or have the platform change the node's pool or labels, or the plan."
        }
        R::TokenInvalid => "A bootstrap token is for one role, for a time and for some uses. Make a new one.",
        R::IdentityInvalid => {
            "The machine's certificate was revoked, or is none of this cluster's. Enrol the machine again."
        }
        R::IdempotencyKeyReused => "An Idempotency-Key stands for one request. Use a new one for another.",
        R::KeyReplaced => {
            "Ask again: nothing was done, and in a moment this controller has the new key. `npanel secrets status` names controllers that do not have it."
        }
        R::Unavailable => "This fleet does not offer it.",
        R::FeatureLevelTooLow => {
            "It is new, and not every controller is of a version that knows it: upgrade the others, and repeat the request. `npanel cluster status` shows the level that each controller goes up to, and whether the cluster is held at one."
        }
        R::AlreadyInitialised => "This cluster was made before. Join it instead.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_has_a_page_that_says_what_to_do() {
        let codes: std::collections::BTreeSet<&str> = Kind::all().map(|kind| meaning(kind).1).collect();
        assert_eq!(codes.len(), Kind::all().count(), "a code twice");
        for kind in Kind::all() {
            assert!(text(kind).lines().count() >= 5, "{kind:?}");
        }
    }
}
