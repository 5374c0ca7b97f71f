//! The one permission model: who may take which action. Deny by default.
//!
//! Every action has a realm (whose it is) and a deed (what it does); a match names every one, so an action without them does not
//! compile. A role, the patterns that narrow it, and the accounts that one is confined to come together in an
//! [`Allowance`], which both the gate and the rules ask.

use crate::{Action, ActionPattern, role::named_enum};

named_enum! {
    /// What somebody is to a tenant.
    AccessRole, "role" {
        /// Runs the platform: everything. Of the platform's own tenant only.
        Administrator = "administrator",
        /// Runs a tenant: all that is the tenant's and its customers', and nothing of machines.
        Reseller = "reseller",
        /// Has accounts: what is in them.
        Owner = "owner",
        /// Helps: looks at everything that the tenant sees, changes nothing, and sees no customer's content.
        Support = "support",
    }
}

/// Whose an action is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Realm {
    /// Everyone's, without a credential: ways to get one.
    Public,
    /// One's own: about who asks.
    Own,
    /// An account's: somebody confined to accounts may take it, within them.
    Account,
    /// A tenant's.
    Tenant,
    /// The platform's: machines belong to no tenant.
    Platform,
}

/// What an action does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// Shows how things are.
    Look,
    /// Shows a secret or a customer's content.
    Reveal,
    /// Changes something.
    Change,
}

/// What somebody may do, wherever it is: the tenant's subtree and the accounts are asked about elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowance {
    /// Their role; `None` for an API key without one: all that is its tenant's.
    pub role: Option<AccessRole>,
    /// What of that, by pattern.
    pub actions: Vec<ActionPattern>,
    /// What of that again: as much as was asked for; `None`: all.
    pub narrowed_to: Option<Vec<ActionPattern>>,
    /// Whether they act for the platform's own tenant.
    pub is_platform: bool,
    /// Whether they are confined to some accounts.
    pub is_confined: bool,
    /// Whether nothing may be changed or revealed, whatever else is allowed.
    pub only_looks: bool,
}

impl Allowance {
    /// Whether the action may be taken.
    pub fn covers(&self, action: Action) -> bool {
        let (realm, deed) = (action.realm(), action.deed());
        let within = match realm {
            Realm::Public | Realm::Own | Realm::Account => true,
            Realm::Tenant => !self.is_confined,
            Realm::Platform => !self.is_confined && self.is_platform,
        };
        let by_role = match self.role {
            None | Some(AccessRole::Administrator) => true,
            Some(AccessRole::Reseller) => realm != Realm::Platform,
            Some(AccessRole::Owner) => matches!(realm, Realm::Public | Realm::Own | Realm::Account),
            Some(AccessRole::Support) => match deed {
                Deed::Look => true,
                Deed::Reveal => self.actions.iter().any(|pattern| pattern.as_str() == action.as_str()),
                Deed::Change => realm == Realm::Own,
            },
        };
        let by_pattern = realm == Realm::Own || matches(&self.actions, action);
        let is_asked_for = self.narrowed_to.as_ref().is_none_or(|asked| matches(asked, action));
        let by_deed = !self.only_looks || deed == Deed::Look;
        within && by_role && by_pattern && is_asked_for && by_deed
    }

    /// An action that the other allowance covers and this one does not: who has this one may not hand on that one.
    pub fn exceeded_by(&self, other: &Allowance) -> Option<Action> {
        let exceeds = |action: &&Action| {
            action.realm() != Realm::Public && other.covers(**action) && !self.covers(**action)
        };
        Action::ALL.iter().find(exceeds).copied()
    }
}

fn matches(patterns: &[ActionPattern], action: Action) -> bool {
    patterns.iter().any(|pattern| pattern.matches(action))
}

impl Action {
    /// Whose it is.
    pub fn realm(self) -> Realm {
        use Action as A;
        match self {
            A::SessionCreate | A::SessionToken => Realm::Public,
            A::SessionDevice | A::SessionConfirmDevice | A::SessionIdentify => Realm::Public,
            A::MeGet | A::MeSetPassword | A::MeBeginTotp | A::MeConfirmTotp | A::MeRemoveTotp => Realm::Own,
            A::SessionGet | A::SessionList | A::SessionDelete => Realm::Own,
            A::AccountGet | A::AccountList | A::AccountUpdate | A::AccountExport => Realm::Account,
            A::DomainCreate | A::DomainGet | A::DomainList | A::DomainUpdate | A::DomainDelete => {
                Realm::Account
            }
            A::DatabaseCreate | A::DatabaseGet | A::DatabaseList | A::DatabaseDelete => Realm::Account,
            A::DatabaseSetPassword | A::DatabaseSetPrivileges => Realm::Account,
            A::DatabaseUserCreate | A::DatabaseUserGet | A::DatabaseUserList | A::DatabaseUserDelete => {
                Realm::Account
            }
            A::ZoneCreate | A::ZoneGet | A::ZoneList | A::ZoneDelete => Realm::Account,
            A::RecordAdd | A::RecordGet | A::RecordList | A::RecordUpdate | A::RecordDelete => Realm::Account,
            A::CronSetJobs | A::CronGetJobs | A::CronListJobs => Realm::Account,
            A::OperationGet | A::OperationList => Realm::Account,
            A::AccountCreate | A::AccountDelete | A::AccountSuspend | A::AccountUnsuspend => Realm::Tenant,
            A::DomainSuspend | A::DomainUnsuspend => Realm::Tenant,
            A::TenantCreate | A::TenantGet | A::TenantList | A::TenantUpdate | A::TenantDelete => {
                Realm::Tenant
            }
            A::TenantSuspend | A::TenantUnsuspend | A::TenantExport | A::AccountErase => Realm::Tenant,
            A::PlanCreate | A::PlanGet | A::PlanList | A::PlanUpdate | A::PlanDelete => Realm::Tenant,
            A::ApiKeyCreate | A::ApiKeyGet | A::ApiKeyList | A::ApiKeyUpdate | A::ApiKeyRotate => {
                Realm::Tenant
            }
            A::ApiKeyDelete => Realm::Tenant,
            A::UserCreate | A::UserGet | A::UserList | A::UserUpdate | A::UserDelete => Realm::Tenant,
            A::UserSetPassword | A::UserRemoveTotp => Realm::Tenant,
            A::SessionImpersonate | A::SessionImpersonateToWrite => Realm::Tenant,
            A::IdentityProviderCreate | A::IdentityProviderUpdate | A::IdentityProviderDelete => {
                Realm::Tenant
            }
            A::IdentityProviderGet | A::IdentityProviderList => Realm::Tenant,
            A::NodeEventList | A::EventList | A::PlacementExplain => Realm::Tenant,
            A::WebhookCreate | A::WebhookGet | A::WebhookList | A::WebhookUpdate | A::WebhookDelete => {
                Realm::Tenant
            }
            A::AuditList | A::AuditKey | A::AuditCheckpoint | A::AuditListCheckpoints => Realm::Tenant,
            A::AuditProve | A::AuditVerify => Realm::Tenant,
            A::NodeGet | A::NodeList | A::NodeStatus | A::NodeUpdate => Realm::Platform,
            A::NodeRevoke | A::NodeReplace | A::NodeDelete | A::NodeEnrol => Realm::Platform,
            A::ControllerJoin | A::ControllerRemove | A::ControllerReplace => Realm::Platform,
            A::TokenCreate | A::TokenGet | A::TokenList | A::TokenDelete => Realm::Platform,
            A::ClusterStatus | A::ClusterUpdate | A::ClusterBackup | A::ClusterRestore => Realm::Platform,
            A::SecretsStatus | A::SecretsRotate => Realm::Platform,
            A::CaStatus | A::CaRotate | A::CaRetire | A::IdentityRenew => Realm::Platform,
        }
    }

    /// What it does.
    pub fn deed(self) -> Deed {
        use Action as A;
        match self {
            A::TenantGet | A::TenantList | A::PlanGet | A::PlanList | A::AccountGet | A::AccountList => {
                Deed::Look
            }
            A::DomainGet | A::DomainList | A::DatabaseGet | A::DatabaseList => Deed::Look,
            A::DatabaseUserGet | A::DatabaseUserList | A::ZoneGet | A::ZoneList => Deed::Look,
            A::RecordGet | A::RecordList | A::CronGetJobs | A::CronListJobs => Deed::Look,
            A::NodeGet | A::NodeList | A::NodeStatus | A::TokenGet | A::TokenList => Deed::Look,
            A::ApiKeyGet | A::ApiKeyList | A::UserGet | A::UserList => Deed::Look,
            A::MeGet | A::SessionGet | A::SessionList => Deed::Look,
            A::IdentityProviderGet | A::IdentityProviderList => Deed::Look,
            A::OperationGet | A::OperationList | A::NodeEventList | A::EventList => Deed::Look,
            A::WebhookGet | A::WebhookList | A::PlacementExplain => Deed::Look,
            A::AuditList | A::AuditKey | A::AuditCheckpoint | A::AuditListCheckpoints => Deed::Look,
            A::AuditProve | A::AuditVerify => Deed::Look,
            A::ClusterStatus | A::CaStatus | A::SecretsStatus => Deed::Look,
            // All of the state, sealed.
            A::ClusterBackup => Deed::Reveal,
            // Everything about people that is spread over lists, at once.
            A::TenantExport | A::AccountExport => Deed::Reveal,
            A::TenantCreate | A::TenantUpdate | A::TenantDelete => Deed::Change,
            A::TenantSuspend | A::TenantUnsuspend => Deed::Change,
            A::PlanCreate | A::PlanUpdate | A::PlanDelete => Deed::Change,
            A::AccountCreate | A::AccountUpdate | A::AccountDelete | A::AccountErase => Deed::Change,
            A::AccountSuspend | A::AccountUnsuspend | A::DomainSuspend | A::DomainUnsuspend => Deed::Change,
            A::DomainCreate | A::DomainUpdate | A::DomainDelete => Deed::Change,
            A::DatabaseCreate | A::DatabaseDelete | A::DatabaseUserCreate | A::DatabaseUserDelete => {
                Deed::Change
            }
            A::DatabaseSetPassword | A::DatabaseSetPrivileges => Deed::Change,
            A::ZoneCreate | A::ZoneDelete | A::RecordAdd | A::RecordUpdate | A::RecordDelete => Deed::Change,
            A::CronSetJobs => Deed::Change,
            A::NodeUpdate | A::NodeRevoke | A::NodeDelete | A::NodeEnrol | A::NodeReplace => Deed::Change,
            A::TokenCreate | A::TokenDelete => Deed::Change,
            A::ApiKeyCreate | A::ApiKeyUpdate | A::ApiKeyRotate | A::ApiKeyDelete => Deed::Change,
            A::UserCreate | A::UserUpdate | A::UserDelete => Deed::Change,
            A::UserSetPassword | A::UserRemoveTotp => Deed::Change,
            A::MeSetPassword | A::MeBeginTotp | A::MeConfirmTotp | A::MeRemoveTotp => Deed::Change,
            A::SessionCreate | A::SessionToken | A::SessionDelete => Deed::Change,
            A::SessionDevice | A::SessionConfirmDevice | A::SessionIdentify => Deed::Change,
            A::IdentityProviderCreate | A::IdentityProviderUpdate | A::IdentityProviderDelete => Deed::Change,
            A::SessionImpersonate | A::SessionImpersonateToWrite => Deed::Change,
            A::WebhookCreate | A::WebhookUpdate | A::WebhookDelete => Deed::Change,
            A::CaRotate | A::CaRetire | A::SecretsRotate | A::IdentityRenew => Deed::Change,
            A::ClusterUpdate | A::ClusterRestore => Deed::Change,
            A::ControllerRemove | A::ControllerReplace | A::ControllerJoin => Deed::Change,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowance(role: Option<AccessRole>, actions: &[&str], is_platform: bool) -> Allowance {
        Allowance {
            role,
            actions: actions.iter().map(|text| text.parse().expect("a pattern")).collect(),
            narrowed_to: None,
            is_platform,
            is_confined: role == Some(AccessRole::Owner),
            only_looks: false,
        }
    }

    #[test]
    fn support_looks_and_neither_changes_nor_reveals_what_is_not_named() {
        let support = allowance(Some(AccessRole::Support), &["*"], true);
        for action in Action::ALL {
            let may = match (action.deed(), action.realm()) {
                (Deed::Look, _) => true,
                (Deed::Change, Realm::Own) => true,
                (Deed::Reveal | Deed::Change, _) => false,
            };
            assert_eq!(support.covers(*action), may, "{action}");
        }
        let named = allowance(Some(AccessRole::Support), &["*", "cluster.backup"], true);
        assert!(named.covers(Action::ClusterBackup));
        let noun = allowance(Some(AccessRole::Support), &["cluster.*", "tenant.*", "account.*"], true);
        for action in [Action::ClusterBackup, Action::TenantExport, Action::AccountExport] {
            assert!(!noun.covers(action), "a pattern does not name {action}");
        }
    }

    #[test]
    fn machines_are_the_platforms() {
        for role in [None, Some(AccessRole::Administrator), Some(AccessRole::Reseller)] {
            assert!(!allowance(role, &["*"], false).covers(Action::NodeList), "{role:?}");
        }
        assert!(!allowance(Some(AccessRole::Reseller), &["*"], true).covers(Action::NodeList));
        assert!(allowance(Some(AccessRole::Administrator), &["*"], true).covers(Action::NodeList));
    }

    #[test]
    fn who_is_confined_to_accounts_does_nothing_outside_of_them() {
        let confined = Allowance { is_confined: true, ..allowance(None, &["*"], true) };
        for action in Action::ALL {
            let may = matches!(action.realm(), Realm::Public | Realm::Own | Realm::Account);
            assert_eq!(confined.covers(*action), may, "{action}");
        }
    }

    #[test]
    fn nobody_hands_on_more_than_they_have() {
        let reseller = allowance(Some(AccessRole::Reseller), &["*"], false);
        let narrow = allowance(None, &["user.*", "account.get"], false);
        assert_eq!(reseller.exceeded_by(&allowance(Some(AccessRole::Owner), &["*"], false)), None);
        assert_eq!(reseller.exceeded_by(&narrow), None);
        assert!(narrow.exceeded_by(&reseller).is_some());
        let platform = allowance(Some(AccessRole::Administrator), &["*"], true);
        assert!(reseller.exceeded_by(&platform).is_some());
        let looking = Allowance { only_looks: true, ..platform.clone() };
        assert!(looking.exceeded_by(&platform).is_some());
    }
}
