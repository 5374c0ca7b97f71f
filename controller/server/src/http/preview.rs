//! What a write would come to, for `dry_run=true`.

use std::collections::{BTreeMap, btree_map::Entry};

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use npanel_model::{AccountId, Generation, NodeId};
use npanel_proto::{
    controller::{ExceededLimit, Foreseen, ForeseenObject, node_answer::Standing},
    node,
};
use npanel_sdk_types::{
    ChangeKind, ChangePreview, Exceeding, FileChange, NodeAnswer, ObjectChange, ObjectChangeKind,
    ResourceChange,
};
use npanel_state::ObjectKind;

use super::{accounts::placement, app::App, placements, problem::Failure};
use crate::auth::Caller;

/// How a write ends before there is anything written: refused, or only looked at.
pub(crate) enum Ended {
    /// It fails.
    Failed(Failure),
    /// It was only asked what it would come to.
    Previewed(Box<ChangePreview>),
}

impl<E> From<E> for Ended
where
    Failure: From<E>,
{
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

impl IntoResponse for Ended {
    fn into_response(self) -> Response {
        match self {
            Self::Failed(failure) => failure.into_response(),
            Self::Previewed(preview) => Json(*preview).into_response(),
        }
    }
}

/// A foresight as callers see it.
pub(super) async fn shown(app: &App, caller: &Caller, foreseen: Foreseen) -> Result<ChangePreview, Failure> {
    let names = if caller.is_platform { names(app, &foreseen.objects).await? } else { BTreeMap::new() };
    let object = |object: ForeseenObject| {
        let node_id = NodeId::from_bytes(&object.node_id).map_err(|error| Failure::internal(&error))?;
        let name = names.get(&node_id).cloned().unwrap_or_default();
        Ok(changed(object, node_id, name))
    };
    let mut warnings = foreseen.warnings.clone();
    for object in &foreseen.objects {
        let of_node = object.answer.as_ref().and_then(|answer| answer.preview.as_ref());
        let node =
            NodeId::from_bytes(&object.node_id).ok().and_then(|id| names.get(&id)).map_or("", String::as_str);
        warnings.extend(of_node.iter().flat_map(|one| &one.warnings).map(|said| format!("{node}: {said}")));
    }
    Ok(ChangePreview {
        placement: placement(&foreseen.placement_report).map(|report| placements::visible(caller, report)),
        objects: foreseen.objects.into_iter().map(object).collect::<Result<_, Failure>>()?,
        warnings,
        exceeding: exceeding(foreseen.exceeding_accounts, foreseen.exceeding)?,
    })
}

fn exceeding(accounts: u64, first: Vec<ExceededLimit>) -> Result<Option<Exceeding>, Failure> {
    let limit = |one: ExceededLimit| {
        let account_id = AccountId::from_bytes(&one.account_id).map_err(|error| Failure::internal(&error))?;
        let ExceededLimit { username, limit, used, allowed, .. } = one;
        Ok(npanel_sdk_types::ExceededLimit { account_id, username, limit, used, allowed })
    };
    let first = first.into_iter().map(limit).collect::<Result<_, Failure>>()?;
    Ok((accounts > 0).then_some(Exceeding { accounts, first }))
}

/// The nodes' names, which are for the platform.
async fn names(app: &App, objects: &[ForeseenObject]) -> Result<BTreeMap<NodeId, String>, Failure> {
    let mut names = BTreeMap::new();
    for object in objects {
        let id = NodeId::from_bytes(&object.node_id).map_err(|error| Failure::internal(&error))?;
        if let Entry::Vacant(vacant) = names.entry(id) {
            let node = app.reader().node(id).await?;
            vacant.insert(node.map(|node| node.name.to_string()).unwrap_or_default());
        }
    }
    Ok(names)
}

fn changed(object: ForeseenObject, node_id: NodeId, node_name: String) -> ObjectChange {
    let told = object.answer.unwrap_or_default();
    let answer = match told.standing() {
        Standing::Answered => NodeAnswer::Answered,
        Standing::Unreachable => NodeAnswer::Unreachable,
        Standing::Unspecified => NodeAnswer::NotAsked,
    };
    let preview = told.preview.unwrap_or_default();
    let noun = ObjectKind::from_text(&object.kind).map(|kind| kind.noun().to_owned());
    ObjectChange {
        object_kind: noun.unwrap_or(object.kind),
        object_id: uuid::Uuid::from_slice(&object.object_id).map(|id| id.to_string()).unwrap_or_default(),
        node_id,
        node_name,
        generation: Generation(object.generation),
        change: if object.removal { ObjectChangeKind::Remove } else { ObjectChangeKind::Apply },
        answer,
        files: preview.files.into_iter().map(file).collect(),
        resources: preview.resources.into_iter().map(resource).collect(),
        reloads: preview.reloads,
        starts: preview.starts,
        stops: preview.stops,
        reason: preview.reason,
        message: if preview.message.is_empty() { told.message } else { preview.message },
    }
}

fn file(change: node::FileChange) -> FileChange {
    FileChange { change: kind(change.change()), path: change.path }
}

fn resource(change: node::ResourceChange) -> ResourceChange {
    ResourceChange { change: kind(change.change()), resource: change.resource }
}

fn kind(kind: node::ChangeKind) -> ChangeKind {
    match kind {
        node::ChangeKind::Create => ChangeKind::Create,
        node::ChangeKind::Remove => ChangeKind::Remove,
        node::ChangeKind::Replace | node::ChangeKind::Unspecified => ChangeKind::Replace,
    }
}
