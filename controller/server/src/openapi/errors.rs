//! Which problems each operation may answer with: by status, as its parameters, its body and the rules of its action have it.
//!
//! The tests of the API compare every answer that they get with this.

use std::collections::BTreeMap;

use npanel_model::Action;
use npanel_sdk_types::{PROBLEM_MEDIA_TYPE, Problem};
use npanel_state::RefusalCode;
use utoipa::{
    ToSchema,
    openapi::{
        Components, Content, Header, OpenApi, Ref, RefOr, Response, ResponseBuilder,
        example::{Example, ExampleBuilder},
        path::Operation,
    },
};

use super::{number, operations_mut, text};
use crate::{
    auth::action_of,
    http::{Kind, meaning},
};

/// What an operation is, as far as its problems depend on it.
#[derive(Debug, Clone, Copy)]
struct Nature {
    action: Action,
    is_write: bool,
    has_body: bool,
    has_id: bool,
}

/// Says of every operation which problems it answers with, each with an example.
pub(super) fn add(document: &mut OpenApi) {
    let mut components = document.components.take().unwrap_or_default();
    for kind in Kind::all() {
        components.examples.insert(example_name(kind), example(kind).into());
    }
    for (path, method, operation) in operations_mut(document) {
        let Some(action) = action_of(operation) else { continue };
        let nature = Nature {
            action,
            // A route that needs no credential makes one; it is no write of what the fleet is to be.
            is_write: method != http::Method::GET && operation.security.is_none(),
            has_body: operation.request_body.is_some(),
            has_id: path.contains("id}"),
        };
        describe(operation, nature, &mut components);
    }
    document.components = Some(components);
}

fn describe(operation: &mut Operation, nature: Nature, components: &mut Components) {
    let mut by_status: BTreeMap<u16, Vec<Kind>> = BTreeMap::new();
    let asked_for = problems(nature);
    for kind in Kind::all().filter(|kind| asked_for.contains(kind)) {
        by_status.entry(meaning(kind).0.as_u16()).or_default().push(kind);
    }
    for (status, kinds) in by_status {
        let response = match shared_name(status, &kinds, nature) {
            Some(name) => {
                components.responses.entry(name.clone()).or_insert_with(|| response(&kinds).into());
                RefOr::Ref(Ref::from_response_name(name))
            }
            None => response(&kinds).into(),
        };
        match (operation.responses.responses.get_mut(&status.to_string()), &response) {
            // What a standard has it answer, it answers as well.
            (Some(RefOr::T(own)), _) if !own.content.is_empty() => {
                own.content.extend(self::response(&kinds).content);
            }
            _ => drop(operation.responses.responses.insert(status.to_string(), response)),
        }
    }
}

/// What many operations answer alike is said once.
fn shared_name(status: u16, kinds: &[Kind], nature: Nature) -> Option<String> {
    match kinds {
        [one] => Some(meaning(*one).1.to_owned()),
        _ if status == 503 && nature.action != Action::ClusterBackup => {
            Some(if nature.is_write { "write_unavailable" } else { "read_unavailable" }.to_owned())
        }
        _ => None,
    }
}

fn response(kinds: &[Kind]) -> Response {
    let said: Vec<String> = kinds
        .iter()
        .map(|kind| {
            let (_, code, title) = meaning(*kind);
            format!("`{code}`: {title}.")
        })
        .collect();
    let mut content = Content::new(Some(Ref::from_schema_name(Problem::name())));
    for kind in kinds {
        let example = Ref::new(format!("#/components/examples/{}", example_name(*kind)));
        content.examples.insert(meaning(*kind).1.to_owned(), RefOr::Ref(example));
    }
    let mut response =
        ResponseBuilder::new().description(said.join(" ")).content(PROBLEM_MEDIA_TYPE, content).build();
    let status = kinds.first().map_or(0, |kind| meaning(*kind).0.as_u16());
    if [429, 503].contains(&status) {
        let shown = number().description(Some("When it is worth to ask again, in seconds")).build();
        response.headers.insert("retry-after".to_owned(), Header::new(shown).into());
    }
    if status == 401 {
        let shown = text().description(Some("`Bearer`")).build();
        response.headers.insert("www-authenticate".to_owned(), Header::new(shown).into());
    }
    response
}

fn example_name(kind: Kind) -> String {
    format!("problem.{}", meaning(kind).1)
}

fn example(kind: Kind) -> Example {
    let (status, code, title) = meaning(kind);
    let problem = Problem {
        kind: format!("/problems/{code}"),
        title: title.to_owned(),
        status: status.as_u16(),
        code: code.to_owned(),
        detail: format!("{}, because of what was asked", title.to_lowercase()),
        field: None,
        request_id: "0190a5d2-7c00-7000-8000-000000000015".to_owned(),
    };
    let value = serde_json::to_value(problem).expect("a problem is made of texts and numbers");
    ExampleBuilder::new().summary(title).value(Some(value)).build()
}

fn problems(nature: Nature) -> Vec<Kind> {
    use RefusalCode as R;
    let mut all = vec![
        Kind::Refused(R::Unauthenticated),
        Kind::Refused(R::Forbidden),
        Kind::BadRequest,
        Kind::InvalidHeader,
        Kind::InvalidQuery,
        Kind::AddressTooLong,
        Kind::TooManyRequests,
        Kind::TooOften,
        Kind::Overloaded,
        Kind::Busy,
        Kind::NoLeader,
        Kind::Stopped,
        Kind::Removed,
        Kind::TimedOut,
        Kind::Internal,
    ];
    if nature.is_write {
        all.extend([Kind::DiskFull, Kind::GoneSince]);
        let of_all = [
            R::Invalid,
            R::Unavailable,
            R::IdempotencyKeyReused,
            R::FeatureLevelTooLow,
            R::KeyReplaced,
            R::TenantSuspended,
        ];
        all.extend(of_all.map(Kind::Refused));
    } else {
        all.push(Kind::NotReached);
    }
    if nature.is_write && nature.has_id {
        all.push(Kind::Refused(R::RevisionMismatch));
    }
    if nature.has_body {
        all.extend([Kind::MalformedBody, Kind::InvalidBody, Kind::UnsupportedMediaType]);
        all.extend([Kind::BodyTooLarge, Kind::BodyTooSlow]);
    }
    if nature.has_id {
        all.push(Kind::Refused(R::NotFound));
    }
    all.extend(own(nature.action));
    all.extend(refusals(nature.action).iter().copied().map(Kind::Refused));
    all
}

/// What only these operations answer, apart from refusals.
fn own(action: Action) -> Vec<Kind> {
    match action {
        Action::EventList => vec![Kind::EventsGone, Kind::TooManyListeners],
        Action::SessionCreate
        | Action::SessionDevice
        | Action::MeSetPassword
        | Action::MeBeginTotp
        | Action::MeConfirmTotp
        | Action::MeRemoveTotp => vec![Kind::TooManyGuesses],
        Action::ClusterBackup => vec![Kind::Bucket, Kind::KeyMissing],
        _ => Vec::new(),
    }
}

/// The refusals of an action's own rules, beyond those of every write.
fn refusals(action: Action) -> &'static [RefusalCode] {
    use Action as A;
    use RefusalCode as R;
    match action {
        A::TenantCreate => &[R::NotFound, R::NameTaken, R::LimitReached],
        A::TenantUpdate => &[R::NameTaken],
        A::TenantSuspend | A::TenantUnsuspend | A::TenantExport | A::AccountExport => &[],
        A::PlanCreate => &[R::NotFound, R::NameTaken, R::NoNode],
        A::PlanUpdate => &[R::NameTaken, R::NoNode, R::NodeFull, R::LimitReached],
        A::TenantDelete | A::PlanDelete | A::ApiKeyDelete => &[R::InUse],
        A::AccountCreate => &[
            R::NotFound,
            R::NameTaken,
            R::NameOverlaps,
            R::LimitReached,
            R::NoNode,
            R::NodeFull,
            R::PlacementUnmet,
        ],
        A::AccountUpdate => &[R::LimitReached, R::Deleting, R::NoNode, R::NodeFull, R::PlacementUnmet],
        A::AccountSuspend | A::AccountUnsuspend | A::AccountDelete => &[R::Deleting],
        A::DomainCreate => {
            &[R::NotFound, R::NameTaken, R::NameOverlaps, R::LimitReached, R::Deleting, R::NoNode]
        }
        A::DomainUpdate | A::DomainSuspend | A::DomainUnsuspend | A::DomainDelete => &[R::Deleting],
        A::DatabaseCreate => &[R::NotFound, R::NameTaken, R::LimitReached, R::Deleting, R::NoNode],
        A::DatabaseUserCreate => &[R::NotFound, R::NameTaken, R::Deleting, R::NoNode],
        A::DatabaseDelete | A::DatabaseUserDelete => &[R::Deleting],
        A::DatabaseSetPassword | A::DatabaseSetPrivileges => &[R::Deleting],
        A::ZoneCreate => &[R::NotFound, R::NameTaken, R::NameOverlaps, R::Deleting, R::NoNode],
        A::ZoneDelete | A::RecordUpdate | A::RecordDelete => &[R::Deleting],
        A::RecordAdd => &[R::NameTaken, R::Deleting],
        A::CronSetJobs => &[R::LimitReached, R::Deleting, R::NoNode],
        A::NodeUpdate | A::NodeRevoke | A::NodeDelete => &[R::InUse, R::Deleting],
        A::ControllerRemove => &[R::InUse],
        A::ControllerReplace => &[R::InUse, R::NameTaken],
        A::ApiKeyCreate | A::ApiKeyRotate => &[R::NotFound, R::LimitReached],
        A::UserCreate => &[R::NotFound, R::NameTaken, R::LimitReached],
        A::UserUpdate | A::UserDelete | A::UserSetPassword | A::UserRemoveTotp => &[R::NotFound, R::InUse],
        A::MeGet | A::MeSetPassword | A::MeBeginTotp | A::MeConfirmTotp | A::MeRemoveTotp => {
            &[R::NotFound, R::InUse]
        }
        A::SessionCreate | A::SessionToken => &[R::SecondFactorRequired, R::Invalid],
        A::SessionDevice | A::SessionConfirmDevice | A::SessionIdentify => {
            &[R::Unavailable, R::FeatureLevelTooLow]
        }
        A::IdentityProviderCreate => &[R::NotFound, R::NameTaken, R::LimitReached],
        A::IdentityProviderUpdate => &[R::NameTaken],
        A::IdentityProviderGet | A::IdentityProviderList | A::IdentityProviderDelete => &[],
        A::SessionImpersonate | A::SessionImpersonateToWrite => &[R::NotFound, R::LimitReached],
        A::UserGet | A::UserList | A::SessionGet | A::SessionList | A::SessionDelete => &[],
        A::WebhookCreate => &[R::NotFound, R::LimitReached],
        A::CaRotate | A::CaRetire | A::SecretsRotate => &[R::NotFound, R::InUse],
        A::ClusterUpdate => &[R::RevisionMismatch],
        A::PlacementExplain => &[R::NotFound, R::Invalid],
        A::AccountList => &[R::Invalid],
        A::AuditKey | A::AuditCheckpoint | A::AuditProve | A::AuditVerify => &[R::NotFound],
        A::SecretsStatus | A::ClusterStatus | A::CaStatus => &[R::NotFound],
        A::ClusterBackup => &[R::NotFound],
        A::TenantGet | A::PlanGet | A::AccountGet | A::DomainGet | A::DatabaseGet | A::DatabaseUserGet => &[],
        A::ZoneGet | A::RecordGet | A::CronGetJobs | A::NodeGet | A::NodeStatus | A::TokenGet => &[],
        A::ApiKeyGet | A::OperationGet | A::WebhookGet => &[],
        A::TenantList | A::PlanList | A::DomainList | A::DatabaseList | A::DatabaseUserList => &[],
        A::ZoneList | A::RecordList | A::CronListJobs | A::NodeList | A::TokenList | A::ApiKeyList => &[],
        A::OperationList | A::NodeEventList | A::EventList | A::WebhookList => &[],
        A::AuditList | A::AuditListCheckpoints => &[],
        A::TokenCreate | A::TokenDelete | A::ApiKeyUpdate | A::WebhookUpdate | A::WebhookDelete => &[],
        A::AccountErase
        | A::NodeEnrol
        | A::NodeReplace
        | A::ControllerJoin
        | A::IdentityRenew
        | A::ClusterRestore => &[],
    }
}
