//! `npanel identity-provider`.

use clap::{Args, Subcommand};
use npanel_model::{
    AccessRole, ActionPattern, ClaimName, ClientId, GroupName, IdentityProviderName, IssuerUrl, Scope,
};
use npanel_sdk_types::{CreateIdentityProvider, GroupMapping, IdentityProvider, UpdateIdentityProvider};

use crate::{
    arguments::{AgeArguments, ChangeArguments},
    command::tenant,
    failure::Failure,
    resolve, secret_input,
    session::Session,
};

/// What is asked of a provider, and what of its words means what.
#[derive(Debug, Args)]
pub(crate) struct Words {
    /// What is asked of it, beyond openid: profile and email if absent. Repeatable.
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<Scope>,
    /// What of its words is the e-mail address by which who becomes a user signs in: email, if it was never said.
    #[arg(long, value_name = "CLAIM")]
    login_claim: Option<ClaimName>,
    /// What of its words is what people call somebody: name, if it was never said.
    #[arg(long, value_name = "CLAIM")]
    name_claim: Option<ClaimName>,
    /// What of its words are somebody's groups: groups, if it was never said.
    #[arg(long, value_name = "CLAIM")]
    groups_claim: Option<ClaimName>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Let people sign in by somebody else (OpenID Connect). The client's secret is asked for, or read from standard input.
    Create {
        /// What people see who sign in by it.
        #[arg(long)]
        name: IdentityProviderName,
        /// Who it is, exactly as it says so itself: https://...
        #[arg(long, value_name = "URL")]
        issuer: IssuerUrl,
        /// How it knows nPanel.
        #[arg(long)]
        client_id: ClientId,
        /// What a group may do, GROUP=ROLE[@TENANT][:ACCOUNT,...]; the group * is whoever it knows. The first that fits
        /// counts. Repeatable.
        #[arg(long = "map", required = true, value_name = "MAPPING")]
        mappings: Vec<String>,
        /// Who is not a user yet becomes one at the first sign-in.
        #[arg(long)]
        creates_users: bool,
        /// The tenant in which, and beneath which, it says who somebody is (name or id); your own if absent.
        #[arg(long)]
        tenant: Option<String>,
        #[command(flatten)]
        words: Words,
    },
    /// List identity providers.
    List {
        /// Only those of this tenant itself (name or id).
        #[arg(long)]
        tenant: Option<String>,
        /// Only those that people sign in by (true), or that nobody does (false).
        #[arg(long)]
        enabled: Option<bool>,
        #[command(flatten)]
        age: AgeArguments,
    },
    /// Show an identity provider (never its client's secret).
    Get {
        /// Its name or id.
        provider: String,
    },
    /// Change an identity provider, or what its groups may do. Its issuer stays: make another one.
    Update {
        /// Its name or id.
        provider: String,
        /// What people see who sign in by it.
        #[arg(long)]
        name: Option<IdentityProviderName>,
        /// How it knows nPanel.
        #[arg(long)]
        client_id: Option<ClientId>,
        /// Set another secret of the client: it is asked for, or read from standard input.
        #[arg(long)]
        with_secret: bool,
        /// What a group may do: these and nothing else, from each one's next sign-in on. Repeatable.
        #[arg(long = "map", value_name = "MAPPING")]
        mappings: Vec<String>,
        /// Whether who is not a user yet becomes one (true or false).
        #[arg(long)]
        creates_users: Option<bool>,
        /// Whether people sign in by it (true or false). If not, the sessions that were begun by it end.
        #[arg(long)]
        enabled: Option<bool>,
        #[command(flatten)]
        words: Words,
        #[command(flatten)]
        change: ChangeArguments,
    },
    /// Remove an identity provider, and end the sessions that were begun by it.
    Delete {
        /// Its name or id.
        provider: String,
        #[command(flatten)]
        change: ChangeArguments,
    },
}

pub(crate) async fn run(command: Command, session: &Session) -> Result<(), Failure> {
    let client = &session.client;
    match command {
        Command::Create { name, issuer, client_id, mappings, creates_users, tenant, words } => {
            let usual = |claim: Option<ClaimName>, usual: &str| claim.map_or_else(|| usual.parse(), Ok);
            let known = |_| Failure::usage("the claim's name cannot be used");
            let scopes = if words.scopes.is_empty() { usual_scopes()? } else { words.scopes };
            let body = CreateIdentityProvider {
                tenant_id: tenant::optional(session, tenant.as_deref()).await?,
                name,
                issuer,
                client_id,
                mappings: read_mappings(session, &mappings).await?,
                scopes,
                login_claim: usual(words.login_claim, "email").map_err(known)?,
                name_claim: usual(words.name_claim, "name").map_err(known)?,
                groups_claim: usual(words.groups_claim, "groups").map_err(known)?,
                creates_users,
                client_secret: secret_input::secret("The client's secret: ")?,
            };
            session.create::<IdentityProvider>(&body).await
        }
        Command::List { tenant, enabled, age } => {
            let tenant = tenant::optional(session, tenant.as_deref()).await?;
            let tenant = ("tenant_id", tenant.map(|id| id.to_string()));
            let enabled = ("enabled", enabled.map(|is| is.to_string()));
            session.list::<IdentityProvider>([tenant, enabled, age.filter()]).await
        }
        Command::Get { provider } => {
            session.get::<IdentityProvider>(resolve::identity_provider(client, &provider).await?).await
        }
        Command::Update {
            provider,
            name,
            client_id,
            with_secret,
            mappings,
            creates_users,
            enabled,
            words,
            change,
        } => {
            let id = resolve::identity_provider(client, &provider).await?;
            let mappings = read_mappings(session, &mappings).await?;
            let body = UpdateIdentityProvider {
                name,
                client_id,
                client_secret: with_secret
                    .then(|| secret_input::secret("The client's secret: "))
                    .transpose()?,
                scopes: (!words.scopes.is_empty()).then_some(words.scopes),
                login_claim: words.login_claim,
                name_claim: words.name_claim,
                groups_claim: words.groups_claim,
                mappings: (!mappings.is_empty()).then_some(mappings),
                creates_users,
                enabled,
            };
            session.update::<IdentityProvider>(id, &body, change).await
        }
        Command::Delete { provider, change } => {
            let id = resolve::identity_provider(client, &provider).await?;
            session.delete::<IdentityProvider>(id, change).await
        }
    }
}

fn usual_scopes() -> Result<Vec<Scope>, Failure> {
    let scope = |text: &str| text.parse().map_err(|_| Failure::usage("the scope cannot be used"));
    ["profile", "email"].into_iter().map(scope).collect()
}

/// A mapping as it was typed.
#[derive(Debug, PartialEq, Eq)]
struct Typed<'a> {
    group: &'a str,
    role: &'a str,
    tenant: Option<&'a str>,
    accounts: Vec<String>,
}

fn split(text: &str) -> Option<Typed<'_>> {
    // Roles, tenants and accounts have no such signs in them; groups may.
    let (group, rest) = text.rsplit_once('=')?;
    let (rest, accounts) = rest.split_once(':').map_or((rest, ""), |(rest, accounts)| (rest, accounts));
    let (role, tenant) = rest.split_once('@').map_or((rest, None), |(role, tenant)| (role, Some(tenant)));
    let accounts = accounts.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
    Some(Typed { group, role, tenant, accounts })
}

async fn read_mappings(session: &Session, texts: &[String]) -> Result<Vec<GroupMapping>, Failure> {
    let mut mappings = Vec::with_capacity(texts.len());
    for text in texts {
        let wrong =
            || Failure::usage(format!("a mapping is GROUP=ROLE[@TENANT][:ACCOUNT,...] (got {text:?})"));
        let typed = split(text).ok_or_else(wrong)?;
        let group: GroupName = typed.group.parse().map_err(|_| wrong())?;
        let role: AccessRole = typed.role.parse().map_err(|_| wrong())?;
        mappings.push(GroupMapping {
            group,
            tenant_id: tenant::optional(session, typed.tenant).await?,
            role,
            actions: vec![ActionPattern::everything()],
            accounts: resolve::accounts(&session.client, &typed.accounts).await?,
        });
    }
    Ok(mappings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapping_is_read_from_its_end_for_groups_have_signs_of_their_own() {
        let typed = split("cn=admins,dc=example=owner@acme:alice,bob").expect("a mapping");
        let accounts = vec!["alice".to_owned(), "bob".to_owned()];
        assert_eq!(
            typed,
            Typed { group: "cn=admins,dc=example", role: "owner", tenant: Some("acme"), accounts }
        );
        let plain = split("*=support").expect("a mapping");
        assert_eq!((plain.group, plain.role, plain.tenant, plain.accounts.len()), ("*", "support", None, 0));
        assert_eq!(split("support"), None);
    }
}
