//! `npanel audit`.

use std::path::PathBuf;

use clap::Subcommand;
use npanel_model::{Action, Timestamp};
use npanel_sdk_types::{AuditCheckpoint, AuditEntry};

use crate::{
    arguments::{Format, time},
    command::tenant,
    failure::Failure,
    output,
    session::Session,
    verifying,
};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List accepted writes: who did what to which object; newest first.
    List {
        /// Only of this actor, such as api_key/<id>.
        #[arg(long)]
        actor: Option<String>,
        /// Only of this action, such as account.create.
        #[arg(long)]
        action: Option<Action>,
        /// Only about this object (its id).
        #[arg(long)]
        object: Option<String>,
        /// Only about this kind of object, such as account or domain.
        #[arg(long)]
        kind: Option<String>,
        /// Only of this tenant itself (name or id).
        #[arg(long)]
        tenant: Option<String>,
        /// Only of this time or later: 2h or 7d ago, or such as 2026-11-23T12:00:00Z.
        #[arg(long, value_parser = time)]
        since: Option<Timestamp>,
        /// Only from before this time.
        #[arg(long, value_parser = time)]
        until: Option<Timestamp>,
        /// How many at most.
        #[arg(long, default_value_t = 50)]
        limit: u32,
    },
    /// Verify that nothing was changed since a checkpoint was kept, and keep the present one instead; or verify a copy
    /// of a controller's database. What is at fault is named, and the exit status is 1.
    Verify {
        /// The file in which the checkpoint is kept; made if it is not there. May be given more than once.
        #[arg(long, value_name = "FILE")]
        checkpoint: Vec<PathBuf>,
        /// Verify this copy of a controller's database, and ask no controller.
        #[arg(long, value_name = "FILE")]
        database: Option<PathBuf>,
        /// Also read every entry from the fleet and compare it. For a key of the platform.
        #[arg(long, conflicts_with = "database")]
        entries: bool,
    },
    /// Prove that an entry is in the tree that a checkpoint was signed of.
    Prove {
        /// The entry's position, as `list` shows it.
        position: u64,
        /// The file in which a checkpoint is kept, for the key in it; else the fleet is asked for the key.
        #[arg(long, value_name = "FILE")]
        checkpoint: Option<PathBuf>,
    },
    /// Print the newest checkpoint: its text with its signature, to be kept outside of the fleet.
    Checkpoint,
    /// List checkpoints, newest first.
    ListCheckpoints {
        /// How many at most: 1 to 200.
        #[arg(long, default_value_t = 50)]
        limit: u32,
    },
    /// Print the public key that checkpoints are signed by.
    Key,
}

/// Verifying a copy asks no controller, and needs no profile.
pub(crate) fn verify_copy(command: &Command, format: Format) -> Option<Result<(), Failure>> {
    match command {
        Command::Verify { checkpoint, database: Some(database), .. } => {
            Some(verifying::offline(database, checkpoint).and_then(|said| say(format, &said)))
        }
        _ => None,
    }
}

pub(crate) async fn run(command: Command, session: &Session) -> Result<(), Failure> {
    let client = &session.client;
    match command {
        Command::List { actor, action, object, kind, tenant, since, until, limit } => {
            let tenant = tenant::optional(session, tenant.as_deref()).await?;
            let filters = [
                ("actor", actor),
                ("action", action.map(|action| action.to_string())),
                ("object_id", object),
                ("object_kind", kind),
                ("tenant_id", tenant.map(|id| id.to_string())),
                ("since", since.map(|time| time.to_string())),
                ("until", until.map(|time| time.to_string())),
            ];
            let filters = filters.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
            output::list(session.format, &list(session, filters, limit).await?)
        }
        Command::Verify { checkpoint, entries, .. } => {
            say(session.format, &verifying::online(client, &checkpoint, entries).await?)
        }
        Command::Prove { position, checkpoint } => {
            let proof = client.audit_inclusion(position).await?;
            let said = verifying::proved(client, &proof, checkpoint.as_deref()).await?;
            match session.format {
                Format::Json => output::object(Format::Json, &proof),
                Format::Table => {
                    output::list(Format::Table, std::slice::from_ref(&proof.entry))?;
                    output::print(&said)
                }
            }
        }
        Command::Checkpoint => {
            let newest = client.audit_checkpoint().await?;
            match session.format {
                Format::Json => output::object(Format::Json, &newest),
                Format::Table => output::print(newest.note.trim_end()),
            }
        }
        Command::ListCheckpoints { limit } => {
            let page = client.audit_checkpoints(&[("limit", limit.to_string())]).await?;
            output::list::<AuditCheckpoint>(session.format, &page.items)
        }
        Command::Key => output::print(&client.audit_key().await?.key),
    }
}

/// A page may hold fewer than there are.
async fn list(
    session: &Session,
    filters: Vec<(&'static str, String)>,
    limit: u32,
) -> Result<Vec<AuditEntry>, Failure> {
    let limit = limit as usize;
    let (mut found, mut after) = (Vec::new(), None);
    while found.len() < limit {
        let mut query = filters.clone();
        query.push(("limit", (limit - found.len()).min(200).to_string()));
        query.extend(after.take().map(|cursor| ("after", cursor)));
        let page = session.client.audit(&query).await?;
        found.extend(page.items);
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    Ok(found)
}

fn say(format: Format, said: &[String]) -> Result<(), Failure> {
    match format {
        Format::Json => output::object(format, &serde_json::json!({ "found": said })),
        Format::Table => output::print(&said.join("\n")),
    }
}
