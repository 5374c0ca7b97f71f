//! Requests that come again, and how long what came of them is remembered.

use npanel_model::TokenId;
use npanel_proto::command::{
    Accepted, CreateToken, Envelope, Principal, envelope::Command, outcome::Outcome,
};
use npanel_state::CALLERS_KEY;

use crate::support::{HASH, World, content};

const MINUTE: i64 = 60_000;
const DAY: i64 = 24 * 60 * MINUTE;

/// Has a token made under an idempotency key.
async fn make(world: &mut World, key: &str) -> Accepted {
    let command = CreateToken {
        token_id: TokenId::generate().to_bytes(),
        role: "node".into(),
        secret_hash: HASH.to_vec(),
        uses: 1,
        expires_millis: world.now + 15 * MINUTE,
        pool: "default".into(),
        ..CreateToken::default()
    };
    let envelope = Envelope {
        principal: Some(Principal { who: Some(world.by_admin()) }),
        idempotency_key: key.to_owned(),
        request_digest: vec![1],
        feature_level: npanel_state::FEATURE_LEVEL,
        time_millis: world.now,
        command: Some(Command::CreateToken(command)),
        ..Envelope::default()
    };
    match world.apply_envelope(envelope).await.outcome {
        Some(Outcome::Accepted(accepted)) => accepted,
        other => panic!("not accepted: {other:?}"),
    }
}

async fn kept(world: &World) -> usize {
    content(&world.store).await.iter().filter(|row| row.starts_with("idempotency:")).count()
}

#[tokio::test]
async fn a_callers_key_is_remembered_for_a_day_and_a_controllers_own_for_minutes() {
    let mut world = World::new().await;
    let callers = format!("{CALLERS_KEY}token.create/k");
    let (by_caller, by_controller) = (make(&mut world, &callers).await, make(&mut world, "once/k").await);
    world.now += 9 * MINUTE;
    assert_eq!(make(&mut world, "once/k").await.object_id, by_controller.object_id);
    world.now += 2 * MINUTE;
    assert_ne!(make(&mut world, "once/k").await.object_id, by_controller.object_id);
    world.now += DAY - 12 * MINUTE;
    let again = make(&mut world, &callers).await;
    assert!(again.replayed && again.object_id == by_caller.object_id);
    let earlier = world.store.reader().earlier(world.root, &callers).await.expect("a query");
    assert_eq!(earlier.expect("it is kept").accepted, again);
    world.now += 2 * MINUTE;
    assert_ne!(make(&mut world, &callers).await.object_id, by_caller.object_id);
}

#[tokio::test]
async fn what_is_over_goes_and_no_write_takes_out_much_of_it() {
    let mut world = World::new().await;
    for number in 0..60 {
        make(&mut world, &format!("{CALLERS_KEY}token.create/{number}")).await;
    }
    let mut before = kept(&world).await;
    assert_eq!(before, 60);
    world.now += DAY + MINUTE;
    for number in 0..40 {
        make(&mut world, &format!("{CALLERS_KEY}token.create/new/{number}")).await;
        let now = kept(&world).await;
        assert!(before <= now + 16, "one write took out {} rows", before - now);
        before = now;
    }
    assert_eq!(before, 40, "what is over is still there");
}
