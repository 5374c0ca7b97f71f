//! What is refused before it is asked who calls: an address that is too long, and one who asks too often.

use axum::{
    extract::Request,
    response::{IntoResponse, Response},
};

use super::{
    client_address::Client,
    problem::{Failure, Kind},
};
use crate::rates::{Rates, Shown};

/// The longest path and query: a list's with all its filters is some hundred characters.
pub(super) const LONGEST_ADDRESS: usize = 8 * 1024;

pub(super) async fn enter<F: Future<Output = Response>>(
    rates: &Rates,
    request: Request,
    next: impl FnOnce(Request) -> F,
) -> Response {
    match judge(rates, &request) {
        Ok(()) => next(request).await,
        Err(failure) => failure.into_response(),
    }
}

fn judge(rates: &Rates, request: &Request) -> Result<(), Failure> {
    if let Some(client) = Client::of(request) {
        rates
            .of_address(client, request.extensions().get::<Shown>())
            .map_err(|exceeded| Failure::too_often("this address", exceeded))?;
    }
    let length = request.uri().path_and_query().map_or(0, |address| address.as_str().len());
    if length > LONGEST_ADDRESS {
        let detail = format!("a path and a query have at most {LONGEST_ADDRESS} characters (got {length})");
        return Err(Failure::new(Kind::AddressTooLong, detail));
    }
    Ok(())
}
