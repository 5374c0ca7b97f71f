//! Sign-ins that programs wait for: confirmed once, by who they are, and collected once.

use npanel_model::{AccessRole, DeviceLoginId, SessionId, UserId};
use npanel_proto::command::{
    BeginDeviceLogin, CreateSession, CreateUser, DecideDeviceLogin, UpdateIdentityProvider,
    envelope::Command, principal::Who,
};
use npanel_state::{Decision, RefusalCode};

use crate::{
    identity_providers::{make, mapping},
    support::{HASH, World},
};

const CONTROLLER: Who = Who::ControllerId(1);

fn begin(world: &World, code: u8) -> (DeviceLoginId, BeginDeviceLogin) {
    let id = DeviceLoginId::generate();
    let command = BeginDeviceLogin {
        device_login_id: id.to_bytes(),
        secret_hash: HASH.to_vec(),
        user_code_hash: vec![code; 32],
        client: "npanel on w7".into(),
        user_agent: "npanel/0.1.0".into(),
        expires_millis: world.now + 600_000,
    };
    (id, command)
}

impl World {
    async fn wait_under(&mut self, code: u8) -> DeviceLoginId {
        let (id, command) = begin(self, code);
        self.accept(CONTROLLER, Command::BeginDeviceLogin(command)).await;
        id
    }

    async fn user(&mut self, login: &str) -> UserId {
        let id = UserId::generate();
        let command = CreateUser {
            user_id: id.to_bytes(),
            tenant_id: self.root.to_bytes(),
            login: login.into(),
            name: "Ann".into(),
            role: "support".into(),
            actions: vec!["*".into()],
            ..CreateUser::default()
        };
        self.accept(self.by_admin(), Command::CreateUser(command)).await;
        id
    }

    async fn decision(&self, id: DeviceLoginId) -> Decision {
        self.store.reader().device_login(id).await.expect("a query").expect("it waits").decision
    }
}

fn decide(id: DeviceLoginId, user: UserId, confirms: bool) -> DecideDeviceLogin {
    let (device_login_id, user_id) = (id.to_bytes(), user.to_bytes());
    DecideDeviceLogin { device_login_id, user_id, confirms, ..DecideDeviceLogin::default() }
}

fn collect(world: &World, id: DeviceLoginId, user: UserId) -> CreateSession {
    CreateSession {
        session_id: SessionId::generate().to_bytes(),
        secret_hash: HASH.to_vec(),
        user_id: user.to_bytes(),
        expires_millis: world.now + 60_000,
        device_login_id: id.to_bytes(),
        ..CreateSession::default()
    }
}

fn as_user(id: UserId) -> Who {
    Who::UserId(id.to_bytes())
}

#[tokio::test]
async fn what_a_user_confirms_is_collected_once_and_as_that_user() {
    let mut world = World::new().await;
    let (ann, bob) = (world.user("ann@example.com").await, world.user("bob@example.com").await);
    let id = world.wait_under(1).await;
    let early = collect(&world, id, ann);
    assert_eq!(world.refuse(as_user(ann), Command::CreateSession(early)).await, RefusalCode::Unauthenticated);
    world.accept(as_user(ann), Command::DecideDeviceLogin(decide(id, ann, true))).await;
    assert_eq!(world.decision(id).await, Decision::Confirmed(ann));
    let another = decide(id, bob, true);
    assert_eq!(
        world.refuse(as_user(bob), Command::DecideDeviceLogin(another)).await,
        RefusalCode::Unauthenticated
    );
    let as_bob = collect(&world, id, bob);
    assert_eq!(
        world.refuse(as_user(bob), Command::CreateSession(as_bob)).await,
        RefusalCode::Unauthenticated
    );
    let (first, second) = (collect(&world, id, ann), collect(&world, id, ann));
    world.accept(as_user(ann), Command::CreateSession(first)).await;
    assert_eq!(
        world.refuse(as_user(ann), Command::CreateSession(second)).await,
        RefusalCode::Unauthenticated
    );
}

#[tokio::test]
async fn what_is_refused_is_nobodys_and_nobody_decides_for_another() {
    let mut world = World::new().await;
    let (ann, bob) = (world.user("ann@example.com").await, world.user("bob@example.com").await);
    let id = world.wait_under(1).await;
    let for_ann = Command::DecideDeviceLogin(decide(id, ann, true));
    for who in [as_user(bob), world.by_admin(), CONTROLLER] {
        assert_eq!(world.refuse(who, for_ann.clone()).await, RefusalCode::Forbidden);
    }
    world.accept(as_user(ann), Command::DecideDeviceLogin(decide(id, ann, false))).await;
    assert_eq!(world.decision(id).await, Decision::Refused);
    assert_eq!(world.refuse(as_user(ann), for_ann).await, RefusalCode::Unauthenticated, "it was decided");
    let collected = collect(&world, id, ann);
    let refused = world.refuse(as_user(ann), Command::CreateSession(collected)).await;
    assert_eq!(refused, RefusalCode::Unauthenticated);
}

#[tokio::test]
async fn nothing_waits_for_ever() {
    let mut world = World::new().await;
    let ann = world.user("ann@example.com").await;
    let (old, confirmed) = (world.wait_under(1).await, world.wait_under(2).await);
    world.accept(as_user(ann), Command::DecideDeviceLogin(decide(confirmed, ann, true))).await;
    world.now += 600_000;
    let late = Command::DecideDeviceLogin(decide(old, ann, true));
    assert_eq!(world.refuse(as_user(ann), late).await, RefusalCode::Unauthenticated);
    let collected = collect(&world, confirmed, ann);
    let refused = world.refuse(as_user(ann), Command::CreateSession(collected)).await;
    assert_eq!(refused, RefusalCode::Unauthenticated);
    world.now += 1;
    world.wait_under(3).await;
    assert!(world.store.reader().device_login(old).await.expect("a query").is_none(), "it is swept away");
    let (_, again) = begin(&world, 3);
    assert_eq!(world.refuse(CONTROLLER, Command::BeginDeviceLogin(again)).await, RefusalCode::Invalid);
    let (_, stranger) = begin(&world, 4);
    let by_admin = world.by_admin();
    assert_eq!(world.refuse(by_admin, Command::BeginDeviceLogin(stranger)).await, RefusalCode::Forbidden);
}

#[tokio::test]
async fn by_a_provider_it_is_confirmed_only_while_people_sign_in_by_it() {
    let mut world = World::new().await;
    let root = world.root;
    let provider = make(&mut world, root, vec![mapping("*", root, AccessRole::Support)]).await;
    let user = world.sign_in(provider, "ann", &[]).await.id;
    let by_provider =
        |id| DecideDeviceLogin { identity_provider_id: provider.to_bytes(), ..decide(id, user, true) };
    let stranger = world.user("bob@example.com").await;
    let id = world.wait_under(1).await;
    let wrong = DecideDeviceLogin { user_id: stranger.to_bytes(), ..by_provider(id) };
    let refused = world.refuse(as_user(stranger), Command::DecideDeviceLogin(wrong)).await;
    assert_eq!(refused, RefusalCode::Unauthenticated, "the provider does not know them");
    world.accept(as_user(user), Command::DecideDeviceLogin(by_provider(id))).await;
    let session = collect(&world, id, user);
    let shown = SessionId::from_bytes(&session.session_id).expect("an id");
    world.accept(as_user(user), Command::CreateSession(session)).await;
    let session = world.store.reader().own_session(shown).await.expect("a query").expect("the session");
    assert_eq!(session.identity_provider_id, Some(provider));

    let waiting = world.wait_under(2).await;
    world.accept(as_user(user), Command::DecideDeviceLogin(by_provider(waiting))).await;
    let off = UpdateIdentityProvider {
        identity_provider_id: provider.to_bytes(),
        enabled: Some(false),
        ..UpdateIdentityProvider::default()
    };
    world.accept(world.by_admin(), Command::UpdateIdentityProvider(off)).await;
    assert!(world.store.reader().own_session(shown).await.expect("a query").is_none(), "it went on");
    let late = collect(&world, waiting, user);
    let refused = world.refuse(as_user(user), Command::CreateSession(late)).await;
    assert_eq!(refused, RefusalCode::Unauthenticated);
}
