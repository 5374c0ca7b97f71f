//! Asking nodes what something would change there. An answer that does not come is told as such, never guessed.

use std::{collections::BTreeMap, time::Duration};

use futures::future::join_all;
use npanel_model::NodeId;
use npanel_pki::LiveClusterKeys;
use npanel_proto::{
    controller::{NodeAnswer, node_answer::Standing},
    node::{
        self, ObjectIntent, ObjectPreview, PreviewRequest, node_client::NodeClient, object_intent::Intent,
    },
};
use npanel_state::{ForeseenObject, ForeseenWish};
use tokio::time::timeout;

use crate::{
    connections::NodeConnections,
    intent::{IntentError, content},
    view::wire_object,
};

/// A node looks at files and asks its services: tens of milliseconds for an account.
const PATIENCE: Duration = Duration::from_secs(10);

/// A person reads no more, and a change of a plan may concern thousands.
const MOST_OBJECTS: usize = 100;

/// Whom to ask, and how to tell them what.
#[derive(Debug, Clone)]
pub(crate) struct Consulting {
    pub(crate) connections: NodeConnections,
    pub(crate) keys: LiveClusterKeys,
}

impl Consulting {
    /// One answer per object, in order.
    pub(crate) async fn ask(&self, objects: &[ForeseenObject]) -> Vec<NodeAnswer> {
        let mut by_node: BTreeMap<NodeId, Vec<usize>> = BTreeMap::new();
        for (place, object) in objects.iter().enumerate().take(MOST_OBJECTS) {
            by_node.entry(object.node_id).or_default().push(place);
        }
        let mut answers: Vec<NodeAnswer> = vec![unasked(); objects.len()];
        let asked = by_node.iter().map(|(node, places)| self.ask_node(*node, places, objects));
        for (places, of_node) in by_node.values().zip(join_all(asked).await) {
            for (place, answer) in places.iter().zip(of_node) {
                answers[*place] = answer;
            }
        }
        answers
    }

    async fn ask_node(&self, node: NodeId, places: &[usize], objects: &[ForeseenObject]) -> Vec<NodeAnswer> {
        let intents: Result<Vec<_>, _> = places.iter().map(|place| self.intent(&objects[*place])).collect();
        let previews = match (intents, self.connections.get(node)) {
            (Err(error), _) => Err(error.to_string()),
            (Ok(_), None) => Err("the node is not connected".to_owned()),
            (Ok(objects), Some(connection)) => {
                let mut client = NodeClient::new(connection.channel);
                match timeout(PATIENCE, client.preview(PreviewRequest { objects })).await {
                    Ok(Ok(answer)) => Ok(answer.into_inner().objects),
                    Ok(Err(status)) => Err(format!("{}: {}", status.code(), status.message())),
                    Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
                }
            }
        };
        match previews {
            Ok(previews) => (0..places.len()).map(|place| answered(previews.get(place).cloned())).collect(),
            Err(message) => vec![unreachable(message); places.len()],
        }
    }

    fn intent(&self, object: &ForeseenObject) -> Result<ObjectIntent, IntentError> {
        let intent = match &object.wish {
            ForeseenWish::Have(source) => content(&self.keys.now(), (**source).clone())?,
            ForeseenWish::Remove { retention_seconds } => {
                Intent::Tombstone(node::Tombstone { retention_seconds: *retention_seconds })
            }
        };
        Ok(ObjectIntent {
            object: Some(wire_object(&(object.kind, object.id.clone()))),
            generation: object.generation.0,
            intent: Some(intent),
        })
    }
}

fn unasked() -> NodeAnswer {
    let message = format!("nodes are asked about the first {MOST_OBJECTS} objects only");
    NodeAnswer { message, ..NodeAnswer::default() }
}

fn unreachable(message: String) -> NodeAnswer {
    NodeAnswer { standing: Standing::Unreachable.into(), preview: None, message }
}

fn answered(preview: Option<ObjectPreview>) -> NodeAnswer {
    match preview {
        Some(_) => NodeAnswer { standing: Standing::Answered.into(), preview, message: String::new() },
        None => unreachable("the node answered for fewer objects than it was asked about".to_owned()),
    }
}
