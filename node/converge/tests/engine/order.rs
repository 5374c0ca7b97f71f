//! What comes before what, and what runs side by side.

use std::time::Duration;

use crate::{
    node::{Node, pass},
    offers::{account, database, database_user, key, site, site_of, tombstone, zone},
};

fn position(texts: &[String], text: &str) -> usize {
    texts.iter().position(|one| one == text).unwrap_or_else(|| panic!("no {text} in {texts:?}"))
}

/// Each operation was asked for once; the earlier one is slow, which is a second.
fn begins_after_the_end_of(node: &Node, later: &str, earlier: &str) {
    let (later, earlier) = (node.fake.of(later), node.fake.of(earlier));
    assert_eq!((later.len(), earlier.len()), (1, 1));
    assert!(later[0].begun >= earlier[0].begun + Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn an_account_comes_before_its_sites() {
    let node = Node::boot();
    let both = [site(1, "example.com"), account(1, 1)];
    node.fake.slow("account u1 8.1");
    node.push(&both);
    node.converged(&both).await;
    begins_after_the_end_of(&node, "site example.com", "account u1 8.1");
}

#[tokio::test(start_paused = true)]
async fn a_site_waits_for_an_account_that_comes_later() {
    let node = Node::boot();
    let site = site(1, "example.com");
    node.push(std::slice::from_ref(&site));
    let waits = node.until(key(&site), |report| format!("{report:?}").contains("WaitsForAccount")).await;
    assert_eq!(waits.state.word(), "pending");
    node.push(&[account(1, 1)]);
    node.converged(&[site]).await;
}

#[tokio::test(start_paused = true)]
async fn a_database_comes_before_the_users_with_rights_on_it() {
    let node = Node::boot();
    let both = [database_user(1), database(1)];
    node.fake.slow("database acme_d1");
    node.push(&both);
    node.converged(&both).await;
    begins_after_the_end_of(&node, "user acme_u1", "database acme_d1");
}

#[tokio::test(start_paused = true)]
async fn the_base_comes_before_everything_else() {
    let node = Node::boot();
    node.push(&[zone(1)]);
    node.converged(&[zone(1)]).await;
    let calls = node.fake.calls();
    let end_of_base =
        calls.iter().find(|call| call.text == "base dns").expect("a base").begun + crate::fake::MOMENT;
    assert!(node.fake.of("zone z1.example.com")[0].begun >= end_of_base);
}

#[tokio::test(start_paused = true)]
async fn a_role_whose_base_fails_holds_up_no_other_role() {
    let node = Node::boot();
    node.fake.fail("base database", "check", true);
    node.push(&[zone(1), database(1)]);
    node.converged(&[zone(1)]).await;
    let waits = node.until(key(&database(1)), |report| format!("{report:?}").contains("WaitsForBase")).await;
    assert_eq!(waits.state.word(), "pending");
    assert!(node.fake.of("database acme_d1").is_empty());
    node.fake.mend("base database");
    node.converged(&[database(1)]).await;
}

#[tokio::test(start_paused = true)]
async fn independent_objects_run_side_by_side_within_the_bound() {
    let node = Node::boot();
    let zones: Vec<_> = (1..=40).map(zone).collect();
    node.push(&zones);
    node.converged(&zones).await;
    assert_eq!(node.fake.most_running(), 8);
}

#[tokio::test(start_paused = true)]
async fn what_bears_a_name_next_waits_until_its_former_bearer_is_gone() {
    let node = Node::boot();
    let former = [account(1, 1), account(2, 1), site_of(1, 1, "example.com")];
    node.push(&former);
    node.converged(&former).await;
    let next = site_of(2, 9, "example.com");
    node.fake.slow("remove example.com");
    node.push(&[next.clone(), tombstone(&former[2], 2, 0)]);
    node.converged(&[next]).await;
    let calls = node.fake.of("site example.com");
    let removal = &node.fake.of("remove example.com")[0];
    assert_eq!(calls.len(), 2);
    assert!(calls[1].begun >= removal.begun + Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn an_account_goes_after_its_sites() {
    let node = Node::boot();
    let both = [account(1, 1), site(1, "example.com")];
    node.push(&both);
    node.converged(&both).await;
    node.fake.slow("remove example.com");
    node.push(&[tombstone(&both[0], 2, 60), tombstone(&both[1], 2, 0)]);
    node.state(key(&both[0]), "retained").await;
    let texts = node.fake.texts();
    assert!(position(&texts, "remove example.com") < position(&texts, "retire u1"));
    let (removal, retirement) = (&node.fake.of("remove example.com")[0], &node.fake.of("retire u1")[0]);
    assert!(retirement.begun >= removal.begun + Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn what_someone_waits_for_comes_before_routine() {
    let node = Node::boot();
    let many: Vec<_> = (1..=200).map(zone).collect();
    node.push(&many);
    node.converged(&many).await;
    let node = node.restart().await;
    pass(Duration::from_millis(25)).await;
    node.push(&[account(1, 1)]);
    node.converged(&[account(1, 1)]).await;
    assert!(node.fake.texts().len() < 60, "{}", node.fake.texts().len());
}

#[tokio::test(start_paused = true)]
async fn the_time_spent_waiting_is_a_stage() {
    let node = Node::boot();
    node.push(&[account(1, 1)]);
    let report = node.state(key(&account(1, 1)), "converged").await;
    let stages: Vec<_> = report.stages.iter().map(|stage| stage.stage.as_str()).collect();
    assert_eq!(stages, ["wait", "commit"]);
    assert!(report.stages[0].microseconds >= 10_000, "it waited for the base");
}

#[tokio::test(start_paused = true)]
async fn what_someone_waits_for_takes_along_what_it_needs_itself() {
    let node = Node::boot();
    let many: Vec<_> = (1..=200).map(|id| account(id, 1)).collect();
    node.push(&many);
    node.converged(&many).await;
    let node = node.restart().await;
    // The account of the new site waits for the base, behind all the others.
    let site = site(200, "example.com");
    node.push(std::slice::from_ref(&site));
    node.converged(&[site]).await;
    assert!(node.fake.texts().len() < 60, "{}", node.fake.texts().len());
}
