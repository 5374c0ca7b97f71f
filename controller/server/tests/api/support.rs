//! A fleet to send requests to: a platform, one node, two resellers with a plan each.

use std::sync::Arc;

use axum::{Router, body::Body};
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use npanel_cloud::{FixedAddresses, Outgoing, Outside};
use npanel_model::{ControllerId, NodeId, TenantId, Timestamp, TokenId};
use npanel_pki::{
    ApiKeyText, CertificateAuthority, ClusterId, ClusterKey, ClusterSecrets, DataKey, Identity, Lifetimes,
    LiveCredentials,
};
use npanel_proto::command::{
    Authority, Certificate, CreateApiKey, CreateCluster, CreateToken, EnrolController, EnrolNode,
    UpdateNodeFacts, envelope::Command, principal::Who,
};
use npanel_server::{
    authorities::Authorities,
    http::{NodePresence, Presence, PublicAddress, Services, TrustedProxies, router},
    rates::{RateLimits, Rates},
    telemetry::{Metrics, OwnCertificates},
};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::{alone::Alone, documented};

pub(crate) const JSON: &str = "application/json";

pub(crate) struct Fleet {
    pub(crate) agreement: Arc<Alone>,
    pub(crate) services: Services,
    router: Router,
    pub(crate) admin: String,
    maker: Who,
    pub(crate) root: TenantId,
    pub(crate) node: NodeId,
}

pub(crate) struct Reseller {
    pub(crate) tenant: String,
    pub(crate) plan: String,
    pub(crate) key: String,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The body, after making sure of the status.
    #[track_caller]
    pub(crate) fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        if self.text.is_empty() { Value::Null } else { self.json() }
    }

    /// Makes sure of a problem; returns the field at fault.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16, code: &str) -> Option<String> {
        let body = self.expect(status);
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(body["code"], code, "{body}");
        assert_eq!(body["status"], status, "{body}");
        assert_eq!(body["request_id"], self.header("x-request-id"), "{body}");
        assert!(body["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{body}");
        body["field"].as_str().map(str::to_owned)
    }
}

struct Connected;

impl Presence for Connected {
    fn of(&self, _: NodeId) -> NodePresence {
        NodePresence::Connected { since: Timestamp::now() }
    }
}

/// The way out, to the Internet at large and to these.
pub(crate) fn way_out(allowed: &[&str]) -> Outgoing {
    npanel_pki::tls::install_provider();
    let allowed = allowed.iter().map(|text| text.parse().expect("a network")).collect();
    let outside = Outside { allowed, refused: Vec::new() };
    Outgoing::new(outside, Arc::new(FixedAddresses::default())).expect("a way out")
}

fn certificate(serial: u8) -> Option<Certificate> {
    let not_after_millis = Timestamp::now().as_millis() + 86_400_000;
    Some(Certificate {
        serial: vec![serial],
        not_after_millis,
        key_fingerprint: vec![7; 32],
        ..Certificate::default()
    })
}

impl Fleet {
    pub(crate) async fn new() -> Self {
        Self::with(|_| ()).await
    }

    /// One whose API is made of something else in part.
    pub(crate) async fn with(change: impl FnOnce(&mut Services)) -> Self {
        let (root, node) = (TenantId::generate(), NodeId::generate());
        let agreement = Arc::new(Alone::new(node).await);
        let cluster_key = ClusterKey::generate();
        let admin = ApiKeyText::generate();
        let wrapped = cluster_key.wrap(root, &DataKey::generate()).expect("wrapped");
        let authority =
            CertificateAuthority::create(ClusterId::generate(), Timestamp::now()).expect("an authority");
        let first = first_authority(&authority, &cluster_key);
        agreement.accept(Who::ControllerId(1), cluster(root, &admin, wrapped, first)).await;
        let maker = Who::ApiKeyId(admin.id.to_bytes());
        enrol(&agreement, &maker, "n1", 2, node).await;
        let secrets = ClusterSecrets::new(&authority, cluster_key);
        let authorities = Authorities::new(secrets, Lifetimes::default()).expect("authorities");
        let mut services = Services {
            agreement: agreement.clone(),
            presence: Arc::new(Connected),
            authorities,
            backups: None,
            metrics: Metrics::new(),
            requests: npanel_server::http::requests(),
            rates: Rates::new(RateLimits::OFF),
            proxies: TrustedProxies::default(),
            outgoing: way_out(&[]),
            public_address: PublicAddress::new(Some("https://c1.example.net:8443".to_owned()), Vec::new()),
        };
        change(&mut services);
        let router = router(services.clone());
        let admin = admin.reveal().expose().to_owned();
        Self { agreement, services, router, admin, maker, root, node }
    }

    /// Another node, which carries nothing.
    pub(crate) async fn spare_node(&self) -> NodeId {
        let node = NodeId::generate();
        enrol(&self.agreement, &self.maker, "spare", 3, node).await;
        node
    }

    /// Another controller.
    pub(crate) async fn spare_controller(&self) -> u64 {
        let (token_id, machine) = token(&self.agreement, &self.maker, "controller").await;
        let enrol = EnrolController {
            controller_id: 2,
            name: "c2".to_owned(),
            fleet_address: "c2.example:8444".to_owned(),
            certificate: certificate(4),
            token_id,
            token_secret_hash: vec![7; 32],
        };
        self.agreement.accept(machine, Command::EnrolController(enrol)).await;
        2
    }

    /// The certificates of a controller.
    pub(crate) fn own_certificates(&self) -> OwnCertificates {
        npanel_pki::tls::install_provider();
        let certify = || self.services.authorities.certify(Identity::Controller(ControllerId(1)), &[]);
        let own = || LiveCredentials::new(certify().expect("credentials").0);
        OwnCertificates { fleet: own(), api: own() }
    }

    /// An answer that goes on.
    pub(crate) async fn open(&self, request: Request<Body>) -> http::Response<Body> {
        self.router.clone().oneshot(request).await.expect("an answer")
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let (method, path) = (request.method().clone(), request.uri().to_string());
        let answer = self.answer(request).await;
        documented::check(&method, &path, &answer);
        answer
    }

    async fn answer(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.expect("an answer");
        let (parts, body) = response.into_parts();
        // That one has no end.
        if parts.headers.get("content-type").is_some_and(|kind| kind == "text/event-stream") {
            return Answer { status: parts.status, headers: parts.headers, text: String::new() };
        }
        let bytes = body.collect().await.expect("a body").to_bytes();
        let text = String::from_utf8(bytes.to_vec()).expect("text");
        Answer { status: parts.status, headers: parts.headers, text }
    }

    pub(crate) fn request(method: Method, path: &str, key: &str) -> http::request::Builder {
        Request::builder().method(method).uri(path).header(header::AUTHORIZATION, format!("Bearer {key}"))
    }

    pub(crate) async fn get(&self, path: &str, key: &str) -> Answer {
        self.send(Self::request(Method::GET, path, key).body(Body::empty()).expect("a request")).await
    }

    pub(crate) async fn delete(&self, path: &str, key: &str) -> Answer {
        self.send(Self::request(Method::DELETE, path, key).body(Body::empty()).expect("a request")).await
    }

    pub(crate) async fn post(&self, path: &str, key: &str, body: &Value) -> Answer {
        self.post_text(path, key, &body.to_string()).await
    }

    pub(crate) async fn post_text(&self, path: &str, key: &str, body: &str) -> Answer {
        let request = Self::request(Method::POST, path, key).header(header::CONTENT_TYPE, JSON);
        self.send(request.body(Body::from(body.to_owned())).expect("a request")).await
    }

    pub(crate) async fn reseller(&self, name: &str) -> Reseller {
        let tenant = id(&self.post("/v1/tenants", &self.admin, &json!({"name": name})).await);
        let key = self.key(&self.admin, &tenant, &["*"]).await;
        let plan =
            json!({"name": "basic", "disk_mb": 1000, "domains": 3, "databases": 2, "php_version": "8.2"});
        let plan = id(&self.post("/v1/plans", &key, &plan).await);
        Reseller { tenant, plan, key }
    }

    /// A new key, made by `maker`.
    pub(crate) async fn key(&self, maker: &str, tenant: &str, actions: &[&str]) -> String {
        let body = json!({"tenant_id": tenant, "name": "test", "actions": actions});
        let made = self.post("/v1/api-keys", maker, &body).await.expect(201);
        made["key"].as_str().expect("a key").to_owned()
    }

    pub(crate) async fn account(&self, of: &Reseller, username: &str, domain: Option<&str>) -> Answer {
        let body =
            json!({"tenant_id": of.tenant, "plan_id": of.plan, "username": username, "domain": domain});
        self.post("/v1/accounts", &of.key, &body).await
    }

    /// Makes a database of an account, and a user of its name; their ids.
    pub(crate) async fn shop(&self, account: &str, key: &str) -> (String, String) {
        let body = json!({"account_id": account, "name": "shop"});
        let database = id(&self.post("/v1/databases", key, &body).await);
        (database, id(&self.post("/v1/database-users", key, &body).await))
    }

    /// The id of the first one of a list.
    pub(crate) async fn first(&self, path: &str, key: &str) -> String {
        self.get(path, key).await.expect(200)["items"][0]["id"].as_str().expect("an id").to_owned()
    }
}

/// The id of what was made.
#[track_caller]
pub(crate) fn id(answer: &Answer) -> String {
    answer.expect(201)["id"].as_str().expect("an id").to_owned()
}

fn first_authority(authority: &CertificateAuthority, key: &ClusterKey) -> Authority {
    Authority {
        key_fingerprint: authority.pin().to_bytes(),
        certificate: authority.certificate().to_vec(),
        sealed_key: key.wrap_authority(authority).expect("sealed"),
        not_after_millis: authority.not_after().as_millis(),
        ..Authority::default()
    }
}

fn cluster(root: TenantId, admin: &ApiKeyText, wrapped_data_key: Vec<u8>, authority: Authority) -> Command {
    Command::CreateCluster(CreateCluster {
        first_authority: Some(authority),
        cluster_id: "test".to_owned(),
        root_tenant_id: root.to_bytes(),
        root_tenant_name: "platform".to_owned(),
        wrapped_data_key,
        first_key: Some(CreateApiKey {
            api_key_id: admin.id.to_bytes(),
            tenant_id: root.to_bytes(),
            name: "administrator".to_owned(),
            secret_hash: admin.secret.hash().to_bytes(),
            actions: vec!["*".to_owned()],
            ..CreateApiKey::default()
        }),
        first_controller: Some(EnrolController {
            controller_id: 1,
            name: "c1".to_owned(),
            fleet_address: "c1.example:8444".to_owned(),
            certificate: certificate(1),
            ..EnrolController::default()
        }),
        name_server_domain: "ns.example".to_owned(),
        retention_seconds: 3600,
        ..CreateCluster::default()
    })
}

/// Makes a bootstrap token; its id, and who shows it.
async fn token(agreement: &Alone, maker: &Who, role: &str) -> (Vec<u8>, Who) {
    let token = TokenId::generate().to_bytes();
    let create = CreateToken {
        token_id: token.clone(),
        role: role.to_owned(),
        secret_hash: vec![7; 32],
        uses: 1,
        expires_millis: Timestamp::now().as_millis() + 60_000,
        pool: "default".to_owned(),
        ..CreateToken::default()
    };
    agreement.accept(maker.clone(), Command::CreateToken(create)).await;
    (token.clone(), Who::TokenId(token))
}

async fn enrol(agreement: &Alone, maker: &Who, name: &str, serial: u8, node: NodeId) {
    let (token_id, machine) = token(agreement, maker, "node").await;
    let enrol = EnrolNode {
        node_id: node.to_bytes(),
        name: name.to_owned(),
        certificate: certificate(serial),
        token_id,
        token_secret_hash: vec![7; 32],
    };
    agreement.accept(machine, Command::EnrolNode(enrol)).await;
    let facts = UpdateNodeFacts {
        node_id: node.to_bytes(),
        roles: vec!["web".to_owned(), "database".to_owned(), "dns".to_owned()],
        address: "192.0.2.11".to_owned(),
        os_profile: "debian-12".to_owned(),
        php_versions: vec!["8.2".to_owned()],
        version: "0.1.0".to_owned(),
        ..UpdateNodeFacts::default()
    };
    agreement.accept(Who::ControllerId(1), Command::UpdateNodeFacts(facts)).await;
}
