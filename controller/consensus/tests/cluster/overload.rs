//! More is asked than the controllers decide.

use futures::{StreamExt, stream::FuturesUnordered};
use npanel_consensus::{Overload, ProposeError};
use npanel_model::{ApiKeyId, TenantId};
use npanel_proto::command::{CreateApiKey, envelope::Command, outcome::Outcome, principal::Who};
use npanel_state::{Page, TenantFilter};
use tokio::time::timeout;

use crate::members::{Members, PATIENCE, envelope};

/// More than one key gets.
const ASKED: usize = 2500;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_let_in_is_told_so_at_once_and_what_is_let_in_is_decided() {
    let mut members = Members::start(3).await;
    let leader = members.leader_among(&[1, 2, 3]).await;
    let others: Vec<u64> = [1, 2, 3].into_iter().filter(|id| *id != leader).collect();
    let quiet = ApiKeyId::generate();
    let make = Command::CreateApiKey(CreateApiKey {
        api_key_id: quiet.to_bytes(),
        tenant_id: members.root.to_bytes(),
        name: "quiet".into(),
        secret_hash: vec![7; 32],
        actions: vec!["*".into()],
        ..CreateApiKey::default()
    });
    members.accept(leader, members.by_admin(), make).await;
    for id in &others {
        members.kill(*id).await;
    }
    // Nothing can be decided now.
    let at = members.member(leader).clone();
    let ask = |who: Who, name: String| {
        let (at, asked) = (at.clone(), envelope(who, members.tenant(TenantId::generate(), &name)));
        async move { at.propose(asked).await }
    };
    let mut flood: FuturesUnordered<_> =
        (0..ASKED).map(|number| tokio::spawn(ask(members.by_admin(), format!("t-{number}")))).collect();
    let most = at.admissions().proposals.most.count / 2;
    let mut refused = 0;
    while refused < ASKED - most {
        let answer = timeout(PATIENCE, flood.next()).await.expect("at once").expect("one").expect("no panic");
        match answer {
            Err(ProposeError::Overloaded(Overload::Share(have))) => assert_eq!(have, most),
            other => panic!("{other:?}"),
        }
        refused += 1;
    }
    let usage = at.admissions().proposals;
    assert_eq!((usage.used.count, usage.refused_share), (most, (ASKED - most) as u64));
    // Whoever asks for little is let in beside them.
    let quiet = tokio::spawn(ask(Who::ApiKeyId(quiet.to_bytes()), "quiet".into()));
    for id in &others {
        members.run(*id).await;
    }
    let accepted = |outcome: Option<Outcome>| matches!(outcome, Some(Outcome::Accepted(_)));
    let outcome = quiet.await.expect("no panic").expect("decided").outcome;
    assert!(accepted(outcome.clone()), "{outcome:?}");
    let mut acknowledged = 1;
    while let Some(answer) = timeout(PATIENCE, flood.next()).await.expect("an answer") {
        match answer.expect("no panic") {
            Ok(outcome) => {
                assert!(accepted(outcome.outcome.clone()), "{outcome:?}");
                acknowledged += 1;
            }
            // Its caller has waited long enough; it may be decided all the same.
            Err(error) => assert!(matches!(error, ProposeError::NoLeader), "{error}"),
        }
    }
    at.linearize().await.expect("a leader");
    let mut applied = at.applied();
    let empty = async {
        while at.admissions().proposals.used.count > 0 {
            applied.changed().await.expect("it runs");
        }
    };
    timeout(PATIENCE, empty).await.expect("every place is given back");
    let page = Page { limit: 5000, ..Page::default() };
    let tenants = at.state().tenants(members.root, TenantFilter::default(), &page).await.expect("a list");
    let made = tenants.iter().filter(|tenant| tenant.name.to_string() != "platform").count();
    assert!(made >= acknowledged, "{acknowledged} were acknowledged and {made} are there");
    assert!(made <= most + 1, "what was refused was not done: {made}");
}
