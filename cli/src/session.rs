//! What every command does with the API: make, show, list, remove.

use npanel_client::{Client, Creatable, Deletable, Noun, Suspendable, Updatable, Written};
use npanel_model::OperationId;
use npanel_sdk_types::{
    Account, ApiKey, CronTable, Database, DatabaseUser, Domain, IdentityProvider, Node, Operation, Plan,
    Tenant, Token, User, Webhook, Zone,
};
use serde::Serialize;

use crate::{
    arguments::{ChangeArguments, Connection, Format, SuspendArguments, WaitArguments},
    failure::Failure,
    output, profile,
    row::Row,
    waiting,
};

/// A client, and how to print.
pub(crate) struct Session {
    pub(crate) client: Client,
    pub(crate) format: Format,
}

/// What only the answer to an object's making holds.
pub(crate) trait Made: Sized {
    /// The newer reading, with what was shown once.
    fn renewed(self, newer: Self) -> Self {
        newer
    }
}

impl Made for Tenant {}
impl Made for Plan {}
impl Made for Domain {}
impl Made for CronTable {}
impl Made for Database {}
impl Made for Zone {}
impl Made for Token {}
impl Made for ApiKey {}
impl Made for Webhook {}
impl Made for Node {}
impl Made for User {}
impl Made for IdentityProvider {}

impl Made for Account {
    fn renewed(self, newer: Self) -> Self {
        Self { placement: newer.placement.or(self.placement), ..newer }
    }
}

impl Made for DatabaseUser {
    fn renewed(self, newer: Self) -> Self {
        Self { password: self.password, ..newer }
    }
}

impl Session {
    /// A session with the fleet that the connection's arguments and the profiles name.
    /// In a dry run, its writes end with [`Failure::Previewed`].
    pub(crate) fn open(connection: &Connection, format: Format, dry_run: bool) -> Result<Self, Failure> {
        let client = Client::new(profile::client_config(connection)?)?;
        Ok(Self { client: if dry_run { client.previewing() } else { client }, format })
    }

    /// The same, whose reads are answered with what the controller that is asked has.
    pub(crate) fn reading_stale(self) -> Self {
        Self { client: self.client.reading_stale(), ..self }
    }

    /// Makes something that the fleet has nothing to do for.
    pub(crate) async fn create<T: Creatable + Serialize>(&self, body: &T::Create) -> Result<(), Failure> {
        let made = self.client.create::<T>(body, npanel_client::Wait::No).await?;
        output::object(self.format, &made.object)
    }

    /// Makes something and, if asked to, waits for the fleet. It is printed in any case: it exists.
    pub(crate) async fn create_converging<T: Creatable + Made + Serialize>(
        &self,
        body: &T::Create,
        wait: WaitArguments,
    ) -> Result<(), Failure> {
        let made = self.client.create::<T>(body, npanel_client::Wait::No).await?;
        let id = made.object.id();
        let Written { mut object, operation_id, .. } = made;
        let waited = self.wait(operation_id, wait).await;
        if wait.timeout().is_some()
            && let Ok(newer) = self.client.get::<T>(id).await
        {
            object = object.renewed(newer);
        }
        output::object(self.format, &object)?;
        waited.map(|_| ())
    }

    /// Waits for an operation if there is one and waiting was asked for.
    pub(crate) async fn wait(
        &self,
        operation: Option<OperationId>,
        wait: WaitArguments,
    ) -> Result<Option<Operation>, Failure> {
        match operation.zip(wait.timeout()) {
            Some((id, timeout)) => waiting::wait(&self.client, id, timeout).await.map(Some),
            None => Ok(None),
        }
    }

    /// Shows one object.
    pub(crate) async fn get<T: Noun + Serialize>(&self, id: T::Id) -> Result<(), Failure> {
        output::object(self.format, &self.client.get::<T>(id).await?)
    }

    /// Shows all objects that pass the filters.
    pub(crate) async fn list<T: Noun + Row + Serialize>(
        &self,
        filters: impl IntoIterator<Item = (&'static str, Option<String>)>,
    ) -> Result<(), Failure> {
        let filters: Vec<_> = filters.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        output::list(self.format, &self.client.list_all::<T>(&filters).await?)
    }

    /// Changes something.
    pub(crate) async fn update<T: Updatable + Made + Serialize>(
        &self,
        id: T::Id,
        body: &T::Update,
        change: ChangeArguments,
    ) -> Result<(), Failure> {
        let written = self.client.update::<T>(id, body, change.terms()).await?;
        self.changed::<T>(id, written, change).await
    }

    /// Suspends something.
    pub(crate) async fn suspend<T: Suspendable + Made + Serialize>(
        &self,
        id: T::Id,
        why: SuspendArguments,
        change: ChangeArguments,
    ) -> Result<(), Failure> {
        let written = self.client.suspend::<T>(id, &why.into_wire(), change.terms()).await?;
        self.changed::<T>(id, written, change).await
    }

    /// Lifts a suspension.
    pub(crate) async fn unsuspend<T: Suspendable + Made + Serialize>(
        &self,
        id: T::Id,
        change: ChangeArguments,
    ) -> Result<(), Failure> {
        let written = self.client.unsuspend::<T>(id, change.terms()).await?;
        self.changed::<T>(id, written, change).await
    }

    /// Shows what was changed, after waiting for the fleet if asked to.
    pub(crate) async fn changed<T: Noun + Made + Serialize>(
        &self,
        id: T::Id,
        written: Written<T>,
        change: ChangeArguments,
    ) -> Result<(), Failure> {
        let Written { mut object, operation_id, .. } = written;
        let waited = self.wait(operation_id, change.wait).await;
        if change.wait.timeout().is_some()
            && let Ok(newer) = self.client.get::<T>(id).await
        {
            object = object.renewed(newer);
        }
        output::object(self.format, &object)?;
        waited.map(|_| ())
    }

    /// Removes something and, if asked to, waits for the fleet.
    pub(crate) async fn delete<T: Deletable>(
        &self,
        id: T::Id,
        change: ChangeArguments,
    ) -> Result<(), Failure> {
        let accepted = self.client.delete::<T>(id, change.terms()).await?;
        self.gone(&id.to_string(), accepted, change).await
    }

    /// Says that something is removed, after waiting for the fleet if asked to.
    pub(crate) async fn gone(
        &self,
        id: &str,
        accepted: Option<Operation>,
        change: ChangeArguments,
    ) -> Result<(), Failure> {
        let ended = self.wait(accepted.as_ref().map(|operation| operation.id), change.wait).await?;
        self.removed(id, ended.or(accepted))
    }

    /// Says that something is removed or on its way out.
    pub(crate) fn removed(&self, id: &str, operation: Option<Operation>) -> Result<(), Failure> {
        match operation {
            Some(operation) => output::object(self.format, &operation),
            None => output::object(self.format, &serde_json::json!({ "deleted": id })),
        }
    }
}
