//! What answers say of quotas: `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-12), lists of structured
//! fields (RFC 9651).

use std::{
    fmt::Write,
    sync::{Arc, OnceLock},
};

use http::HeaderValue;

use super::meter::{Policy, Standing};

/// What quotas there are: how many requests (`q`) in how many seconds (`w`).
pub(crate) const RATE_LIMIT_POLICY_HEADER: &str = "ratelimit-policy";
/// How many requests are left of each (`r`), and in how many seconds all of it is there again (`t`).
pub(crate) const RATE_LIMIT_HEADER: &str = "ratelimit";

/// A request's place for what its answer is to say. An answer is made anew on its way out where it is a problem or says that
/// nothing has changed, so it is said at the end.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shown(Arc<OnceLock<[HeaderValue; 2]>>);

impl Shown {
    /// What was said first counts.
    pub(super) fn say(&self, policy: HeaderValue, standings: impl IntoIterator<Item = Standing>) {
        let mut text = String::with_capacity(48);
        for Standing { name, remaining, reset_seconds } in standings {
            let comma = if text.is_empty() { "" } else { ", " };
            write!(text, "{comma}\"{name}\";r={remaining};t={reset_seconds}")
                .expect("a string takes every write");
        }
        if let Ok(value) = HeaderValue::try_from(text) {
            let _ = self.0.set([policy, value]);
        }
    }

    /// The policy and the standing, if the request was counted.
    pub(crate) fn said(&self) -> Option<&[HeaderValue; 2]> {
        self.0.get()
    }
}

/// `None` if there are none.
pub(super) fn policy(policies: impl IntoIterator<Item = Policy>) -> Option<HeaderValue> {
    let one = |Policy { name, quota, window_seconds }| format!("\"{name}\";q={quota};w={window_seconds}");
    let all: Vec<String> = policies.into_iter().map(one).collect();
    if all.is_empty() { None } else { HeaderValue::try_from(all.join(", ")).ok() }
}
