//! The OpenAPI document: made of the routes, served at `/v1/openapi.json`, and committed as `openapi.json`.

use npanel_sdk_types::{
    AGE_HEADER, ChangePreview, IDEMPOTENCY_HEADER, INDEX_HEADER, MIN_INDEX_HEADER, OPERATION_HEADER,
    PROBLEM_MEDIA_TYPE, Problem,
};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        Components, Content, Header, InfoBuilder, LicenseBuilder, ObjectBuilder, OpenApi, Ref, RefOr,
        Required, Response, ResponseBuilder, Schema, Type,
        path::{Operation, Parameter, ParameterBuilder, ParameterIn},
        schema::{ArrayItems, OneOfBuilder},
        security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    },
};

use crate::{
    http,
    rates::{RATE_LIMIT_HEADER, RATE_LIMIT_POLICY_HEADER},
};

const SECURITY: &str = "api_key";

/// The document as pretty JSON with a final line end: the content of the committed `openapi.json`.
pub fn document() -> String {
    let mut text = build().to_pretty_json().expect("the document is made of strings and maps");
    text.push('\n');
    text
}

fn build() -> OpenApi {
    let (_, mut document) = http::document_of(http::api());
    document.info = InfoBuilder::new()
        .title("nPanel")
        .version("1")
        .description(Some(
            "Shared web hosting on a fleet. Every operationId is the action that an API key must cover. \
             Errors are problems (RFC 9457).",
        ))
        .license(Some(LicenseBuilder::new().name("Apache-2.0").identifier(Some("Apache-2.0")).build()))
        .build();
    let components = document.components.get_or_insert_with(Components::new);
    components.schemas.insert(Problem::name().into_owned(), Problem::schema());
    let mut of_preview = Vec::new();
    ChangePreview::schemas(&mut of_preview);
    components.schemas.extend(of_preview);
    components.schemas.insert(ChangePreview::name().into_owned(), ChangePreview::schema());
    for (name, schema) in &mut components.schemas {
        if let Some(item) = name.strip_prefix("Page_") {
            refer_to(item, schema);
        }
    }
    let scheme = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("An API key: npk_<id>.<secret>"))
        .build();
    components.security_schemes.insert(SECURITY.to_owned(), SecurityScheme::Http(scheme).into());
    document.security = Some(vec![SecurityRequirement::new(SECURITY, Vec::<String>::new())]);
    for (path, item) in &mut document.paths.paths {
        let is_conditional = path.contains("{id}") || path == "/v1/cluster";
        let reads = [&mut item.get];
        let writes = [&mut item.post, &mut item.put, &mut item.patch, &mut item.delete];
        for operation in reads.into_iter().flatten() {
            add_problem(operation);
            // That one has no end, and so no moment.
            if path != "/v1/events" {
                add_read(operation);
            }
            if is_conditional && !path.starts_with("/v1/operations") {
                add_entity_tag(operation);
            }
            if STEADY.iter().any(|noun| *path == format!("/v1/{noun}/{{id}}")) {
                add_unchanged(operation);
            }
        }
        for operation in writes.into_iter().flatten() {
            add_problem(operation);
            // A route that needs no credential makes one; it is no write of what the fleet is to be.
            if operation.security.is_none() {
                add_write(operation, is_conditional);
            }
        }
        if let Some(change) = &mut item.patch {
            add_minimal(change);
        }
        let all = [&mut item.get, &mut item.post, &mut item.put, &mut item.patch, &mut item.delete];
        all.into_iter().flatten().for_each(add_rates);
    }
    document
}

/// Makes a page's items a reference to their schema, where the derived schema repeats it.
fn refer_to(item: &str, page: &mut RefOr<Schema>) {
    if let RefOr::T(Schema::Object(page)) = page
        && let Some(RefOr::T(Schema::Array(items))) = page.properties.get_mut("items")
    {
        items.items = ArrayItems::RefOrSchema(Box::new(Ref::from_schema_name(item).into()));
    }
}

/// Every operation may answer with a problem.
fn add_problem(operation: &mut Operation) {
    let content = Content::new(Some(Ref::from_schema_name(Problem::name())));
    let mut response =
        ResponseBuilder::new().description("A problem").content(PROBLEM_MEDIA_TYPE, content).build();
    let when = ObjectBuilder::new()
        .schema_type(Type::Integer)
        .description(Some("Of 429 and 503: when to ask again, in seconds"))
        .build();
    response.headers.insert("retry-after".to_owned(), Header::new(when).into());
    operation.responses.responses.insert("default".to_owned(), response.into());
}

/// Every answer to a caller says how often it may ask.
fn add_rates(operation: &mut Operation) {
    let shown = [
        (RATE_LIMIT_POLICY_HEADER, "The quotas: each has `q` requests in `w` seconds"),
        (RATE_LIMIT_HEADER, "Of each quota `r` requests are left; in `t` seconds all are there again"),
    ];
    for response in operation.responses.responses.values_mut() {
        let RefOr::T(response) = response else { continue };
        for (name, description) in shown {
            let shown = Header::new(text().description(Some(description)).build());
            response.headers.insert(name.to_owned(), shown.into());
        }
    }
}

/// Every read says how fresh it is to be, and says where in the log it was.
fn add_read(operation: &mut Operation) {
    let parameters = operation.parameters.get_or_insert_default();
    parameters.extend(http::read_parameters().into_iter().map(Into::into));
    parameters.push(header(MIN_INDEX_HEADER, "The same as `min_index`").into());
    for response in successes(operation) {
        let shown = Header::new(text().description(Some("The answer shows all up to here")).build());
        response.headers.insert(INDEX_HEADER.to_owned(), shown.into());
        let shown = Header::new(text().description(Some("Of a stale answer: how old it is at most")).build());
        response.headers.insert(AGE_HEADER.to_owned(), shown.into());
    }
}

/// Every write can wait for the fleet, takes an idempotency key, and names its operation if the fleet has
/// something to do; a write of something that exists takes an expected revision.
fn add_write(operation: &mut Operation, is_conditional: bool) {
    let parameters = operation.parameters.get_or_insert_default();
    parameters.extend(http::write_parameters().into_iter().map(Into::into));
    parameters.push(
        header(
            IDEMPOTENCY_HEADER,
            "Makes a repetition of this request, within a day, harmless: it gets the first answer",
        )
        .into(),
    );
    if is_conditional {
        parameters.push(
            header("if-none-match", "`*`: the write is refused (412) if the object exists already").into(),
        );
        parameters.push(
            header(
                "if-match",
                "An entity tag that was read before: the write is refused (412) if the object has changed since",
            )
            .into(),
        );
    }
    for response in successes(operation) {
        let shown = Header::new(text().description(Some("The operation")).build());
        response.headers.insert(OPERATION_HEADER.to_owned(), shown.into());
        let shown =
            Header::new(text().description(Some("From here on every controller's state shows it")).build());
        response.headers.insert(INDEX_HEADER.to_owned(), shown.into());
    }
    add_entity_tag(operation);
    add_preview(operation);
}

/// Who changes something may do without being shown what it is then.
fn add_minimal(operation: &mut Operation) {
    let prefer =
        header("prefer", "`return=minimal`: a change that is done is answered by 204, without the object");
    operation.parameters.get_or_insert_default().push(prefer.into());
    let done = ResponseBuilder::new().description("Changed; not shown, as preferred").build();
    operation.responses.responses.insert("204".to_owned(), done.into());
}

/// A dry run answers 200 with what the write would come to.
fn add_preview(operation: &mut Operation) {
    let preview = || Ref::from_schema_name(ChangePreview::name());
    let responses = &mut operation.responses.responses;
    match responses.get_mut("200") {
        Some(RefOr::T(response)) => {
            for content in response.content.values_mut() {
                if let RefOr::T(content) = content
                    && let Some(done) = content.schema.take()
                {
                    let either = OneOfBuilder::new().item(done).item(preview()).build();
                    content.schema = Some(Schema::OneOf(either).into());
                }
            }
        }
        Some(RefOr::Ref(_)) | None => {
            let response = ResponseBuilder::new()
                .description("With dry_run=true: what it would come to")
                .content("application/json", Content::new(Some(preview())))
                .build();
            responses.insert("200".to_owned(), response.into());
        }
    }
}

/// The answer is an object with a revision, unless it is an operation, a page or nothing.
fn add_entity_tag(operation: &mut Operation) {
    let is_removal = operation.operation_id.as_ref().is_some_and(|id| id.contains(".delete"));
    if is_removal {
        return;
    }
    for response in successes(operation) {
        let shown = Header::new(text().description(Some("The object's revision, for If-Match")).build());
        response.headers.insert("etag".to_owned(), shown.into());
    }
}

/// The nouns whose entity tag stands for all that is shown of them; see [`npanel_sdk_types::Revised::IS_STEADY`].
const STEADY: [&str; 4] = ["api-keys", "plans", "tenants", "tokens"];

/// Who has the newest already is told so.
fn add_unchanged(operation: &mut Operation) {
    let known = header("if-none-match", "An entity tag that was read before: 304 if it is still the newest");
    operation.parameters.get_or_insert_default().push(known.into());
    let response = ResponseBuilder::new().description("Not changed since").build();
    operation.responses.responses.insert("304".to_owned(), response.into());
}

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

fn header(name: &str, description: &str) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(description))
        .schema(Some(text().build()))
        .build()
}

fn successes(operation: &mut Operation) -> impl Iterator<Item = &mut Response> {
    operation.responses.responses.iter_mut().filter_map(|(status, response)| match response {
        RefOr::T(response) if matches!(status.as_str(), "200" | "201" | "202") => Some(response),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use npanel_model::Action;

    use super::*;
    use crate::auth::operations;

    #[test]
    fn the_committed_document_is_that_of_the_routes() {
        // At run time: a target directory may be shared by checkouts.
        let package =
            std::env::var("CARGO_MANIFEST_DIR").expect("cargo names the package whose tests it runs");
        let committed = std::fs::read_to_string(format!("{package}/../../openapi.json"));
        assert!(
            committed.expect("openapi.json") == document(),
            "openapi.json is out of date: npanel-controller openapi > openapi.json"
        );
    }

    #[test]
    fn every_route_is_an_action_and_every_action_a_route() {
        let document = build();
        let ids = document.paths.paths.values().flat_map(operations).map(|(_, operation)| {
            let id = operation.operation_id.as_deref().expect("an operationId");
            id.parse::<Action>().expect("a known action")
        });
        let ids: Vec<Action> = ids.collect();
        let unique: BTreeSet<Action> = ids.iter().copied().collect();
        assert_eq!(unique.len(), ids.len(), "an action twice");
        let by_machines = [
            Action::NodeEnrol,
            Action::NodeReplace,
            Action::ControllerJoin,
            Action::IdentityRenew,
            Action::ClusterRestore,
            // An option of that to look, which has the route.
            Action::SessionImpersonateToWrite,
        ];
        let expected: BTreeSet<Action> =
            Action::ALL.iter().copied().filter(|action| !by_machines.contains(action)).collect();
        assert_eq!(unique, expected);
    }
}
