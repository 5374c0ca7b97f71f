//! `/device`: where somebody signs in whom a program waits for (RFC 8628), with a password or by an identity provider, sees what
//! asks, and confirms or refuses it.
//!
//! The page keeps nothing in the browser: who has signed in is in a sealed text that the form itself carries and that counts for some
//! minutes ([`proof`]), so no other site has anything to borrow. Only a sign-in that is at an identity provider is in a
//! cookie, which binds it to the browser that began it. Any controller goes on with what another began.

mod asking;
mod brief;
mod decide;
mod page;
mod password;
mod proof;
mod provider;

pub(crate) use self::asking::code_hash;

use axum::{Router, routing};

use super::app::App;

/// The routes of the page. They are not in the document: they are for browsers.
pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/device", routing::get(asking::ask))
        .route("/device/page.css", routing::get(page::style))
        .route("/device/sign-in", routing::post(password::sign_in))
        .route("/device/provider/{id}", routing::get(provider::begin))
        .route(CALLBACK, routing::get(provider::finish))
        .route("/device/decide", routing::post(decide::decide))
}

/// Where people come back to from an identity provider.
const CALLBACK: &str = "/device/callback";
