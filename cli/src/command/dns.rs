//! `npanel dns`.

use clap::{Args, Subcommand};
use npanel_client::Wait;
use npanel_model::{Fqdn, RecordName, RecordType, Ttl};
use npanel_sdk_types::{CreateRecordSet, CreateZone, UpdateRecordSet, Zone};

use crate::{
    arguments::{ChangeArguments, OwnedArguments, WaitArguments},
    failure::Failure,
    output, resolve,
    session::Session,
};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Create a zone.
    CreateZone {
        /// The account (user name or id).
        #[arg(long)]
        account: String,
        /// The zone's name.
        #[arg(long)]
        name: Fqdn,
        #[command(flatten)]
        wait: WaitArguments,
    },
    /// List zones.
    ListZones(OwnedArguments),
    /// Show a zone.
    GetZone {
        /// Its name or id.
        zone: String,
    },
    /// Remove a zone.
    DeleteZone {
        /// Its name or id.
        zone: String,
        #[command(flatten)]
        change: ChangeArguments,
    },
    /// Add a record set to a zone.
    AddRecord(AddRecord),
    /// List a zone's record sets.
    ListRecords {
        /// The zone (name or id).
        #[arg(long)]
        zone: String,
        /// Only those with this name within the zone, such as www or @.
        #[arg(long)]
        name: Option<String>,
        /// Only those of this type, such as MX.
        #[arg(long = "type", value_name = "TYPE")]
        kind: Option<RecordType>,
    },
    /// Show a record set.
    GetRecord(Record),
    /// Change a record set's records or how long they may be kept.
    UpdateRecord {
        #[command(flatten)]
        record: Record,
        /// How long resolvers may keep it, in seconds.
        #[arg(long, value_parser = ttl, value_name = "SECONDS")]
        ttl: Option<Ttl>,
        /// A record's data. Repeatable; all that there are from now on.
        #[arg(long = "value", value_name = "DATA")]
        values: Vec<String>,
        #[command(flatten)]
        change: ChangeArguments,
    },
    /// Remove a record set.
    DeleteRecord {
        #[command(flatten)]
        record: Record,
        #[command(flatten)]
        change: ChangeArguments,
    },
}

#[derive(Debug, Args)]
pub(crate) struct AddRecord {
    /// The zone (name or id).
    #[arg(long)]
    zone: String,
    /// The name relative to the zone; @ is the zone itself.
    #[arg(long)]
    name: RecordName,
    /// The records' type.
    #[arg(long = "type", value_name = "TYPE")]
    kind: RecordType,
    /// How long resolvers may keep it, in seconds.
    #[arg(long, default_value = "3600", value_parser = ttl, value_name = "SECONDS")]
    ttl: Ttl,
    /// A record's data, such as 192.0.2.10 or "10 mail.example.com". Repeatable.
    #[arg(long = "value", required = true, value_name = "DATA")]
    values: Vec<String>,
    #[command(flatten)]
    wait: WaitArguments,
}

#[derive(Debug, Args)]
pub(crate) struct Record {
    /// The zone (name or id).
    #[arg(long)]
    zone: String,
    /// The record set's id, or its name relative to the zone.
    record: String,
    /// The records' type, where a name has several.
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<RecordType>,
}

fn ttl(text: &str) -> Result<Ttl, String> {
    let seconds: u32 = text.parse().map_err(|_| format!("not a number of seconds (got {text:?})"))?;
    Ttl::try_from(seconds).map_err(|error| error.to_string())
}

pub(crate) async fn run(command: Command, session: &Session) -> Result<(), Failure> {
    let client = &session.client;
    match command {
        Command::CreateZone { account, name, wait } => {
            let account_id = resolve::account(client, &account).await?;
            session.create_converging::<Zone>(&CreateZone { account_id, name }, wait).await
        }
        Command::ListZones(owned) => session.list::<Zone>(owned.filters(session).await?).await,
        Command::GetZone { zone } => session.get::<Zone>(resolve::zone(client, &zone).await?).await,
        Command::DeleteZone { zone, change } => {
            session.delete::<Zone>(resolve::zone(client, &zone).await?, change).await
        }
        Command::AddRecord(add) => add_record(add, session).await,
        Command::ListRecords { zone, name, kind } => {
            let zone = resolve::zone(client, &zone).await?;
            let filters = [name.map(|name| ("name", name)), kind.map(|kind| ("type", kind.to_string()))];
            let filters: Vec<_> = filters.into_iter().flatten().collect();
            output::list(session.format, &client.record_sets(zone, &filters).await?)
        }
        Command::GetRecord(record) => {
            let (zone, id) = found(&record, session).await?;
            output::object(session.format, &client.record_set(zone, id).await?)
        }
        Command::UpdateRecord { record, ttl, values, change } => {
            let (zone, id) = found(&record, session).await?;
            let records = (!values.is_empty()).then_some(values);
            let body = UpdateRecordSet { ttl_seconds: ttl, records };
            let written = client.update_record_set(zone, id, &body, change.terms()).await?;
            let waited = session.wait(written.operation_id, change.wait).await;
            let newer = client.record_set(zone, id).await.unwrap_or(written.object);
            output::object(session.format, &newer)?;
            waited.map(|_| ())
        }
        Command::DeleteRecord { record, change } => {
            let (zone, id) = found(&record, session).await?;
            let accepted = client.delete_record_set(zone, id, change.terms()).await?;
            let ended = session.wait(accepted.as_ref().map(|operation| operation.id), change.wait).await?;
            session.removed(&id.to_string(), ended.or(accepted))
        }
    }
}

async fn add_record(add: AddRecord, session: &Session) -> Result<(), Failure> {
    let zone = resolve::zone(&session.client, &add.zone).await?;
    let body = CreateRecordSet { name: add.name, kind: add.kind, ttl_seconds: add.ttl, records: add.values };
    let mut made = session.client.create_record_set(zone, &body, Wait::No).await?;
    let waited = session.wait(made.operation_id, add.wait).await;
    if add.wait.timeout().is_some()
        && let Ok(newer) = session.client.record_set(zone, made.object.id).await
    {
        made.object = newer;
    }
    output::object(session.format, &made.object)?;
    waited.map(|_| ())
}

async fn found(
    record: &Record,
    session: &Session,
) -> Result<(npanel_model::ZoneId, npanel_model::RecordSetId), Failure> {
    let zone = resolve::zone(&session.client, &record.zone).await?;
    let kind = record.kind.map(RecordType::as_str);
    Ok((zone, resolve::record_set(&session.client, zone, &record.record, kind).await?))
}
