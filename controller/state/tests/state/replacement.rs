//! A controller takes the place of another.

use npanel_model::{ControllerId, TokenId};
use npanel_proto::command::{
    CreateToken, DeleteToken, EnrolController, RemoveController, ReplaceController, envelope::Command,
    principal::Who,
};
use npanel_state::RefusalCode;

use crate::support::{HASH, World, certificate};

const LIFE: i64 = 900_000;

impl World {
    fn replacement(&self, of: u64) -> (TokenId, ReplaceController) {
        let id = TokenId::generate();
        let token = CreateToken {
            token_id: id.to_bytes(),
            role: "controller".into(),
            secret_hash: HASH.to_vec(),
            uses: 1,
            expires_millis: self.now + LIFE,
            pool: "default".into(),
            ..CreateToken::default()
        };
        (id, ReplaceController { controller_id: of, token: Some(token), even_if_alive: false })
    }

    async fn begin(&mut self, of: u64) -> TokenId {
        let (id, body) = self.replacement(of);
        self.accept(self.by_admin(), Command::ReplaceController(body)).await;
        id
    }

    async fn refused(&mut self, of: u64) -> RefusalCode {
        let (_, body) = self.replacement(of);
        self.refuse(self.by_admin(), Command::ReplaceController(body)).await
    }

    async fn join(&mut self, id: u64, name: &str, token: TokenId) {
        self.accept(Who::TokenId(token.to_bytes()), enrolment(id, name, token)).await;
    }

    async fn removes(&mut self, id: u64) {
        let remove = Command::RemoveController(RemoveController { controller_id: id });
        self.accept(Who::ControllerId(1), remove).await;
    }

    /// Id, name, and whose place it takes.
    async fn controllers(&self) -> Vec<(u64, String, Option<u64>)> {
        let all = self.store.reader().controllers().await.expect("a list");
        all.into_iter().map(|one| (one.id.0, one.name.to_string(), one.replaces.map(|id| id.0))).collect()
    }
}

fn enrolment(id: u64, name: &str, token: TokenId) -> Command {
    Command::EnrolController(EnrolController {
        controller_id: id,
        name: name.into(),
        fleet_address: format!("{name}.example:1"),
        certificate: Some(certificate(800 + id)),
        token_id: token.to_bytes(),
        token_secret_hash: HASH.to_vec(),
    })
}

/// With a second controller, which is then replaced.
async fn of_two() -> World {
    let mut world = World::new().await;
    let token = world.token("controller", 1).await;
    world.join(2, "c2", token).await;
    world
}

#[tokio::test]
async fn the_new_one_may_have_the_name_of_the_one_whose_place_it_takes() {
    let mut world = of_two().await;
    let token = world.begin(2).await;
    let of_token = world.store.reader().token(token).await.expect("a query").expect("it is there").replaces;
    assert_eq!(of_token, Some(ControllerId(2)));
    world.join(3, "c2", token).await;
    let both = [(1, "c1".into(), None), (2, "c2-2".into(), None), (3, "c2".into(), Some(2))];
    assert_eq!(world.controllers().await, both);
    world.removes(2).await;
    assert_eq!(world.controllers().await, [(1, "c1".into(), None), (3, "c2".into(), None)]);
    let next = world.store.reader().next_controller_id().await.expect("an id");
    assert_eq!(next, ControllerId(4), "no id is used again");
}

#[tokio::test]
async fn a_name_that_nobody_gives_up_is_taken_and_uses_no_token_up() {
    let mut world = of_two().await;
    let token = world.begin(2).await;
    let by_token = Who::TokenId(token.to_bytes());
    assert_eq!(world.refuse(by_token, enrolment(3, "c1", token)).await, RefusalCode::NameTaken);
    world.join(3, "c9", token).await;
    assert_eq!(world.controllers().await[1..], [(2, "c2".into(), None), (3, "c9".into(), Some(2))]);
}

#[tokio::test]
async fn there_is_one_replacement_at_a_time() {
    let mut world = of_two().await;
    assert_eq!(world.refused(7).await, RefusalCode::NotFound);
    let token = world.begin(2).await;
    assert_eq!(world.refused(2).await, RefusalCode::InUse, "a machine may still join");
    assert_eq!(world.refused(1).await, RefusalCode::InUse, "nor another's");
    world.join(3, "c2", token).await;
    assert_eq!(world.refused(1).await, RefusalCode::InUse, "it has not taken the place yet");
    assert_eq!(world.refused(3).await, RefusalCode::InUse);
    world.removes(2).await;
    world.begin(3).await;
}

#[tokio::test]
async fn what_is_given_up_can_be_begun_anew() {
    let mut world = of_two().await;
    let token = world.begin(2).await;
    let delete = Command::DeleteToken(DeleteToken { token_id: token.to_bytes() });
    world.accept(world.by_admin(), delete).await;
    world.begin(2).await;
    world.now += LIFE;
    let token = world.begin(2).await;
    world.join(3, "c2", token).await;
    world.removes(3).await;
    let token = world.begin(2).await;
    world.removes(2).await;
    // Nobody's place is left to take, and it is one more.
    world.join(4, "c4", token).await;
    assert_eq!(world.controllers().await, [(1, "c1".into(), None), (4, "c4".into(), None)]);
}

#[tokio::test]
async fn a_replacements_token_is_for_one_controller() {
    let mut world = of_two().await;
    let (_, body) = world.replacement(2);
    let token = body.token.clone().expect("a token");
    let wrong = [
        Some(CreateToken { uses: 2, ..token.clone() }),
        Some(CreateToken { role: "node".into(), ..token }),
        None,
    ];
    for token in wrong {
        let command = Command::ReplaceController(ReplaceController { token, ..body.clone() });
        assert_eq!(world.refuse(world.by_admin(), command).await, RefusalCode::Invalid);
    }
    let reseller = world.reseller("acme", None).await;
    let (_, body) = world.replacement(2);
    let refused = world.refuse(crate::support::by(reseller.key), Command::ReplaceController(body)).await;
    assert_eq!(refused, RefusalCode::Forbidden);
}
