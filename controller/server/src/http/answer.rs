//! Answers to writes.

use std::{fmt::Display, future::Future};

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use http::{
    HeaderName, HeaderValue, StatusCode,
    header::{ETAG, LOCATION},
};
use npanel_model::{IdError, OperationId};
use npanel_sdk_types::{INDEX_HEADER, OPERATION_HEADER, Revised};
use npanel_state::RefusalCode;
use serde::Serialize;

use super::{
    app::{App, Written},
    asked::{Asked, RETURN_MINIMAL},
    fresh::Steady,
    operations,
    problem::{Failure, Kind},
};

/// An object with its revision as the entity tag.
pub(crate) struct Tagged<T>(pub(crate) T);

impl<T: Serialize + Revised> IntoResponse for Tagged<T> {
    fn into_response(self) -> Response {
        let tag = format!("\"{}\"", self.0.revision());
        let mut response = Json(self.0).into_response();
        insert(&mut response, ETAG, tag);
        if T::IS_STEADY {
            response.extensions_mut().insert(Steady);
        }
        response
    }
}

/// Reads an id of the path. What is not an id is not there.
pub(crate) fn id<T: std::str::FromStr>(what: &str, text: &str) -> Result<T, Failure> {
    text.parse().map_err(|_| Failure::not_found(what))
}

/// The id of the object that a write made. It may be an earlier one, if the write is a repetition.
pub(crate) fn made<T>(
    accepted: &Written,
    parse: impl FnOnce(&[u8]) -> Result<T, IdError>,
) -> Result<T, Failure> {
    parse(&accepted.object_id).map_err(|error| Failure::internal(&error))
}

pub(super) fn operation_of(accepted: &Written) -> Result<Option<OperationId>, Failure> {
    if accepted.operation_id.is_empty() {
        return Ok(None);
    }
    OperationId::from_bytes(&accepted.operation_id).map(Some).map_err(|error| Failure::internal(&error))
}

/// 201, where the object is, and its operation if the fleet has something to do; 202 if it was to be waited
/// for and the time ended first. The object is read after the waiting.
pub(crate) async fn created<T: Serialize + Revised, F: Future<Output = Result<T, Failure>>>(
    app: &App,
    asked: &Asked,
    accepted: &Written,
    path: impl Display,
    object: impl FnOnce() -> F,
) -> Result<Response, Failure> {
    let mut response = written(app, asked, accepted, StatusCode::CREATED, object).await?;
    insert(&mut response, LOCATION, path);
    Ok(response)
}

/// 200 and the object as it is now, or 204 for who prefers that; 202 if it was to be waited for and the time ended first.
pub(crate) async fn updated<T: Serialize + Revised, F: Future<Output = Result<T, Failure>>>(
    app: &App,
    asked: &Asked,
    accepted: &Written,
    object: impl FnOnce() -> F,
) -> Result<Response, Failure> {
    if !asked.prefers_minimal {
        return written(app, asked, accepted, StatusCode::OK, object).await;
    }
    let operation = operation_of(accepted)?;
    let status = status(app, asked, operation, StatusCode::NO_CONTENT).await?;
    let mut response = indexed(accepted, status);
    name_operation(&mut response, operation);
    insert(&mut response, HeaderName::from_static("preference-applied"), RETURN_MINIMAL);
    Ok(response)
}

async fn written<T: Serialize + Revised, F: Future<Output = Result<T, Failure>>>(
    app: &App,
    asked: &Asked,
    accepted: &Written,
    done: StatusCode,
    object: impl FnOnce() -> F,
) -> Result<Response, Failure> {
    let operation = operation_of(accepted)?;
    let status = status(app, asked, operation, done).await?;
    let object = object().await.map_err(|failure| gone(accepted, failure))?;
    let mut response = indexed(accepted, (status, Tagged(object)));
    name_operation(&mut response, operation);
    Ok(response)
}

/// `done`, or 202 if the operation was to be waited for and the time ended first.
async fn status(
    app: &App,
    asked: &Asked,
    operation: Option<OperationId>,
    done: StatusCode,
) -> Result<StatusCode, Failure> {
    match operation.zip(asked.wait) {
        Some((operation, time)) if !app.is_finished_within(operation, time).await? => {
            Ok(StatusCode::ACCEPTED)
        }
        _ => Ok(done),
    }
}

fn name_operation(response: &mut Response, operation: Option<OperationId>) {
    if let Some(operation) = operation {
        insert(response, HeaderName::from_static(OPERATION_HEADER), operation);
    }
}

/// 202 and the operation, or 200 if it was waited for and is done. 204 if the fleet has nothing to do.
pub(crate) async fn deleted(app: &App, asked: &Asked, accepted: &Written) -> Result<Response, Failure> {
    let Some(id) = operation_of(accepted)? else { return Ok(indexed(accepted, StatusCode::NO_CONTENT)) };
    let status = match asked.wait {
        Some(time) if app.is_finished_within(id, time).await? => StatusCode::OK,
        _ => StatusCode::ACCEPTED,
    };
    let operation = operations::read(app, &asked.caller, id).await;
    let operation = operation.map_err(|failure| gone(accepted, failure))?;
    let mut response = indexed(accepted, (status, Json(operation)));
    insert(&mut response, HeaderName::from_static(OPERATION_HEADER), id);
    Ok(response)
}

/// The answer to a write, with the place in the log from which on reads show it.
pub(crate) fn indexed(written: &Written, answer: impl IntoResponse) -> Response {
    let mut response = answer.into_response();
    response.headers_mut().insert(INDEX_HEADER, HeaderValue::from(written.index));
    response
}

/// Why there is nothing to show. Of a repetition, because what the first request made or changed has gone since.
pub(super) fn gone(written: &Written, failure: Failure) -> Failure {
    if written.replayed && failure.kind() == Kind::Refused(RefusalCode::NotFound) {
        let detail = "this request was carried out before, under the same idempotency key, and what it made or changed \
                      has gone since";
        return Failure::new(Kind::GoneSince, detail);
    }
    failure
}

fn insert(response: &mut Response, name: HeaderName, value: impl Display) {
    // Ids and our own paths are ASCII.
    if let Ok(value) = HeaderValue::try_from(value.to_string()) {
        response.headers_mut().insert(name, value);
    }
}
