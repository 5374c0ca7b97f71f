//! The calls.

use std::{fmt::Display, time::Duration};

use futures::{Stream, TryStreamExt};
use npanel_model::{
    AccountId, DatabaseUserId, EventPattern, NodeId, NodeLabel, OperationId, PlanId, RecordSetId, Revision,
    TenantId, ZoneId,
};
use npanel_sdk_types::{
    Bulk, BulkAnswer, CreateRecordSet, CronTable, DatabaseUser, Node, NodeHealth, OPERATION_HEADER,
    Operation, Page, PlacementReport, PlacementWish, RecordSet, RevokeNode, SetCronJobs, SetPassword,
    SetPrivileges, Suspend, UpdateRecordSet,
};
use reqwest::{Method, StatusCode};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    BulkCreatable, Config, Creatable, Deletable, Error, Events, Noun, Suspendable, Updatable, pages,
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

/// How a write of something that exists is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// Whether the answer waits for the fleet.
    pub wait: Wait,
    /// Only if the object is still at this revision.
    pub if_match: Option<Revision>,
}

impl From<Wait> for Terms {
    fn from(wait: Wait) -> Self {
        Self { wait, if_match: None }
    }
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
    pub(crate) transport: Transport,
}

impl Client {
    /// A client that connects with its first call.
    ///
    /// # Errors
    /// [`Error::Configuration`].
    pub fn new(config: Config) -> Result<Self, Error> {
        Ok(Self { transport: Transport::new(config)? })
    }

    /// The same client, whose writes change nothing: each ends with [`Error::Previewed`], or is refused as the real
    /// one would be.
    #[must_use]
    pub fn previewing(&self) -> Self {
        Self { transport: self.transport.previewing() }
    }

    /// The same client, whose reads do without the controllers' leader: each is answered with what the controller that is
    /// asked has, which may be behind.
    #[must_use]
    pub fn reading_stale(&self) -> Self {
        Self { transport: self.transport.reading_stale() }
    }

    /// The change feed: what comes after an index, or from now on. Nothing is asked before [`Events::next`].
    pub fn events(&self, after: Option<u64>, types: &[EventPattern]) -> Events {
        Events::new(self.transport.clone(), after, types)
    }

    /// Makes an object.
    ///
    /// # Errors
    /// If it is refused or no controller can be reached.
    pub async fn create<T: Creatable>(&self, body: &T::Create, wait: Wait) -> Result<Written<T>, Error> {
        self.write(Method::POST, format!("/v1/{}", T::PATH), Some(body), wait.into()).await
    }

    /// Makes up to a thousand objects by one call, each by itself: what became of each, in the same order.
    ///
    /// # Errors
    /// If the call is refused as a whole, or no controller can be reached.
    pub async fn create_bulk<T: BulkCreatable>(
        &self,
        items: Vec<T::Create>,
        wait: Wait,
    ) -> Result<BulkAnswer<T>, Error> {
        let call = Call::new(Method::POST, format!("/v1/{}:bulk", T::PATH)).on(wait.into());
        self.transport.send(call.with_body(json(&Bulk { items })?)).await?.json()
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

    /// All objects that pass the filters, one after the other: a page is asked for when what was there before it has been
    /// read. Cancelling a read loses nothing; after an error there is no more.
    ///
    /// ```no_run
    /// # async fn example(client: npanel_client::Client) -> Result<(), npanel_client::Error> {
    /// use futures::TryStreamExt;
    /// use npanel_sdk_types::Account;
    ///
    /// let mut accounts = client.stream::<Account>(&[("suspended", "true".to_owned())]);
    /// while let Some(account) = accounts.try_next().await? {
    ///     println!("{}", account.username);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn stream<T: Noun>(
        &self,
        filters: &[(&str, String)],
    ) -> impl Stream<Item = Result<T, Error>> + Send + Unpin + use<T> {
        let call = Call::new(Method::GET, format!("/v1/{}", T::PATH)).with_query(filters);
        pages::items(self.transport.clone(), call)
    }

    /// Changes an object.
    ///
    /// # Errors
    /// If it is refused or no controller can be reached.
    pub async fn update<T: Updatable>(
        &self,
        id: T::Id,
        change: &T::Update,
        terms: impl Into<Terms>,
    ) -> Result<Written<T>, Error> {
        self.write(Method::PATCH, format!("/v1/{}/{id}", T::PATH), Some(change), terms.into()).await
    }

    /// Changes an object without asking what it is then, which costs a controller less. The operation, if it has one.
    ///
    /// # Errors
    /// If it is refused or no controller can be reached.
    pub async fn change<T: Updatable>(
        &self,
        id: T::Id,
        change: &T::Update,
        terms: impl Into<Terms>,
    ) -> Result<Option<OperationId>, Error> {
        let call = Call::new(Method::PATCH, format!("/v1/{}/{id}", T::PATH)).on(terms.into()).minimal();
        Ok(operation_of(&self.transport.send(call.with_body(json(change)?)).await?))
    }

    /// Has an object not be served, with what it has.
    ///
    /// # Errors
    /// If it is refused or no controller can be reached.
    pub async fn suspend<T: Suspendable>(
        &self,
        id: T::Id,
        why: &Suspend,
        terms: impl Into<Terms>,
    ) -> Result<Written<T>, Error> {
        self.write(Method::POST, format!("/v1/{}/{id}/suspend", T::PATH), Some(why), terms.into()).await
    }

    /// Has a suspended object be served again.
    ///
    /// # Errors
    /// If it is refused or no controller can be reached.
    pub async fn unsuspend<T: Suspendable>(
        &self,
        id: T::Id,
        terms: impl Into<Terms>,
    ) -> Result<Written<T>, Error> {
        let nothing: Option<&()> = None;
        self.write(Method::POST, format!("/v1/{}/{id}/unsuspend", T::PATH), nothing, terms.into()).await
    }

    /// Sets a database user's password. The answer holds it if it was made.
    ///
    /// # Errors
    /// If it is refused or no controller can be reached.
    pub async fn set_database_password(
        &self,
        id: DatabaseUserId,
        body: &SetPassword,
        terms: impl Into<Terms>,
    ) -> Result<Written<DatabaseUser>, Error> {
        self.write(Method::PUT, format!("/v1/database-users/{id}/password"), Some(body), terms.into()).await
    }

    /// Sets what a database user may do: exactly this.
    ///
    /// # Errors
    /// If it is refused or no controller can be reached.
    pub async fn set_database_privileges(
        &self,
        id: DatabaseUserId,
        body: &SetPrivileges,
        terms: impl Into<Terms>,
    ) -> Result<Written<DatabaseUser>, Error> {
        self.write(Method::PUT, format!("/v1/database-users/{id}/privileges"), Some(body), terms.into()).await
    }

    /// Sets an account's scheduled jobs: exactly these.
    ///
    /// # Errors
    /// If it is refused or no controller can be reached.
    pub async fn set_cron_jobs(
        &self,
        account: AccountId,
        body: &SetCronJobs,
        terms: impl Into<Terms>,
    ) -> Result<Written<CronTable>, Error> {
        self.write(Method::PUT, format!("/v1/cron-tables/{account}"), Some(body), terms.into()).await
    }

    /// Removes an object. The operation is there if the fleet has something to do for it.
    ///
    /// # Errors
    /// If it is refused or no controller can be reached.
    pub async fn delete<T: Deletable>(
        &self,
        id: T::Id,
        terms: impl Into<Terms>,
    ) -> Result<Option<Operation>, Error> {
        self.remove(format!("/v1/{}/{id}", T::PATH), terms.into()).await
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
        self.write(Method::POST, record_sets(zone), Some(body), wait.into()).await
    }

    /// Adds up to a thousand record sets to a zone by one call, each by itself: what became of each, in the same order.
    ///
    /// # Errors
    /// If the call is refused as a whole, or no controller can be reached.
    pub async fn create_record_sets(
        &self,
        zone: ZoneId,
        items: Vec<CreateRecordSet>,
        wait: Wait,
    ) -> Result<BulkAnswer<RecordSet>, Error> {
        let call = Call::new(Method::POST, format!("{}:bulk", record_sets(zone))).on(wait.into());
        self.transport.send(call.with_body(json(&Bulk { items })?)).await?.json()
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

    /// Changes a record set.
    ///
    /// # Errors
    /// If it is refused or no controller can be reached.
    pub async fn update_record_set(
        &self,
        zone: ZoneId,
        id: RecordSetId,
        change: &UpdateRecordSet,
        terms: impl Into<Terms>,
    ) -> Result<Written<RecordSet>, Error> {
        let path = format!("{}/{id}", record_sets(zone));
        self.write(Method::PATCH, path, Some(change), terms.into()).await
    }

    /// Removes a record set.
    ///
    /// # Errors
    /// If it is refused or no controller can be reached.
    pub async fn delete_record_set(
        &self,
        zone: ZoneId,
        id: RecordSetId,
        terms: impl Into<Terms>,
    ) -> Result<Option<Operation>, Error> {
        self.remove(format!("{}/{id}", record_sets(zone)), terms.into()).await
    }

    /// Has a node trusted no longer.
    ///
    /// # Errors
    /// If it is refused or no controller can be reached.
    pub async fn revoke_node(
        &self,
        id: NodeId,
        why: &RevokeNode,
        terms: impl Into<Terms>,
    ) -> Result<Written<Node>, Error> {
        self.write(Method::POST, format!("/v1/nodes/{id}/revoke"), Some(why), terms.into()).await
    }

    /// Takes a node out for good that carries something and never comes back. The operation is what others have to do
    /// for it.
    ///
    /// # Errors
    /// If it is refused or no controller can be reached.
    pub async fn write_off_node(
        &self,
        id: NodeId,
        accept_data_loss: bool,
        terms: impl Into<Terms>,
    ) -> Result<Option<Operation>, Error> {
        let query = [("force", true.to_string()), ("accept_data_loss", accept_data_loss.to_string())];
        let call = Call::new(Method::DELETE, format!("/v1/nodes/{id}")).with_query(&query);
        self.removed(call.on(terms.into())).await
    }

    /// How a node is.
    ///
    /// # Errors
    /// If there is none or no controller can be reached.
    pub async fn node_status(&self, id: NodeId) -> Result<NodeHealth, Error> {
        self.read(format!("/v1/nodes/{id}/status"), &[]).await
    }

    /// Which nodes an account of the tenant with the plan would be placed on now, and why.
    ///
    /// # Errors
    /// If it is refused or no controller can be reached.
    pub async fn explain_placement(
        &self,
        tenant: TenantId,
        plan: PlanId,
        wish: &PlacementWish,
    ) -> Result<PlacementReport, Error> {
        let labels: Vec<&str> = wish.labels.iter().map(NodeLabel::as_str).collect();
        let mut query = vec![("tenant_id", tenant.to_string()), ("plan_id", plan.to_string())];
        query.extend(wish.node_id.map(|node| ("node_id", node.to_string())));
        query.extend(wish.pool.as_ref().map(|pool| ("pool", pool.to_string())));
        query.extend(wish.availability_zone.as_ref().map(|zone| ("availability_zone", zone.to_string())));
        query.extend((!labels.is_empty()).then(|| ("labels", labels.join(","))));
        self.read("/v1/explain/placement".to_owned(), &query).await
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

    pub(crate) async fn write<T: DeserializeOwned>(
        &self,
        method: Method,
        path: String,
        body: Option<&impl Serialize>,
        terms: Terms,
    ) -> Result<Written<T>, Error> {
        let mut call = Call::new(method, path).on(terms);
        if let Some(body) = body {
            call = call.with_body(json(body)?);
        }
        let answer = self.transport.send(call).await?;
        Ok(Written {
            operation_id: operation_of(&answer),
            timed_out: terms.wait != Wait::No && answer.status == StatusCode::ACCEPTED,
            object: answer.json()?,
        })
    }

    pub(crate) async fn read<T: DeserializeOwned>(
        &self,
        path: String,
        query: &[(&str, String)],
    ) -> Result<T, Error> {
        self.transport.send(Call::new(Method::GET, path).with_query(query)).await?.json()
    }

    async fn read_all<T: DeserializeOwned + Send>(
        &self,
        path: String,
        filters: &[(&str, String)],
    ) -> Result<Vec<T>, Error> {
        pages::items(self.transport.clone(), Call::new(Method::GET, path).with_query(filters))
            .try_collect()
            .await
    }

    pub(crate) async fn remove(&self, path: String, terms: Terms) -> Result<Option<Operation>, Error> {
        self.removed(Call::new(Method::DELETE, path).on(terms)).await
    }

    pub(crate) async fn removed(&self, call: Call) -> Result<Option<Operation>, Error> {
        let answer = self.transport.send(call).await?;
        if answer.status == StatusCode::NO_CONTENT { Ok(None) } else { answer.json().map(Some) }
    }
}

pub(crate) fn json(body: &impl Serialize) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(body).map_err(|error| Error::Configuration(format!("the request's body: {error}")))
}

fn record_sets(zone: impl Display) -> String {
    format!("/v1/zones/{zone}/record-sets")
}

fn operation_of(answer: &Answer) -> Option<OperationId> {
    answer.headers.get(OPERATION_HEADER)?.to_str().ok()?.parse().ok()
}
