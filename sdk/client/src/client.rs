//! The calls.

use std::{fmt::Display, time::Duration};

use npanel_model::{OperationId, RecordSetId, ZoneId};
use npanel_sdk_types::{
    Ca, ClusterStatus, CreateRecordSet, OPERATION_HEADER, Operation, Page, RecordSet, RetireCa, RotateCa,
};
use reqwest::{Method, StatusCode};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    Config, Creatable, Deletable, Error, Noun,
    transport::{Answer, Call, Transport},
};

/// Whether a write's answer waits for the fleet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// Answer when the write is accepted.
    No,
    /// Answer when it has converged, or after this time (at most 300 s).
    Converged(Duration),
}

/// The answer to a write.
#[derive(Debug, Clone)]
pub struct Written<T> {
    /// The object as it is now.
    pub object: T,
    /// The operation, if the fleet has something to do for it.
    pub operation_id: Option<OperationId>,
    /// Whether the time to wait ended before the fleet was done.
    pub timed_out: bool,
}

/// A client. Cheap to clone; clones share connections.
#[derive(Debug, Clone)]
pub struct Client {
    transport: Transport,
}

impl Client {
    /// A client that connects with its first call.
    ///
    /// # Errors
    /// [`Error::Configuration`].
    pub fn new(config: Config) -> Result<Self, Error> {
        Ok(Self { transport: Transport::new(config)? })
    }

    /// Makes an object.
    ///
    /// # Errors
    /// If it is refused or no controller can be reached.
    pub async fn create<T: Creatable>(&self, body: &T::Create, wait: Wait) -> Result<Written<T>, Error> {
        self.post(format!("/v1/{}", T::PATH), body, wait).await
    }

    /// Reads an object.
    ///
    /// # Errors
    /// If there is none (that the key may see) or no controller can be reached.
    pub async fn get<T: Noun>(&self, id: T::Id) -> Result<T, Error> {
        self.read(format!("/v1/{}/{id}", T::PATH), &[]).await
    }

    /// Lists objects. The query may hold filters, `limit` and `after`.
    ///
    /// # Errors
    /// If it is refused or no controller can be reached.
    pub async fn list<T: Noun>(&self, query: &[(&str, String)]) -> Result<Page<T>, Error> {
        self.read(format!("/v1/{}", T::PATH), query).await
    }

    /// Lists all objects that pass the filters, page by page.
    ///
    /// # Errors
    /// If it is refused or no controller can be reached.
    pub async fn list_all<T: Noun>(&self, filters: &[(&str, String)]) -> Result<Vec<T>, Error> {
        self.read_all(format!("/v1/{}", T::PATH), filters).await
    }

    /// Removes an object. The operation is there if the fleet has something to do for it.
    ///
    /// # Errors
    /// If it is refused or no controller can be reached.
    pub async fn delete<T: Deletable>(&self, id: T::Id, wait: Wait) -> Result<Option<Operation>, Error> {
        self.remove(format!("/v1/{}/{id}", T::PATH), wait).await
    }

    /// Adds a record set to a zone.
    ///
    /// # Errors
    /// If it is refused or no controller can be reached.
    pub async fn create_record_set(
        &self,
        zone: ZoneId,
        body: &CreateRecordSet,
        wait: Wait,
    ) -> Result<Written<RecordSet>, Error> {
        self.post(record_sets(zone), body, wait).await
    }

    /// Reads a record set.
    ///
    /// # Errors
    /// If there is none (that the key may see) or no controller can be reached.
    pub async fn record_set(&self, zone: ZoneId, id: RecordSetId) -> Result<RecordSet, Error> {
        self.read(format!("{}/{id}", record_sets(zone)), &[]).await
    }

    /// Lists all record sets of a zone that pass the filters.
    ///
    /// # Errors
    /// If it is refused or no controller can be reached.
    pub async fn record_sets(
        &self,
        zone: ZoneId,
        filters: &[(&str, String)],
    ) -> Result<Vec<RecordSet>, Error> {
        self.read_all(record_sets(zone), filters).await
    }

    /// Removes a record set.
    ///
    /// # Errors
    /// If it is refused or no controller can be reached.
    pub async fn delete_record_set(
        &self,
        zone: ZoneId,
        id: RecordSetId,
        wait: Wait,
    ) -> Result<Option<Operation>, Error> {
        self.remove(format!("{}/{id}", record_sets(zone)), wait).await
    }

    /// The controllers and their agreement.
    ///
    /// # Errors
    /// If it is refused or no controller can be reached.
    pub async fn cluster_status(&self) -> Result<ClusterStatus, Error> {
        self.read("/v1/cluster".to_owned(), &[]).await
    }

    /// The certificate authorities.
    ///
    /// # Errors
    /// If it is refused or no controller can be reached.
    pub async fn ca(&self) -> Result<Ca, Error> {
        self.read("/v1/ca".to_owned(), &[]).await
    }

    /// Makes a new certificate authority, which issues from now on.
    ///
    /// # Errors
    /// If it is refused or no controller can be reached.
    pub async fn rotate_ca(&self) -> Result<Ca, Error> {
        Ok(self.post("/v1/ca/rotate".to_owned(), &RotateCa {}, Wait::No).await?.object)
    }

    /// Has the certificate authority before the last rotation trusted no longer.
    ///
    /// # Errors
    /// If it is refused or no controller can be reached.
    pub async fn retire_ca(&self, body: &RetireCa) -> Result<Ca, Error> {
        Ok(self.post("/v1/ca/retire".to_owned(), body, Wait::No).await?.object)
    }

    /// An operation as it is when it has ended, or after `timeout`.
    pub(crate) async fn operation_within(
        &self,
        id: OperationId,
        timeout: Duration,
    ) -> Result<Operation, Error> {
        let call = Call::new(Method::GET, format!("/v1/operations/{id}")).waiting(Wait::Converged(timeout));
        self.transport.send(call).await?.json()
    }

    async fn post<T: DeserializeOwned>(
        &self,
        path: String,
        body: &impl Serialize,
        wait: Wait,
    ) -> Result<Written<T>, Error> {
        let body = serde_json::to_vec(body)
            .map_err(|error| Error::Configuration(format!("the request's body: {error}")))?;
        let answer = self.transport.send(Call::new(Method::POST, path).with_body(body).waiting(wait)).await?;
        Ok(Written {
            operation_id: operation_of(&answer),
            timed_out: wait != Wait::No && answer.status == StatusCode::ACCEPTED,
            object: answer.json()?,
        })
    }

    async fn read<T: DeserializeOwned>(&self, path: String, query: &[(&str, String)]) -> Result<T, Error> {
        self.transport.send(Call::new(Method::GET, path).with_query(query)).await?.json()
    }

    async fn read_all<T: DeserializeOwned>(
        &self,
        path: String,
        filters: &[(&str, String)],
    ) -> Result<Vec<T>, Error> {
        let mut items = Vec::new();
        let mut after = None;
        loop {
            let mut query = filters.to_vec();
            query.push(("limit", "200".to_owned()));
            query.extend(after.take().map(|cursor| ("after", cursor)));
            let page: Page<T> = self.read(path.clone(), &query).await?;
            items.extend(page.items);
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(items),
            }
        }
    }

    async fn remove(&self, path: String, wait: Wait) -> Result<Option<Operation>, Error> {
        let answer = self.transport.send(Call::new(Method::DELETE, path).waiting(wait)).await?;
        if answer.status == StatusCode::NO_CONTENT { Ok(None) } else { answer.json().map(Some) }
    }
}

fn record_sets(zone: impl Display) -> String {
    format!("/v1/zones/{zone}/record-sets")
}

fn operation_of(answer: &Answer) -> Option<OperationId> {
    answer.headers.get(OPERATION_HEADER)?.to_str().ok()?.parse().ok()
}
