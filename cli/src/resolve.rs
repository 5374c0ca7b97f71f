//! Names for ids: wherever an id is wanted, an unambiguous name will do.

use npanel_client::Client;
use npanel_model::{
    AccountId, ApiKeyId, DatabaseId, DatabaseUserId, DomainId, IdentityProviderId, NodeId, PlanId,
    RecordSetId, TenantId, UserId, ZoneId,
};
use npanel_sdk_types::{
    Account, ApiKey, Database, DatabaseUser, Domain, IdentityProvider, Node, Plan, Tenant, User, Zone,
};

use crate::failure::Failure;

macro_rules! resolvers {
    ($($function:ident: $noun:ident($id:ident), $what:literal by $filter:literal;)*) => {$(
        /// The id that `text` is, or the id of the only one of that name.
        pub(crate) async fn $function(client: &Client, text: &str) -> Result<$id, Failure> {
            if let Ok(id) = text.parse() {
                return Ok(id);
            }
            let query = [($filter, text.to_owned()), ("limit", "2".to_owned())];
            let found = client.list::<$noun>(&query).await?;
            only($what, text, found.items.iter().map(|item| item.id))
        }
    )*};
}

resolvers! {
    tenant: Tenant(TenantId), "tenant" by "name";
    plan: Plan(PlanId), "plan" by "name";
    account: Account(AccountId), "account" by "username";
    domain: Domain(DomainId), "domain" by "name";
    database: Database(DatabaseId), "database" by "name";
    database_user: DatabaseUser(DatabaseUserId), "database user" by "name";
    zone: Zone(ZoneId), "zone" by "name";
    node: Node(NodeId), "node" by "name";
    api_key: ApiKey(ApiKeyId), "API key" by "name";
    user: User(UserId), "user" by "login";
    identity_provider: IdentityProvider(IdentityProviderId), "identity provider" by "name";
}

/// The ids of accounts.
pub(crate) async fn accounts(client: &Client, texts: &[String]) -> Result<Vec<AccountId>, Failure> {
    let mut ids = Vec::with_capacity(texts.len());
    for text in texts {
        ids.push(account(client, text).await?);
    }
    Ok(ids)
}

/// The record set of a zone with this id, or the only one with this name (and type, if one is given).
pub(crate) async fn record_set(
    client: &Client,
    zone: ZoneId,
    text: &str,
    kind: Option<&str>,
) -> Result<RecordSetId, Failure> {
    if let Ok(id) = text.parse() {
        return Ok(id);
    }
    let mut filters = vec![("name", text.to_owned())];
    filters.extend(kind.map(|kind| ("type", kind.to_owned())));
    let found = client.record_sets(zone, &filters).await?;
    only("record set", text, found.iter().map(|item| item.id))
}

fn only<Id>(what: &str, text: &str, mut found: impl Iterator<Item = Id>) -> Result<Id, Failure> {
    match (found.next(), found.next()) {
        (Some(id), None) => Ok(id),
        (None, _) => Err(Failure::Refused(format!("there is no {what} {text:?}"))),
        (Some(_), Some(_)) => {
            Err(Failure::usage(format!("there are several of the name {text:?}: give the {what}'s id")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ambiguous_name_is_not_guessed() {
        assert_eq!(only("plan", "p", [1].into_iter()).expect("one"), 1);
        assert!(matches!(only("plan", "p", [1, 2].into_iter()), Err(Failure::Usage(_))));
        assert!(matches!(only::<u8>("plan", "p", [].into_iter()), Err(Failure::Refused(_))));
    }
}
