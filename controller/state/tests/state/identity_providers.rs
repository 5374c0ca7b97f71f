//! Identity providers: who may have them, whom they let in, and as what.

use npanel_model::{AccessRole, IdentityProviderId, TenantId, UserId};
use npanel_proto::command::{
    CreateIdentityProvider, CreateUser, DeleteIdentityProvider, DeleteTenant, GroupMapping, GroupMappings,
    Identity, SignInByProvider, SuspendTenant, UpdateIdentityProvider, UpdateUser, envelope::Command,
    principal::Who,
};
use npanel_state::{RefusalCode, User};

use crate::support::{Reseller, World, by, key};

pub(crate) fn mapping(group: &str, tenant: TenantId, role: AccessRole) -> GroupMapping {
    GroupMapping {
        group: group.into(),
        tenant_id: tenant.to_bytes(),
        role: role.as_str().into(),
        actions: vec!["*".into()],
        accounts: Vec::new(),
    }
}

fn provider(tenant: TenantId, mappings: Vec<GroupMapping>) -> (IdentityProviderId, CreateIdentityProvider) {
    let id = IdentityProviderId::generate();
    let command = CreateIdentityProvider {
        identity_provider_id: id.to_bytes(),
        tenant_id: tenant.to_bytes(),
        name: "staff".into(),
        issuer: "https://id.example.com".into(),
        client_id: "npanel".into(),
        sealed_secret: vec![1],
        scopes: vec!["email".into()],
        login_claim: "email".into(),
        name_claim: "name".into(),
        groups_claim: "groups".into(),
        mappings,
        creates_users: true,
    };
    (id, command)
}

pub(crate) async fn make(
    world: &mut World,
    tenant: TenantId,
    mappings: Vec<GroupMapping>,
) -> IdentityProviderId {
    let (id, command) = provider(tenant, mappings);
    world.accept(world.by_admin(), Command::CreateIdentityProvider(command)).await;
    id
}

fn known(id: IdentityProviderId) -> Who {
    Who::IdentityProviderId(id.to_bytes())
}

/// A sign-in of somebody with this subject and these groups, by what no other was begun with.
fn sign_in(world: &World, id: IdentityProviderId, subject: &str, groups: &[&str]) -> SignInByProvider {
    let mut hash = [0; 32];
    hash[..8].copy_from_slice(&world.index.to_be_bytes());
    SignInByProvider {
        identity_provider_id: id.to_bytes(),
        subject: subject.into(),
        new_user_id: UserId::generate().to_bytes(),
        login: format!("{subject}@example.com"),
        name: "Ann Example".into(),
        groups: groups.iter().map(|group| (*group).to_owned()).collect(),
        sign_in_hash: hash.to_vec(),
        expires_millis: world.now + 600_000,
    }
}

impl World {
    pub(crate) async fn sign_in(&mut self, id: IdentityProviderId, subject: &str, groups: &[&str]) -> User {
        let command = sign_in(self, id, subject, groups);
        let accepted = self.accept(known(id), Command::SignInByProvider(command)).await;
        let user = UserId::from_bytes(&accepted.object_id).expect("a user");
        self.store.reader().own_user(user).await.expect("a query").expect("the user")
    }

    async fn not_signed_in(&mut self, id: IdentityProviderId, subject: &str, groups: &[&str]) -> RefusalCode {
        let command = sign_in(self, id, subject, groups);
        self.refuse(known(id), Command::SignInByProvider(command)).await
    }
}

#[tokio::test]
async fn who_is_known_becomes_a_user_and_follows_their_groups_at_every_sign_in() {
    let mut world = World::new().await;
    let (root, acme) = (world.root, world.reseller("acme", None).await);
    let mappings = vec![
        mapping("admins", root, AccessRole::Administrator),
        mapping("acme", acme.tenant, AccessRole::Reseller),
        mapping("*", root, AccessRole::Support),
    ];
    let id = make(&mut world, root, mappings).await;
    // The first that fits, whatever the order of the groups.
    let made = world.sign_in(id, "ann", &["acme", "admins"]).await;
    assert_eq!(
        (made.role, made.tenant_id, made.login.as_str()),
        (AccessRole::Administrator, root, "ann@example.com")
    );
    assert!(
        !made.has_password
            && made.identity.as_ref().is_some_and(|(by, as_)| *by == id && as_.as_str() == "ann")
    );
    let later = world.sign_in(id, "ann", &["acme"]).await;
    assert_eq!((later.id, later.role, later.tenant_id), (made.id, AccessRole::Reseller, acme.tenant));
    let last = world.sign_in(id, "ann", &[]).await;
    assert_eq!((last.id, last.role, last.tenant_id), (made.id, AccessRole::Support, root));
    let same = world.sign_in(id, "ann", &[]).await;
    assert_eq!(same.revision, last.revision, "nothing has changed");
}

#[tokio::test]
async fn a_sign_in_is_good_once_and_in_its_time() {
    let mut world = World::new().await;
    let root = world.root;
    let id = make(&mut world, root, vec![mapping("*", root, AccessRole::Support)]).await;
    let command = sign_in(&world, id, "ann", &[]);
    world.accept(known(id), Command::SignInByProvider(command.clone())).await;
    let again = SignInByProvider { new_user_id: UserId::generate().to_bytes(), ..command.clone() };
    assert_eq!(world.refuse(known(id), Command::SignInByProvider(again)).await, RefusalCode::Unauthenticated);
    let late = SignInByProvider { sign_in_hash: vec![9; 32], expires_millis: world.now, ..command };
    assert_eq!(world.refuse(known(id), Command::SignInByProvider(late)).await, RefusalCode::Unauthenticated);
    // What is over is forgotten, bit by bit.
    world.now += 700_000;
    world.sign_in(id, "ann", &[]).await;
    let left = world.rows(&["SELECT expires_millis FROM spent_sign_ins"]).await;
    assert_eq!(left.len(), 1, "{left:?}");
}

#[tokio::test]
async fn a_user_is_whom_the_provider_means_and_not_who_has_the_address() {
    let mut world = World::new().await;
    let root = world.root;
    let id = make(&mut world, root, vec![mapping("*", root, AccessRole::Administrator)]).await;
    let ann = world.sign_in(id, "ann", &[]).await;
    // Another subject with the same address: somebody else.
    let thief = SignInByProvider { login: "ann@example.com".into(), ..sign_in(&world, id, "mallory", &[]) };
    assert_eq!(world.refuse(known(id), Command::SignInByProvider(thief)).await, RefusalCode::NameTaken);
    // The same subject with another address: the same one.
    let renamed =
        SignInByProvider { login: "ann@elsewhere.example".into(), ..sign_in(&world, id, "ann", &[]) };
    let accepted = world.accept(known(id), Command::SignInByProvider(renamed)).await;
    assert_eq!(accepted.object_id, ann.id.to_bytes());
    // Another provider's subject of that name is another.
    let (other, command) = provider(world.root, vec![mapping("*", world.root, AccessRole::Support)]);
    let command = CreateIdentityProvider { name: "others".into(), ..command };
    world.accept(world.by_admin(), Command::CreateIdentityProvider(command)).await;
    assert_eq!(world.not_signed_in(other, "ann", &[]).await, RefusalCode::NameTaken);
    let no_address = SignInByProvider { login: String::new(), ..sign_in(&world, id, "bob", &[]) };
    let refused = world.refuse(known(id), Command::SignInByProvider(no_address)).await;
    assert_eq!(refused, RefusalCode::Unauthenticated);
}

#[tokio::test]
async fn nobody_gets_in_whom_nothing_lets_in() {
    let mut world = World::new().await;
    let root = world.root;
    let acme = world.reseller("acme", None).await;
    let id = make(&mut world, root, vec![mapping("acme", acme.tenant, AccessRole::Reseller)]).await;
    assert_eq!(world.not_signed_in(id, "ann", &["others"]).await, RefusalCode::Forbidden);
    assert_eq!(world.not_signed_in(id, "ann", &[]).await, RefusalCode::Forbidden);
    let user = world.sign_in(id, "ann", &["acme"]).await;
    // Only a provider itself, or a controller in its name, says whom it knows.
    let command = sign_in(&world, id, "ann", &["acme"]);
    for who in [world.by_admin(), by(acme.key), Who::UserId(user.id.to_bytes()), Who::ControllerId(1)] {
        let command = Command::SignInByProvider(command.clone());
        assert_eq!(world.refuse(who, command).await, RefusalCode::Forbidden);
    }
    let disable = |enabled| {
        Command::UpdateUser(UpdateUser {
            user_id: user.id.to_bytes(),
            enabled: Some(enabled),
            ..UpdateUser::default()
        })
    };
    world.accept(world.by_admin(), disable(false)).await;
    assert_eq!(world.not_signed_in(id, "ann", &["acme"]).await, RefusalCode::Unauthenticated);
    world.accept(world.by_admin(), disable(true)).await;
    let suspend = SuspendTenant {
        tenant_id: acme.tenant.to_bytes(),
        reason: "unpaid".into(),
        operation_id: npanel_model::OperationId::generate().to_bytes(),
        ..SuspendTenant::default()
    };
    world.accept(world.by_admin(), Command::SuspendTenant(suspend)).await;
    assert_eq!(world.not_signed_in(id, "ann", &["acme"]).await, RefusalCode::TenantSuspended);
    let off = UpdateIdentityProvider {
        identity_provider_id: id.to_bytes(),
        enabled: Some(false),
        ..UpdateIdentityProvider::default()
    };
    world.accept(world.by_admin(), Command::UpdateIdentityProvider(off)).await;
    assert_eq!(world.not_signed_in(id, "ann", &["acme"]).await, RefusalCode::Unauthenticated);
}

#[tokio::test]
async fn who_must_be_there_beforehand_is_made_with_the_subject() {
    let mut world = World::new().await;
    let (id, command) = provider(world.root, vec![mapping("*", world.root, AccessRole::Support)]);
    let command = CreateIdentityProvider { creates_users: false, ..command };
    world.accept(world.by_admin(), Command::CreateIdentityProvider(command)).await;
    let sign_in = sign_in(&world, id, "ann", &[]);
    let (code, words) = world.refusal(known(id), Command::SignInByProvider(sign_in)).await;
    assert!(code == "unauthenticated" && words.contains("\"ann\""), "{words}");
    let identity =
        |subject: &str| Some(Identity { identity_provider_id: id.to_bytes(), subject: subject.into() });
    let user = |login: &str| CreateUser {
        user_id: UserId::generate().to_bytes(),
        tenant_id: world.root.to_bytes(),
        login: login.into(),
        name: "Ann".into(),
        role: "administrator".into(),
        actions: vec!["*".into()],
        identity: identity("ann"),
        ..CreateUser::default()
    };
    let (first, second) = (user("ann@example.com"), user("other@example.com"));
    world.accept(world.by_admin(), Command::CreateUser(first.clone())).await;
    assert_eq!(world.refuse(world.by_admin(), Command::CreateUser(second)).await, RefusalCode::NameTaken);
    let signed_in = world.sign_in(id, "ann", &[]).await;
    assert_eq!((signed_in.id.to_bytes(), signed_in.role), (first.user_id.clone(), AccessRole::Support));
    let change = |identity| UpdateUser { user_id: first.user_id.clone(), identity, ..UpdateUser::default() };
    let unbound = Command::UpdateUser(change(Some(Identity::default())));
    world.accept(world.by_admin(), unbound).await;
    assert_eq!(world.not_signed_in(id, "ann", &[]).await, RefusalCode::Unauthenticated);
    world.accept(world.by_admin(), Command::UpdateUser(change(identity("ann2")))).await;
    assert_eq!(world.sign_in(id, "ann2", &[]).await.id, signed_in.id);
}

fn changing(id: IdentityProviderId, mappings: Vec<GroupMapping>) -> Command {
    Command::UpdateIdentityProvider(UpdateIdentityProvider {
        identity_provider_id: id.to_bytes(),
        mappings: Some(GroupMappings { mappings }),
        ..UpdateIdentityProvider::default()
    })
}

/// A key of the reseller's that may do these.
async fn lesser(world: &mut World, of: &Reseller, actions: &[&str]) -> Who {
    let id = npanel_model::ApiKeyId::generate();
    world.accept(world.by_admin(), Command::CreateApiKey(key(id, of.tenant, actions))).await;
    by(id)
}

#[tokio::test]
async fn nobody_lets_others_do_more_than_they_may_themselves() {
    let mut world = World::new().await;
    let root = world.root;
    let (acme, other) = (world.reseller("acme", None).await, world.reseller("other", None).await);
    let try_as = |tenant, mappings| Command::CreateIdentityProvider(provider(tenant, mappings).1);
    let own = |role| vec![mapping("*", acme.tenant, role)];
    // Another's tenant, and the platform.
    for tenant in [other.tenant, world.root] {
        let foreign = vec![mapping("*", tenant, AccessRole::Support)];
        assert_eq!(
            world.refuse(by(acme.key), try_as(acme.tenant, foreign.clone())).await,
            RefusalCode::NotFound
        );
        assert_eq!(world.refuse(by(acme.key), try_as(tenant, foreign)).await, RefusalCode::NotFound);
    }
    let refused = world.refuse(by(acme.key), try_as(acme.tenant, own(AccessRole::Administrator))).await;
    assert_eq!(refused, RefusalCode::Invalid, "an administrator is of the platform");
    // The platform's provider lets nobody act for what is not beneath it, and a tenant's only beneath itself.
    let above = vec![mapping("*", world.root, AccessRole::Support)];
    assert_eq!(world.refuse(world.by_admin(), try_as(acme.tenant, above)).await, RefusalCode::Invalid);
    let few = lesser(&mut world, &acme, &["identity_provider.*", "account.list"]).await;
    let refused = world.refuse(few.clone(), try_as(acme.tenant, own(AccessRole::Reseller))).await;
    assert_eq!(refused, RefusalCode::Forbidden);
    // What is there already is not for them to change either: by another client they would let themselves in.
    let (id, command) = provider(acme.tenant, own(AccessRole::Reseller));
    world.accept(by(acme.key), Command::CreateIdentityProvider(command)).await;
    let mut little = mapping("*", acme.tenant, AccessRole::Support);
    little.actions = vec!["account.list".into()];
    assert_eq!(world.refuse(few, changing(id, vec![little])).await, RefusalCode::Forbidden);
    // A user of one tenant's is known by no provider that whoever manages them does not see.
    let platform = make(&mut world, root, vec![mapping("*", root, AccessRole::Support)]).await;
    let user = CreateUser {
        user_id: UserId::generate().to_bytes(),
        tenant_id: acme.tenant.to_bytes(),
        login: "r@acme.example".into(),
        name: "R".into(),
        role: "reseller".into(),
        actions: vec!["*".into()],
        identity: Some(Identity { identity_provider_id: platform.to_bytes(), subject: "boss".into() }),
        ..CreateUser::default()
    };
    assert_eq!(world.refuse(by(acme.key), Command::CreateUser(user)).await, RefusalCode::NotFound);
}

#[tokio::test]
async fn what_is_wrong_with_a_provider_is_refused() {
    let mut world = World::new().await;
    let root = world.root;
    let good = || provider(root, vec![mapping("*", root, AccessRole::Support)]).1;
    type Change = fn(&mut CreateIdentityProvider);
    let wrong: [(&str, Change); 9] = [
        ("no secret", |one| one.sealed_secret.clear()),
        ("no mapping", |one| one.mappings.clear()),
        ("no TLS", |one| one.issuer = "http://id.example.com".into()),
        ("a query", |one| one.issuer = "https://id.example.com?x".into()),
        ("a name", |one| one.name = "Staff".into()),
        ("a scope", |one| one.scopes = vec!["a b".into()]),
        ("a claim", |one| one.groups_claim = String::new()),
        ("a role", |one| one.mappings[0].role = "king".into()),
        ("an owner of nothing", |one| one.mappings[0].role = "owner".into()),
    ];
    for (what, change) in wrong {
        let mut command = good();
        change(&mut command);
        let refused = world.refuse(world.by_admin(), Command::CreateIdentityProvider(command)).await;
        assert_eq!(refused, RefusalCode::Invalid, "{what}");
    }
    world.accept(world.by_admin(), Command::CreateIdentityProvider(good())).await;
    let again = world.refuse(world.by_admin(), Command::CreateIdentityProvider(good())).await;
    assert_eq!(again, RefusalCode::NameTaken);
}

#[tokio::test]
async fn a_provider_goes_alone_and_with_its_tenant() {
    let mut world = World::new().await;
    let acme = world.reseller("acme", None).await;
    let root = world.root;
    let id = make(&mut world, root, vec![mapping("*", root, AccessRole::Support)]).await;
    let user = world.sign_in(id, "ann", &[]).await;
    let delete =
        Command::DeleteIdentityProvider(DeleteIdentityProvider { identity_provider_id: id.to_bytes() });
    assert_eq!(world.refuse(by(acme.key), delete.clone()).await, RefusalCode::NotFound);
    world.accept(world.by_admin(), delete).await;
    assert_eq!(world.not_signed_in(id, "ann", &[]).await, RefusalCode::Unauthenticated);
    assert!(world.store.reader().own_user(user.id).await.expect("a query").is_some());

    let sub = world.reseller("sub", None).await;
    let id = make(&mut world, sub.tenant, vec![mapping("*", sub.tenant, AccessRole::Support)]).await;
    let plan = npanel_proto::command::DeletePlan { plan_id: sub.plan.to_bytes() };
    world.accept(world.by_admin(), Command::DeletePlan(plan)).await;
    let gone = DeleteTenant { tenant_id: sub.tenant.to_bytes() };
    world.accept(world.by_admin(), Command::DeleteTenant(gone)).await;
    assert!(world.store.reader().identity_provider(world.root, id).await.expect("a query").is_none());
}
