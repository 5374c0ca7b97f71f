//! `/v1/tokens`.

use std::time::Duration;

use axum::{
    Json,
    extract::{Path, State},
    response::Response,
};
use npanel_model::{EnrolRole, NodeName, PoolName, Timestamp, TokenId};
use npanel_pki::BootstrapToken;
use npanel_proto::command::{self, envelope::Command};
use npanel_sdk_types::{CreateToken, Page, Token, schema};
use npanel_state::TokenFilter;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    answer::{Tagged, created, deleted, id, made},
    app::App,
    asked::Asked,
    body::Body,
    list::{List, list_query},
    preview::Ended,
    problem::Failure,
};

/// The pool of nodes for which none was named.
const USUAL_POOL: &str = "default";
const SHORTEST_SECONDS: u32 = 60;
/// A week: the state machine's rule, said here as well so that the answer names what was sent.
const LONGEST_SECONDS: u32 = 7 * 24 * 3600;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(create, list)).routes(routes!(get, delete))
}

list_query! {
    /// Which bootstrap tokens.
    TokensQuery {
        /// Only for this role.
        #[param(value_type = Option<schema::EnrolRole>)]
        role: EnrolRole,
        /// Only for nodes of this pool.
        #[param(value_type = Option<schema::PoolName>)]
        pool: PoolName,
        /// Only those bound to this name.
        #[param(value_type = Option<schema::NodeName>)]
        name: NodeName,
        /// Only those with uses left, or only those with none.
        unused: bool,
        /// Only what was made then or later.
        #[param(value_type = Option<schema::Timestamp>)]
        created_since: Timestamp,
    }
}

fn shown(row: npanel_state::Token) -> Token {
    Token {
        id: row.id,
        role: row.role,
        uses: row.uses_allowed,
        uses_left: row.uses_left,
        pool: row.pool,
        name: row.name,
        networks: row.networks,
        replaces_id: row.replaces,
        token: None,
        expires_at: row.expires_at,
        created_at: row.created_at,
        revision: row.revision,
    }
}

async fn read(app: &App, id: TokenId) -> Result<Token, Failure> {
    app.find("token", || app.reader().token(id)).await.map(shown)
}

/// Make a bootstrap token.
#[utoipa::path(post, path = "/v1/tokens", operation_id = "token.create", tag = "tokens",
    request_body = CreateToken,
    responses((status = 201, description = "Made; the token is shown this once", body = Token)))]
async fn create(
    State(app): State<App>,
    asked: Asked,
    Body { value, bytes }: Body<CreateToken>,
) -> Result<Response, Ended> {
    let (token, body) = fresh(&app, value)?;
    shown_once(&app, &asked, &bytes, token, Command::CreateToken(body)).await
}

/// A token, and what is written down of it.
pub(super) fn fresh(
    app: &App,
    value: CreateToken,
) -> Result<(BootstrapToken, command::CreateToken), Failure> {
    if !(SHORTEST_SECONDS..=LONGEST_SECONDS).contains(&value.ttl_seconds) {
        let bounds = format!("{SHORTEST_SECONDS} to {LONGEST_SECONDS}");
        let detail = format!("a token is good for {bounds} seconds (got {})", value.ttl_seconds);
        return Err(Failure::invalid("ttl_seconds", detail));
    }
    let token = BootstrapToken::generate(app.authorities.pin());
    let expires = Timestamp::now().plus(Duration::from_secs(value.ttl_seconds.into()));
    let body = command::CreateToken {
        token_id: token.credential.id.to_bytes(),
        role: value.role.as_str().to_owned(),
        secret_hash: token.credential.secret.hash().to_bytes(),
        uses: value.uses,
        expires_millis: expires.as_millis(),
        pool: value.pool.map_or_else(|| USUAL_POOL.to_owned(), String::from),
        name: value.name.map(String::from).unwrap_or_default(),
        networks: value.networks.iter().map(ToString::to_string).collect(),
    };
    Ok((token, body))
}

/// Has the command decided that makes the token, and shows it, this once.
pub(super) async fn shown_once(
    app: &App,
    asked: &Asked,
    bytes: &[u8],
    token: BootstrapToken,
    command: Command,
) -> Result<Response, Ended> {
    let accepted = app.propose(asked, bytes, command).await?;
    let id = made(&accepted, TokenId::from_bytes)?;
    // A repetition made no token: its secret opens nothing.
    let once = (id == token.credential.id).then(|| token.reveal());
    Ok(created(app, asked, &accepted, format!("/v1/tokens/{id}"), || async {
        Ok(Token { token: once, ..read(app, id).await? })
    })
    .await?)
}

/// List bootstrap tokens.
#[utoipa::path(get, path = "/v1/tokens", operation_id = "token.list", tag = "tokens",
    params(TokensQuery), responses((status = 200, description = "Some of them", body = Page<Token>)))]
async fn list(
    State(app): State<App>,
    List { query, paging }: List<TokensQuery>,
) -> Result<Json<Page<Token>>, Failure> {
    let TokensQuery { role, pool, name, unused, created_since, .. } = query;
    let filter = TokenFilter { role, pool, name, unused, created_since };
    let rows = app.reader().tokens(filter, &paging.rows()).await?;
    Ok(paging.page(rows, |row| row.id.to_bytes(), shown))
}

/// Show a bootstrap token (never its secret).
#[utoipa::path(get, path = "/v1/tokens/{id}", operation_id = "token.get", tag = "tokens",
    params(("id" = schema::TokenId, Path, description = "The token")),
    responses((status = 200, description = "The token", body = Token)))]
async fn get(State(app): State<App>, Path(text): Path<String>) -> Result<Tagged<Token>, Failure> {
    read(&app, id("token", &text)?).await.map(Tagged)
}

/// Withdraw a bootstrap token.
#[utoipa::path(delete, path = "/v1/tokens/{id}", operation_id = "token.delete", tag = "tokens",
    params(("id" = schema::TokenId, Path, description = "The token")),
    responses((status = 204, description = "Withdrawn")))]
async fn delete(State(app): State<App>, asked: Asked, Path(text): Path<String>) -> Result<Response, Ended> {
    let token_id = id::<TokenId>("token", &text)?.to_bytes();
    let command = Command::DeleteToken(command::DeleteToken { token_id });
    Ok(deleted(&app, &asked, &app.propose(&asked, &[], command).await?).await?)
}
