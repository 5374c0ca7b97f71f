//! The one vocabulary: what can be done, as the API's operationIds, the API keys' scopes and the audit say it.

use serde::{Deserialize, Serialize};

use crate::{role::named_enum, text::text_type};

named_enum! {
    /// Something that can be asked of the fleet. `<noun>.<verb>`.
    Action, "action" {
        /// Make a tenant.
        TenantCreate = "tenant.create",
        /// Show a tenant.
        TenantGet = "tenant.get",
        /// List tenants.
        TenantList = "tenant.list",
        /// Change a tenant's name or limits.
        TenantUpdate = "tenant.update",
        /// Stop serving everything of a tenant and those beneath it, and take no writes of theirs.
        TenantSuspend = "tenant.suspend",
        /// Serve a suspended tenant again, as it was.
        TenantUnsuspend = "tenant.unsuspend",
        /// Remove an empty tenant.
        TenantDelete = "tenant.delete",
        /// Get everything that is held on a tenant, its accounts and those beneath it, as one archive.
        TenantExport = "tenant.export",
        /// Make a plan.
        PlanCreate = "plan.create",
        /// Show a plan.
        PlanGet = "plan.get",
        /// List plans.
        PlanList = "plan.list",
        /// Change a plan, and with it what its accounts get.
        PlanUpdate = "plan.update",
        /// Remove an unused plan.
        PlanDelete = "plan.delete",
        /// Make a hosting account, with its first domain if one is named.
        AccountCreate = "account.create",
        /// Show an account.
        AccountGet = "account.get",
        /// List accounts.
        AccountList = "account.list",
        /// Change an account's contact, plan or PHP version.
        AccountUpdate = "account.update",
        /// Stop serving an account's sites and lock its database users; DNS goes on.
        AccountSuspend = "account.suspend",
        /// Serve a suspended account again.
        AccountUnsuspend = "account.unsuspend",
        /// Remove an account and all it has.
        AccountDelete = "account.delete",
        /// Have an account's data gone sooner than the fleet keeps it.
        AccountErase = "account.erase",
        /// Get everything that is held on an account as one archive.
        AccountExport = "account.export",
        /// Put a domain on an account: zone, certificate, site.
        DomainCreate = "domain.create",
        /// Show a domain.
        DomainGet = "domain.get",
        /// List domains.
        DomainList = "domain.list",
        /// Change where a domain is served from.
        DomainUpdate = "domain.update",
        /// Answer with a suspension page.
        DomainSuspend = "domain.suspend",
        /// Serve a suspended domain again.
        DomainUnsuspend = "domain.unsuspend",
        /// Undo a domain.
        DomainDelete = "domain.delete",
        /// Create a database.
        DatabaseCreate = "database.create_database",
        /// Show a database.
        DatabaseGet = "database.get_database",
        /// List databases.
        DatabaseList = "database.list_databases",
        /// Drop a database.
        DatabaseDelete = "database.delete_database",
        /// Create a database user.
        DatabaseUserCreate = "database.create_user",
        /// Show a database user.
        DatabaseUserGet = "database.get_user",
        /// List database users.
        DatabaseUserList = "database.list_users",
        /// Set a database user's password.
        DatabaseSetPassword = "database.set_password",
        /// Set what a database user may do, and where.
        DatabaseSetPrivileges = "database.set_privileges",
        /// Drop a database user.
        DatabaseUserDelete = "database.delete_user",
        /// Create a zone.
        ZoneCreate = "dns.create_zone",
        /// Show a zone.
        ZoneGet = "dns.get_zone",
        /// List zones.
        ZoneList = "dns.list_zones",
        /// Remove a zone.
        ZoneDelete = "dns.delete_zone",
        /// Add a record set to a zone.
        RecordAdd = "dns.add_record",
        /// Show a record set.
        RecordGet = "dns.get_record",
        /// List a zone's record sets.
        RecordList = "dns.list_records",
        /// Change a record set's records or how long they may be kept.
        RecordUpdate = "dns.update_record",
        /// Remove a record set.
        RecordDelete = "dns.delete_record",
        /// Set an account's scheduled jobs: exactly these.
        CronSetJobs = "cron.set_jobs",
        /// Show an account's scheduled jobs.
        CronGetJobs = "cron.get_jobs",
        /// List the accounts' scheduled jobs.
        CronListJobs = "cron.list_jobs",
        /// Show a node.
        NodeGet = "node.get",
        /// List nodes.
        NodeList = "node.list",
        /// Change what an operator says of a node: its pool, labels, availability zone and limits, and whether it may
        /// get anything new (cordon).
        NodeUpdate = "node.update",
        /// Show how a node is: its connection, its capacity, what is pending or failed on it.
        NodeStatus = "node.status",
        /// Trust a node no longer: its connections end, its certificates are refused, and it gets nothing new.
        NodeRevoke = "node.revoke",
        /// Take a node out of the fleet for good; its identity is revoked. One that carries something only by force.
        NodeDelete = "node.delete",
        /// Make a bootstrap token.
        TokenCreate = "token.create",
        /// Show a bootstrap token (never its secret).
        TokenGet = "token.get",
        /// List bootstrap tokens.
        TokenList = "token.list",
        /// Withdraw a bootstrap token.
        TokenDelete = "token.delete",
        /// Make an API key.
        ApiKeyCreate = "api_key.create",
        /// Show an API key (never its secret).
        ApiKeyGet = "api_key.get",
        /// List API keys.
        ApiKeyList = "api_key.list",
        /// Change an API key's name or end; never its secret.
        ApiKeyUpdate = "api_key.update",
        /// Revoke an API key.
        ApiKeyDelete = "api_key.delete",
        /// Put a new secret in the place of an API key's; the one before counts for a while yet.
        ApiKeyRotate = "api_key.rotate",
        /// Make a user.
        UserCreate = "user.create",
        /// Show a user (never a password).
        UserGet = "user.get",
        /// List users.
        UserList = "user.list",
        /// Change a user's name, role or accounts, or whether it may sign in.
        UserUpdate = "user.update",
        /// Set another user's password, and end its sessions.
        UserSetPassword = "user.set_password",
        /// Take another user's second factor away.
        UserRemoveTotp = "user.remove_totp",
        /// Remove a user, with its sessions.
        UserDelete = "user.delete",
        /// Show who one is, and what one may do.
        MeGet = "me.get",
        /// Change one's own password; one's other sessions end.
        MeSetPassword = "me.set_password",
        /// Begin with a second factor: a key for an authenticator.
        MeBeginTotp = "me.begin_totp",
        /// Show that the authenticator has the key; recovery codes are made.
        MeConfirmTotp = "me.confirm_totp",
        /// Do without a second factor.
        MeRemoveTotp = "me.remove_totp",
        /// Sign in with a password, and a second factor where there is one. Needs no credential.
        SessionCreate = "session.create",
        /// Get a short-lived access token for an API key (OAuth 2.0 client credentials). Needs no other credential.
        SessionToken = "session.token",
        /// Show a session.
        SessionGet = "session.get",
        /// List sessions: one's own, or those of the users that one manages.
        SessionList = "session.list",
        /// End a session.
        SessionDelete = "session.delete",
        /// Act as another user for a while; on record with both names.
        SessionImpersonate = "session.impersonate",
        /// Act as another user for a while, writing, too.
        SessionImpersonateToWrite = "session.impersonate_to_write",
        /// Have a program wait for a sign-in that somebody confirms in a browser (device authorization). Needs no credential.
        SessionDevice = "session.device",
        /// Confirm or refuse such a sign-in. Done in a browser, not through the API.
        SessionConfirmDevice = "session.confirm_device",
        /// Be taken for a user by what an identity provider says. Done in a browser, not through the API.
        SessionIdentify = "session.identify",
        /// Make an identity provider: somebody else who says who signs in.
        IdentityProviderCreate = "identity_provider.create",
        /// Show an identity provider (never its client's secret).
        IdentityProviderGet = "identity_provider.get",
        /// List identity providers.
        IdentityProviderList = "identity_provider.list",
        /// Change an identity provider, or what its groups may do.
        IdentityProviderUpdate = "identity_provider.update",
        /// Remove an identity provider, and all sessions that were begun by it.
        IdentityProviderDelete = "identity_provider.delete",
        /// Show an operation.
        OperationGet = "operation.get",
        /// List operations.
        OperationList = "operation.list",
        /// List what happened on nodes by itself.
        NodeEventList = "node_event.list",
        /// Follow what changes.
        EventList = "event.list",
        /// Make a webhook.
        WebhookCreate = "webhook.create",
        /// Show a webhook, and how far it was told (never its secret).
        WebhookGet = "webhook.get",
        /// List webhooks.
        WebhookList = "webhook.list",
        /// Change where a webhook is, of what it is told, or whether it is.
        WebhookUpdate = "webhook.update",
        /// Remove a webhook.
        WebhookDelete = "webhook.delete",
        /// List accepted writes.
        AuditList = "audit.list",
        /// Show the key that the audit's checkpoints are signed by.
        AuditKey = "audit.key",
        /// Show the audit's newest checkpoint.
        AuditCheckpoint = "audit.checkpoint",
        /// List the audit's checkpoints.
        AuditListCheckpoints = "audit.list_checkpoints",
        /// Prove that an entry is in the audit.
        AuditProve = "audit.prove",
        /// Prove that the audit goes on from what it was.
        AuditVerify = "audit.verify",
        /// Show the controllers, the leader and the replication state.
        ClusterStatus = "cluster.status",
        /// Show the certificate authorities.
        CaStatus = "ca.status",
        /// Make a new certificate authority, which issues from now on.
        CaRotate = "ca.rotate",
        /// Trust the certificate authority before the last rotation no longer.
        CaRetire = "ca.retire",
        /// Show the keys that secrets are sealed by, and how far their rotation is.
        SecretsStatus = "secrets.status",
        /// Change the keys that secrets are sealed by, and seal all secrets anew.
        SecretsRotate = "secrets.rotate",
        /// Change the cluster's settings.
        ClusterUpdate = "cluster.update",
        /// Make a backup of the fleet's state: all that the controllers keep.
        ClusterBackup = "cluster.backup",
        /// Go on from an older state: a backup, or what one controller has. Done on a controller's machine, not through the
        /// API.
        ClusterRestore = "cluster.restore",
        /// Say which nodes an account would be placed on now, and why.
        PlacementExplain = "explain.placement",
        /// Enrol a machine with a bootstrap token. Done by the machine, not through the API.
        NodeEnrol = "node.enrol",
        /// Take a controller out of the cluster for good; its identity is revoked.
        ControllerRemove = "controller.remove",
        /// Have another controller take the place of one that is dead: a token for it is made.
        ControllerReplace = "controller.replace",
        /// Bring another controller into the cluster. Done by the machine, not through the API.
        ControllerJoin = "controller.join",
        /// Place anew what a node carried that is gone for good. Done by the leader, not through the API.
        NodeReplace = "node.replace",
        /// Renew a machine's certificate. Done by the machine, not through the API.
        IdentityRenew = "identity.renew",
    }
}

/// Which actions an API key may take: `*`, `<noun>.*` or one action.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ActionPattern(String);

/// Text that matches no action.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "an action pattern is '*', '<noun>.*' or an action such as account.create, and matches at least one action (got {0:?})"
)]
pub struct ActionPatternError(String);

impl ActionPattern {
    /// Every action.
    pub fn everything() -> Self {
        Self("*".to_owned())
    }

    fn parse_text(text: &str) -> Result<Self, ActionPatternError> {
        let pattern = Self(text.to_owned());
        if text.len() <= 100 && Action::ALL.iter().any(|action| pattern.matches(*action)) {
            Ok(pattern)
        } else {
            Err(ActionPatternError(text.chars().take(100).collect()))
        }
    }

    /// Whether the pattern covers the action.
    pub fn matches(&self, action: Action) -> bool {
        let name = action.as_str();
        match self.0.strip_suffix(".*") {
            Some(noun) => name.split_once('.').is_some_and(|(of, _)| of == noun),
            None => self.0 == "*" || self.0 == name,
        }
    }

    /// Whether everything that `other` covers is covered by this pattern too.
    pub fn covers(&self, other: &ActionPattern) -> bool {
        Action::ALL.iter().all(|action| !other.matches(*action) || self.matches(*action))
    }
}

text_type!(ActionPattern, ActionPatternError);

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> ActionPattern {
        text.parse().expect("a pattern")
    }

    #[test]
    fn a_pattern_covers_its_noun_only() {
        assert!(pattern("account.*").matches(Action::AccountCreate));
        assert!(!pattern("account.*").matches(Action::DomainCreate));
        assert!(pattern("*").matches(Action::TokenCreate));
        assert!(pattern("dns.add_record").matches(Action::RecordAdd));
        assert!(!pattern("dns.add_record").matches(Action::RecordDelete));
    }

    #[test]
    fn a_pattern_without_an_action_is_refused() {
        for text in ["", "**", "acc*", "account", "account.", ".*", "*.create", "nothing.*", "account.*.x"] {
            assert!(text.parse::<ActionPattern>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn covering_is_about_actions_not_spelling() {
        assert!(pattern("*").covers(&pattern("account.*")));
        assert!(pattern("account.*").covers(&pattern("account.create")));
        assert!(!pattern("account.create").covers(&pattern("account.*")));
    }
}
