//! A fleet's state to try the rules on: a platform, two resellers, a plan each, one node for everything.

use std::path::Path;

use npanel_model::*;
use npanel_proto::command::{envelope::Command, outcome, principal::Who, *};
use npanel_state::{LogPosition, LogRecord, RecordPayload, RefusalCode, Store};

pub(crate) const NOW: i64 = 1_800_000_000_000;
pub(crate) const HASH: [u8; 32] = [7; 32];

pub(crate) struct World {
    pub(crate) store: Store,
    pub(crate) index: u64,
    pub(crate) now: i64,
    pub(crate) root: TenantId,
    pub(crate) admin: ApiKeyId,
    pub(crate) node: NodeId,
    pub(crate) records: Vec<LogRecord>,
    /// The feature level that commands are of.
    pub(crate) level: u32,
    authority: Option<Authority>,
    _directory: tempfile::TempDir,
}

pub(crate) struct Reseller {
    pub(crate) tenant: TenantId,
    pub(crate) key: ApiKeyId,
    pub(crate) plan: PlanId,
}

pub(crate) async fn open(path: &Path) -> Store {
    Store::open(path).await.expect("the store opens")
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::founded(None, npanel_state::FEATURE_LEVEL).await
    }

    /// A fleet that was made at this feature level.
    pub(crate) async fn at_level(level: u32) -> Self {
        Self::founded(None, level).await
    }

    /// A fleet whose certificates, so far, are all from this authority.
    pub(crate) async fn with_authority(authority: Authority) -> Self {
        Self::founded(Some(authority), npanel_state::FEATURE_LEVEL).await
    }

    async fn founded(authority: Option<Authority>, level: u32) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let store = open(directory.path()).await;
        let (root, admin, node) = (TenantId::generate(), ApiKeyId::generate(), NodeId::generate());
        let mut world = Self {
            store,
            index: 0,
            now: NOW,
            root,
            admin,
            node,
            records: Vec::new(),
            level,
            authority,
            _directory: directory,
        };
        world.create_cluster().await;
        world.enrol_node("n1", node).await;
        world
    }

    async fn create_cluster(&mut self) {
        let command = Command::CreateCluster(CreateCluster {
            cluster_id: "test".into(),
            root_tenant_id: self.root.to_bytes(),
            root_tenant_name: "platform".into(),
            wrapped_data_key: vec![1],
            first_key: Some(key(self.admin, self.root, &["*"])),
            first_controller: Some(EnrolController {
                controller_id: 1,
                name: "c1".into(),
                fleet_address: "c1.example:1".into(),
                certificate: Some(self.certificate(1)),
                ..EnrolController::default()
            }),
            first_authority: self.authority.clone(),
            name_server_domain: "ns.example".into(),
            retention_seconds: 3600,
            ..CreateCluster::default()
        });
        self.accept(Who::ControllerId(1), command).await;
    }

    pub(crate) async fn token(&mut self, role: &str, uses: u32) -> TokenId {
        let id = TokenId::generate();
        let command = Command::CreateToken(CreateToken {
            token_id: id.to_bytes(),
            role: role.into(),
            secret_hash: HASH.to_vec(),
            uses,
            expires_millis: self.now + 900_000,
            pool: "default".into(),
            ..CreateToken::default()
        });
        self.accept(self.by_admin(), command).await;
        id
    }

    /// A token for one machine of this name, from one of these networks, into the pool `p`.
    pub(crate) async fn bound_token(&mut self, name: &str, networks: &[&str]) -> TokenId {
        let id = TokenId::generate();
        let command = Command::CreateToken(CreateToken {
            token_id: id.to_bytes(),
            role: "node".into(),
            secret_hash: HASH.to_vec(),
            uses: 1,
            expires_millis: self.now + 900_000,
            pool: "p".into(),
            name: name.into(),
            networks: networks.iter().map(|network| (*network).to_owned()).collect(),
        });
        self.accept(self.by_admin(), command).await;
        id
    }

    fn certificate(&self, serial: u64) -> Certificate {
        let authority_fingerprint =
            self.authority.as_ref().map(|authority| authority.key_fingerprint.clone()).unwrap_or_default();
        Certificate { authority_fingerprint, ..certificate(serial) }
    }

    pub(crate) fn enrolment(&self, name: &str, node: NodeId, token: TokenId) -> Command {
        Command::EnrolNode(EnrolNode {
            node_id: node.to_bytes(),
            name: name.into(),
            certificate: Some(self.certificate(self.index)),
            token_id: token.to_bytes(),
            token_secret_hash: HASH.to_vec(),
        })
    }

    pub(crate) async fn enrol_node(&mut self, name: &str, node: NodeId) {
        let token = self.token("node", 1).await;
        let command = self.enrolment(name, node, token);
        self.accept(Who::TokenId(token.to_bytes()), command).await;
        let facts = Command::UpdateNodeFacts(UpdateNodeFacts {
            node_id: node.to_bytes(),
            roles: vec!["web".into(), "database".into(), "dns".into()],
            address: "192.0.2.11".into(),
            os_profile: "debian-12".into(),
            php_versions: vec!["8.2".into()],
            version: "0.1.0".into(),
            ..UpdateNodeFacts::default()
        });
        self.accept(Who::ControllerId(1), facts).await;
    }

    pub(crate) async fn reseller(&mut self, name: &str, account_limit: Option<u64>) -> Reseller {
        self.reseller_beneath(self.root, name, account_limit).await
    }

    pub(crate) async fn reseller_beneath(
        &mut self,
        parent: TenantId,
        name: &str,
        account_limit: Option<u64>,
    ) -> Reseller {
        let (tenant, key_id, plan) = (TenantId::generate(), ApiKeyId::generate(), PlanId::generate());
        let create = Command::CreateTenant(CreateTenant {
            tenant_id: tenant.to_bytes(),
            parent_id: parent.to_bytes(),
            name: name.into(),
            wrapped_data_key: vec![2],
            account_limit,
            may_oversell: false,
            ..CreateTenant::default()
        });
        self.accept(self.by_admin(), create).await;
        self.accept(self.by_admin(), Command::CreateApiKey(key(key_id, tenant, &["*"]))).await;
        let plan_command = Command::CreatePlan(CreatePlan {
            plan_id: plan.to_bytes(),
            tenant_id: tenant.to_bytes(),
            name: "basic".into(),
            disk_mb: 1000,
            domains: Some(5),
            databases: Some(2),
            php_version: "8.2".into(),
            ..CreatePlan::default()
        });
        self.accept(by(key_id), plan_command).await;
        Reseller { tenant, key: key_id, plan }
    }

    pub(crate) fn account(
        &self,
        of: &Reseller,
        username: &str,
        domain: Option<&str>,
    ) -> (AccountId, CreateAccount) {
        let id = AccountId::generate();
        let assignment = |part: &str| Assignment {
            assignment_id: AssignmentId::generate().to_bytes(),
            part: part.into(),
            node_id: self.node.to_bytes(),
        };
        let command = CreateAccount {
            account_id: id.to_bytes(),
            tenant_id: of.tenant.to_bytes(),
            plan_id: of.plan.to_bytes(),
            username: username.into(),
            domain: domain.map(|name| self.domain(id, name)),
            assignments: vec![assignment("web"), assignment("database")],
            operation_id: OperationId::generate().to_bytes(),
            ..CreateAccount::default()
        };
        (id, command)
    }

    pub(crate) fn domain(&self, account: AccountId, name: &str) -> CreateDomain {
        let operation = OperationId::generate();
        CreateDomain {
            domain_id: DomainId::generate().to_bytes(),
            account_id: account.to_bytes(),
            name: name.into(),
            document_root: format!("web/{name}"),
            operation_id: operation.to_bytes(),
            zone: Some(CreateZone {
                zone_id: ZoneId::generate().to_bytes(),
                account_id: account.to_bytes(),
                name: name.into(),
                provider: "powerdns".into(),
                assignments: vec![ZoneAssignment {
                    assignment_id: AssignmentId::generate().to_bytes(),
                    node_id: self.node.to_bytes(),
                }],
                operation_id: operation.to_bytes(),
                ..CreateZone::default()
            }),
        }
    }

    pub(crate) async fn new_account(
        &mut self,
        of: &Reseller,
        username: &str,
        domain: Option<&str>,
    ) -> AccountId {
        let (id, command) = self.account(of, username, domain);
        self.accept(by(of.key), Command::CreateAccount(command)).await;
        id
    }

    pub(crate) async fn new_database(&mut self, of: &Reseller, account: AccountId, name: &str) -> DatabaseId {
        let id = DatabaseId::generate();
        let command = Command::CreateDatabase(CreateDatabase {
            database_id: id.to_bytes(),
            account_id: account.to_bytes(),
            name: name.into(),
            operation_id: OperationId::generate().to_bytes(),
        });
        self.accept(by(of.key), command).await;
        id
    }

    /// Why a command is refused: the code, and the words.
    pub(crate) async fn refusal(&mut self, who: Who, command: Command) -> (String, String) {
        match self.apply(who, command).await.outcome.expect("an outcome") {
            outcome::Outcome::Refused(refused) => (refused.code, refused.message),
            outcome::Outcome::Accepted(_) => panic!("it was accepted"),
        }
    }

    pub(crate) async fn is_finished(&self, operation: &[u8]) -> bool {
        let id = OperationId::from_bytes(operation).expect("an operation");
        self.store.reader().is_finished(id).await.expect("a query").expect("it is there")
    }

    /// What a command would come to.
    pub(crate) async fn foresee(&self, who: Who, command: Command) -> npanel_state::Foreseen {
        let envelope = Envelope {
            principal: Some(Principal { who: Some(who) }),
            feature_level: self.level,
            time_millis: self.now,
            command: Some(command),
            ..Envelope::default()
        };
        match self.store.foresee(envelope).await.expect("foreseen") {
            npanel_state::Foresight::Accepted(foreseen) => *foreseen,
            npanel_state::Foresight::Refused(refused) => panic!("refused: {refused:?}"),
        }
    }

    /// Rows of the state as it is, as text.
    pub(crate) async fn rows(&self, selects: &[&str]) -> Vec<String> {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("copy.db");
        self.store.copy_to(path.clone()).await.expect("a copy");
        let db = rusqlite::Connection::open(path).expect("it opens");
        let mut rows = Vec::new();
        for select in selects {
            let mut statement = db.prepare(select).expect("a query");
            let columns = statement.column_count();
            let read = statement.query_map([], |row| {
                let values: Vec<String> =
                    (0..columns).map(|at| format!("{:?}", row.get_ref(at).expect("a value"))).collect();
                Ok(values.join(", "))
            });
            rows.extend(read.expect("rows").collect::<Result<Vec<_>, _>>().expect("texts"));
        }
        rows
    }

    /// Reports `state` for everything that the node should hold, at the wanted generation.
    pub(crate) async fn observe_all(&mut self, state: &str) {
        self.observe_all_on(self.node, state).await;
    }

    pub(crate) async fn observe_all_on(&mut self, node: NodeId, state: &str) {
        let wanted = self.store.reader().wanted_on(node).await.expect("a list");
        let observations = wanted
            .into_iter()
            .map(|object| Observation {
                node_id: node.to_bytes(),
                kind: object.kind.as_str().into(),
                object_id: object.id,
                generation: object.generation.0,
                state: state.into(),
                since_millis: self.now,
                ..Observation::default()
            })
            .collect();
        self.accept(Who::ControllerId(1), Command::RecordObservations(RecordObservations { observations }))
            .await;
    }

    pub(crate) fn by_admin(&self) -> Who {
        by(self.admin)
    }

    pub(crate) async fn apply(&mut self, who: Who, command: Command) -> Outcome {
        self.apply_envelope(Envelope {
            principal: Some(Principal { who: Some(who) }),
            request_id: RequestId::generate().to_bytes(),
            feature_level: self.level,
            time_millis: self.now,
            command: Some(command),
            ..Envelope::default()
        })
        .await
    }

    pub(crate) async fn apply_envelope(&mut self, envelope: Envelope) -> Outcome {
        self.index += 1;
        let position = LogPosition { term: 1, leader: 1, index: self.index };
        let record = LogRecord { position, payload: RecordPayload::Command(envelope.into()) };
        self.records.push(record.clone());
        self.store.apply(vec![record]).await.expect("applied").pop().expect("one outcome")
    }

    pub(crate) async fn accept(&mut self, who: Who, command: Command) -> Accepted {
        match self.apply(who, command).await.outcome.expect("an outcome") {
            outcome::Outcome::Accepted(accepted) => accepted,
            outcome::Outcome::Refused(refused) => panic!("refused: {refused:?}"),
        }
    }

    /// The refusal's code, after making sure that nothing but the log position changed.
    pub(crate) async fn refuse(&mut self, who: Who, command: Command) -> RefusalCode {
        let before = content(&self.store).await;
        let outcome = self.apply(who, command).await;
        let outcome::Outcome::Refused(refused) = outcome.outcome.expect("an outcome") else {
            panic!("it was accepted");
        };
        assert_eq!(content(&self.store).await, before, "a refused command changed something");
        RefusalCode::from_text(&refused.code).expect("a known code")
    }
}

pub(crate) fn by(key: ApiKeyId) -> Who {
    Who::ApiKeyId(key.to_bytes())
}

pub(crate) fn key(id: ApiKeyId, tenant: TenantId, actions: &[&str]) -> CreateApiKey {
    CreateApiKey {
        api_key_id: id.to_bytes(),
        tenant_id: tenant.to_bytes(),
        name: "test".into(),
        secret_hash: HASH.to_vec(),
        actions: actions.iter().map(|action| (*action).to_owned()).collect(),
        ..CreateApiKey::default()
    }
}

pub(crate) fn certificate(serial: u64) -> Certificate {
    Certificate {
        serial: serial.to_be_bytes().to_vec(),
        not_after_millis: NOW + 86_400_000,
        key_fingerprint: HASH.to_vec(),
        ..Certificate::default()
    }
}

/// Every row of every table but the log position, as text.
pub(crate) async fn content(store: &Store) -> Vec<String> {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("copy.db");
    store.copy_to(path.clone()).await.expect("a copy");
    let db = rusqlite::Connection::open(path).expect("it opens");
    let names: Vec<String> = db
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT IN ('raft', '_sqlx_migrations') ORDER BY name")
        .expect("a query")
        .query_map([], |row| row.get(0))
        .expect("rows")
        .collect::<Result<_, _>>()
        .expect("names");
    let mut rows = Vec::new();
    for name in names {
        let mut statement = db.prepare(&format!("SELECT * FROM {name}")).expect("a query");
        let columns = statement.column_count();
        let mut found: Vec<String> = statement
            .query_map([], |row| {
                let values: Vec<String> =
                    (0..columns).map(|at| format!("{:?}", row.get_ref(at).expect("a value"))).collect();
                Ok(format!("{name}: {}", values.join(", ")))
            })
            .expect("rows")
            .collect::<Result<_, _>>()
            .expect("texts");
        found.sort();
        rows.extend(found);
    }
    rows
}
