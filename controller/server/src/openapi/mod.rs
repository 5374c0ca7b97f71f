//! The OpenAPI document: made of the routes, served at `/v1/openapi.json`, and committed as `openapi.json`.
//!
//! What a route says of itself is completed here: what every read or write takes and answers, which problems there are
//! ([`errors`]), and examples of all ([`examples`]). A test walks it and finds what lacks a description, bounds or an example.

mod errors;
mod examples;

use std::sync::LazyLock;

use ::http::Method;
use npanel_sdk_types::{
    AGE_HEADER, ChangePreview, IDEMPOTENCY_HEADER, INDEX_HEADER, MIN_INDEX_HEADER, OPERATION_HEADER, Problem,
    schema,
};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        Components, Content, Header, InfoBuilder, KnownFormat, LicenseBuilder, ObjectBuilder, OpenApi, Ref,
        RefOr, Required, Response, ResponseBuilder, Schema, SchemaFormat, Type,
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
const JSON: &str = "application/json";

/// The document as pretty JSON with a final line end: the content of the committed `openapi.json`.
pub fn document() -> &'static str {
    static DOCUMENT: LazyLock<String> = LazyLock::new(|| {
        let mut text = build().to_pretty_json().expect("the document is made of strings and maps");
        text.push('\n');
        text
    });
    &DOCUMENT
}

const DESCRIPTION: &str = "Shared web hosting on a fleet. Every operationId is the action that an API key must cover, \
     unless `x-action` names another. \
     Errors are problems (RFC 9457); what each can do about one is at its `type`. Every answer has the request's id in \
     `X-Request-Id`, which a request may give itself (a UUID); the audit and the controllers' logs name it so. A body has at \
     most 1 MiB and unknown fields in it are refused; answers may gain fields, values of enumerations and problems within v1. \
     What is to go is `deprecated` here, and its answers say so in `Deprecation` (RFC 9745), `Sunset` (RFC 8594) and `Link`.";

fn build() -> OpenApi {
    let (_, mut document) = http::document_of(http::api());
    document.info = InfoBuilder::new()
        .title("nPanel")
        .version("1")
        .description(Some(DESCRIPTION))
        .license(Some(LicenseBuilder::new().name("Apache-2.0").identifier(Some("Apache-2.0")).build()))
        .build();
    let components = document.components.get_or_insert_with(Components::new);
    components.schemas.extend(schema::all());
    components.schemas.insert(Problem::name().into_owned(), Problem::schema());
    let mut of_preview = Vec::new();
    ChangePreview::schemas(&mut of_preview);
    components.schemas.extend(of_preview);
    components.schemas.insert(ChangePreview::name().into_owned(), ChangePreview::schema());
    for (name, schema) in &mut components.schemas {
        if let Some(item) =
            ["Page_", "Bulk_", "BulkAnswer_"].iter().find_map(|start| name.strip_prefix(start))
        {
            let item = if name.starts_with("BulkAnswer") { &format!("BulkItem_{item}") } else { item };
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
        // A controller has no revision.
        let has_revision = path.contains("{id}") && !path.starts_with("/v1/controllers/");
        let is_conditional = has_revision || path == "/v1/cluster";
        let reads = [&mut item.get];
        let writes = [&mut item.post, &mut item.put, &mut item.patch, &mut item.delete];
        for operation in reads.into_iter().flatten() {
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
            // A route that needs no credential makes one; it is no write of what the fleet is to be.
            if operation.security.is_none() {
                add_write(operation, is_conditional);
            }
        }
        if let Some(change) = &mut item.patch {
            add_minimal(change);
        }
    }
    operations_mut(&mut document).for_each(|(_, _, operation)| http::mark_deprecated(operation));
    errors::add(&mut document);
    add_rates(&mut document);
    examples::add(&mut document);
    document
}

/// The operations, each with its path and method.
fn operations_mut(document: &mut OpenApi) -> impl Iterator<Item = (&str, Method, &mut Operation)> {
    document.paths.paths.iter_mut().flat_map(|(path, item)| {
        let all = [
            (Method::GET, &mut item.get),
            (Method::POST, &mut item.post),
            (Method::PUT, &mut item.put),
            (Method::PATCH, &mut item.patch),
            (Method::DELETE, &mut item.delete),
        ];
        all.into_iter().filter_map(|(method, operation)| Some((path.as_str(), method, operation.as_mut()?)))
    })
}

/// Makes a page's items a reference to their schema, where the derived schema repeats it.
fn refer_to(item: &str, page: &mut RefOr<Schema>) {
    if let RefOr::T(Schema::Object(page)) = page
        && let Some(RefOr::T(Schema::Array(items))) = page.properties.get_mut("items")
    {
        items.items = ArrayItems::RefOrSchema(Box::new(Ref::from_schema_name(item).into()));
    }
}

/// Every answer to a caller says how often it may ask.
fn add_rates(document: &mut OpenApi) {
    let components = document.components.get_or_insert_with(Components::new);
    for (name, description) in [
        (RATE_LIMIT_POLICY_HEADER, "The quotas: each has `q` requests in `w` seconds"),
        (RATE_LIMIT_HEADER, "Of each quota `r` requests are left; in `t` seconds all are there again"),
    ] {
        let shown = Header::new(text().description(Some(description)).build());
        components.headers.insert(name.to_owned(), shown.into());
    }
    components.responses.values_mut().for_each(refer_to_rates);
    let all =
        operations_mut(document).flat_map(|(_, _, operation)| operation.responses.responses.values_mut());
    all.for_each(refer_to_rates);
}

fn refer_to_rates(response: &mut RefOr<Response>) {
    let RefOr::T(response) = response else { return };
    for name in [RATE_LIMIT_POLICY_HEADER, RATE_LIMIT_HEADER] {
        let link = Ref::new(format!("#/components/headers/{name}"));
        response.headers.insert(name.to_owned(), RefOr::Ref(link));
    }
}

/// Every read says how fresh it is to be, and says where in the log it was.
fn add_read(operation: &mut Operation) {
    let parameters = operation.parameters.get_or_insert_default();
    parameters.extend(http::read_parameters().into_iter().map(Into::into));
    parameters.push(header(MIN_INDEX_HEADER, "The same as `min_index`", number()).into());
    for response in successes(operation) {
        let shown = Header::new(number().description(Some("The answer shows all up to here")).build());
        response.headers.insert(INDEX_HEADER.to_owned(), shown.into());
        let shown = "Of a stale answer: how old it is at most, in milliseconds";
        let shown = Header::new(number().description(Some(shown)).build());
        response.headers.insert(AGE_HEADER.to_owned(), shown.into());
    }
}

/// Every write can wait for the fleet, takes an idempotency key, and names its operation if the fleet has
/// something to do; a write of something that exists takes an expected revision.
fn add_write(operation: &mut Operation, is_conditional: bool) {
    let parameters = operation.parameters.get_or_insert_default();
    parameters.extend(http::write_parameters().into_iter().map(Into::into));
    let description = "Makes a repetition of this request, within a day, harmless: it gets the first answer. 1 to 255 printable \
                       ASCII characters";
    let key = text().min_length(Some(1)).max_length(Some(255)).pattern(Some("^[ -~]+$"));
    let key = key.examples(["order-4711"]);
    parameters.push(header(IDEMPOTENCY_HEADER, description, key).into());
    if is_conditional {
        let description = "`*`: the write is refused (412) if the object exists already";
        parameters.push(header("if-none-match", description, text().enum_values(Some(["*"]))).into());
        let description = "`*`, or entity tags that were read before: the write is refused (412) if the object has changed since";
        let tags =
            text().max_length(Some(4000)).pattern(Some(r#"^(\*|"[1-9][0-9]*"( *, *"[1-9][0-9]*")*)$"#));
        parameters.push(header("if-match", description, tags.examples(["\"57\""])).into());
    }
    for response in successes(operation) {
        let shown = Header::new(
            text().description(Some("The operation's id, if nodes have something to do")).build(),
        );
        response.headers.insert(OPERATION_HEADER.to_owned(), shown.into());
        let shown = "From here on every controller's state shows it";
        let shown = Header::new(number().description(Some(shown)).build());
        response.headers.insert(INDEX_HEADER.to_owned(), shown.into());
    }
    add_entity_tag(operation);
    add_preview(operation);
}

/// Who changes something may do without being shown what it is then.
fn add_minimal(operation: &mut Operation) {
    let description = "`return=minimal`: a change that is done is answered by 204, without the object";
    let preferred = text().max_length(Some(1000)).examples(["return=minimal"]);
    let prefer = header("prefer", description, preferred);
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
            // What is done is answered by something else than JSON, or by nothing.
            if !response.content.contains_key(JSON) {
                response.content.insert(JSON.to_owned(), Content::new(Some(preview())).into());
                return;
            }
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
                .content(JSON, Content::new(Some(preview())))
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
    let description = "Entity tags that were read before: 304 if one is still the newest";
    let tags = text().max_length(Some(4000)).examples(["\"57\""]);
    let known = header("if-none-match", description, tags);
    operation.parameters.get_or_insert_default().push(known.into());
    let response = ResponseBuilder::new().description("Not changed since").build();
    operation.responses.responses.insert("304".to_owned(), response.into());
}

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

/// A place in the log, a time or a count.
fn number() -> ObjectBuilder {
    let number = ObjectBuilder::new()
        .schema_type(Type::Integer)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)));
    number.minimum(Some(0)).maximum(Some(isize::MAX)).examples([4711])
}

fn header(name: &str, description: &str, schema: ObjectBuilder) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(description))
        .schema(Some(schema.build()))
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
    use crate::auth::{action_of, operations};

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
        let all = document.paths.paths.values().flat_map(operations).map(|(_, operation)| operation);
        // What stands for another's action has an id of its own.
        let (named, own): (Vec<_>, Vec<_>) = all.partition(|operation| operation.extensions.is_some());
        assert!(named.iter().all(|operation| action_of(operation).is_some()), "an x-action that is none");
        let ids: Vec<Action> =
            own.into_iter().map(|operation| action_of(operation).expect("a known action")).collect();
        let unique: BTreeSet<Action> = ids.iter().copied().collect();
        assert_eq!(unique.len(), ids.len(), "an action twice");
        let without_a_route = [
            Action::NodeEnrol,
            Action::NodeReplace,
            Action::ControllerJoin,
            Action::IdentityRenew,
            Action::ClusterRestore,
            // An option of that to look, which has the route.
            Action::SessionImpersonateToWrite,
            Action::AccountErase,
            // In a browser.
            Action::SessionConfirmDevice,
            Action::SessionIdentify,
        ];
        let expected: BTreeSet<Action> =
            Action::ALL.iter().copied().filter(|action| !without_a_route.contains(action)).collect();
        assert_eq!(unique, expected);
    }
}
