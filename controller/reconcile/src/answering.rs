//! What only the leader knows, for other controllers and its own API.

use npanel_model::{NodeId, TenantId};
use npanel_proto::{
    command::Refused,
    controller::{Answer, Heard, Question, WouldPlace, answer, question},
    node,
};
use npanel_state::{Reader, RefusalCode};

use crate::{
    liveness::{Liveness, Presence, Seen},
    placing::{Placing, refused},
};

pub(crate) async fn answer(
    placing: &Placing,
    liveness: &Liveness,
    question: Question,
    state: &Reader,
) -> Answer {
    let answer = match question.question {
        Some(question::Question::WouldPlace(asked)) => match would_place(placing, &asked, state).await {
            Ok(report) => answer::Answer::PlacementReport(report),
            Err(refused) => answer::Answer::Refused(refused),
        },
        Some(question::Question::HeardOf(id)) => match NodeId::from_bytes(&id) {
            Ok(id) => answer::Answer::Heard(heard(liveness.presence(id))),
            Err(error) => answer::Answer::Refused(refused(RefusalCode::Invalid, "", error.to_string())),
        },
        None => {
            let message = "this controller does not know that question: it is older than the one that asks";
            answer::Answer::Refused(refused(RefusalCode::Unavailable, "", message))
        }
    };
    Answer { answer: Some(answer) }
}

async fn would_place(placing: &Placing, asked: &WouldPlace, state: &Reader) -> Result<String, Refused> {
    let tenant = TenantId::from_bytes(&asked.tenant_id)
        .map_err(|error| refused(RefusalCode::Invalid, "/tenant_id", error.to_string()))?;
    let report = placing.would_place(tenant, &asked.plan_id, asked.placement.as_ref(), state).await;
    let report = report.map_err(Refused::from)?;
    Ok(serde_json::to_string(&report).expect("a report is valid JSON"))
}

fn heard(presence: Presence) -> Heard {
    let of = |online: bool, seen: Seen| Heard {
        online,
        at_millis: seen.at.as_millis(),
        capacity: Some(node::Capacity {
            disk_total_mb: seen.capacity.disk_total.0,
            disk_free_mb: seen.capacity.disk_free.0,
            memory_total_mb: seen.capacity.memory_total.0,
            memory_free_mb: seen.capacity.memory_free.0,
        }),
        failed_services: seen.failed_services,
    };
    match presence {
        Presence::Online(seen) => of(true, seen),
        Presence::Lost(seen) => of(false, seen),
        Presence::Unknown => Heard::default(),
    }
}
