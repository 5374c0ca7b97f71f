//! An identity provider (OpenID Connect) as its client: the authorization code flow with PKCE.
//!
//! All that is fetched goes by the one way out: what an issuer says of where its endpoints are is judged as the issuer itself is, and
//! no redirection is followed. What a token says counts once its signature and all that it is bound to have been verified
//! ([`token`]).

mod discovery;
mod exchange;
mod token;

use std::time::Duration;

use npanel_model::{ClientId, IssuerUrl, Scope, Secret, Subject};
use serde_json::{Map, Value};
use url::Url;

pub use self::token::TokenFault;
use self::{discovery::Metadata, exchange::Tokens};
use crate::{Outgoing, OutgoingError};

/// What a provider says of itself, and its answers to a client, come in so long.
const DEADLINE: Duration = Duration::from_secs(5);

/// The longest answer: keys and claims are some thousand bytes.
const MOST_BYTES: usize = 256 * 1024;

/// Why nobody is signed in.
#[derive(Debug, thiserror::Error)]
pub enum OidcError {
    /// The provider may not be connected to, was not reached, or did not answer in time.
    #[error("its {what} was not fetched")]
    Unreachable {
        /// What was asked for.
        what: &'static str,
        /// Why not.
        #[source]
        source: OutgoingError,
    },
    /// It answers something else than 200. A redirection is such an answer: it is not followed.
    #[error("its {what} is answered with {status}")]
    Status {
        /// What was asked for.
        what: &'static str,
        /// The status of HTTP.
        status: u16,
    },
    /// The answer is not what OpenID Connect has there.
    #[error("its {what} cannot be read: {reason}")]
    Unreadable {
        /// What was asked for.
        what: &'static str,
        /// Why not.
        reason: String,
    },
    /// It says that it is somebody else.
    #[error("it calls itself {0:?}, and not as it was said to be called")]
    OtherIssuer(String),
    /// It does not give a token for the code.
    #[error("it gives no token: {0}")]
    Refused(String),
    /// Its token is not good.
    #[error("its token is not good: {0}")]
    Token(#[from] TokenFault),
}

impl OidcError {
    fn unreadable(what: &'static str, reason: impl std::fmt::Display) -> Self {
        Self::Unreadable { what, reason: reason.to_string() }
    }
}

/// A client of a provider.
#[derive(Debug, Clone)]
pub struct Relation {
    /// The provider.
    pub issuer: IssuerUrl,
    /// Who the client is.
    pub client_id: ClientId,
    /// By which secret.
    pub client_secret: Secret,
    /// Where people come back to.
    pub redirect_uri: String,
}

/// What a sign-in is begun with, and its end compared with. Random, each.
#[derive(Debug, Clone)]
pub struct Begun {
    /// Comes back with the code.
    pub state: Secret,
    /// Comes back in the token.
    pub nonce: Secret,
    /// Shows that who exchanges the code is who asked for it (RFC 7636).
    pub verifier: Secret,
}

/// What a provider has said of somebody, verified.
#[derive(Debug, Clone)]
pub struct Said {
    /// Whom it means.
    pub subject: Subject,
    claims: Map<String, Value>,
}

impl Said {
    /// A claim that is a text.
    pub fn text(&self, claim: &str) -> Option<&str> {
        self.claims.get(claim)?.as_str()
    }

    /// A claim that is a list of texts; one text is a list of one. What else is in it is passed over.
    pub fn texts(&self, claim: &str) -> Vec<&str> {
        match self.claims.get(claim) {
            Some(Value::String(one)) => vec![one],
            Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        }
    }

    /// Whether it says of a claim that it has not been verified: `<claim>_verified` is false.
    pub fn is_unverified(&self, claim: &str) -> bool {
        match self.claims.get(&format!("{claim}_verified")) {
            Some(Value::Bool(is)) => !is,
            // Some write it so.
            Some(Value::String(text)) => text == "false",
            _ => false,
        }
    }
}

/// Asks identity providers. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Oidc(Outgoing);

impl Oidc {
    /// By this way out.
    pub fn new(outgoing: Outgoing) -> Self {
        Self(outgoing)
    }

    /// Where somebody is to be sent who signs in.
    ///
    /// # Errors
    /// If the provider does not say where that is.
    pub async fn begin(&self, at: &Relation, scopes: &[Scope], begun: &Begun) -> Result<Url, OidcError> {
        let mut url = Metadata::of(&self.0, &at.issuer).await?.authorization_endpoint;
        let mut asked: Vec<&str> = vec!["openid"];
        asked.extend(scopes.iter().map(Scope::as_str).filter(|scope| *scope != "openid"));
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", at.client_id.as_str())
            .append_pair("redirect_uri", &at.redirect_uri)
            .append_pair("scope", &asked.join(" "))
            .append_pair("state", begun.state.expose())
            .append_pair("nonce", begun.nonce.expose())
            .append_pair("code_challenge", &exchange::challenge(&begun.verifier))
            .append_pair("code_challenge_method", "S256");
        Ok(url)
    }

    /// Exchanges the code that somebody has come back with, and verifies what the provider says of them. Of the claims that are
    /// `wanted`, those that are not in the token are asked for besides, where the provider answers that.
    ///
    /// # Errors
    /// If it is not who was begun with, or anything of it is not good.
    pub async fn finish(
        &self,
        at: &Relation,
        begun: &Begun,
        code: &Secret,
        wanted: &[&str],
    ) -> Result<Said, OidcError> {
        let metadata = Metadata::of(&self.0, &at.issuer).await?;
        let tokens = exchange::exchange(&self.0, &metadata, at, begun, code).await?;
        let keys = metadata.keys(&self.0).await?;
        let expected = token::Expected {
            issuer: at.issuer.as_str(),
            client_id: at.client_id.as_str(),
            nonce: begun.nonce.expose(),
        };
        let (subject, claims) = expected.verify(tokens.id_token.expose(), &keys)?;
        let mut said = Said { subject, claims };
        if wanted.iter().any(|claim| !said.claims.contains_key(*claim)) {
            self.ask_besides(&metadata, &tokens, &mut said).await?;
        }
        Ok(said)
    }

    /// What the token said stays as it is: that was signed.
    async fn ask_besides(
        &self,
        metadata: &Metadata,
        tokens: &Tokens,
        said: &mut Said,
    ) -> Result<(), OidcError> {
        let Some((endpoint, token)) = metadata.userinfo_endpoint.as_ref().zip(tokens.access_token.as_ref())
        else {
            return Ok(());
        };
        let more = exchange::userinfo(&self.0, endpoint, token).await?;
        // OpenID Connect Core, 5.3.4: otherwise it may be somebody else's.
        if more.get("sub").and_then(Value::as_str) != Some(said.subject.as_str()) {
            return Err(OidcError::unreadable(exchange::USERINFO, "it is of another subject"));
        }
        for (claim, value) in more {
            said.claims.entry(claim).or_insert(value);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
