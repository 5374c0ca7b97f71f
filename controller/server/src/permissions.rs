//! The table of every route and every role: made of the routes, and committed as `docs/permissions.md`.

use std::fmt::Write;

use npanel_model::{AccessRole, Action, ActionPattern, Allowance, Deed, Realm};

use crate::{
    auth::{action_of, operations},
    http,
};

/// A route, and the action that it stands for.
#[derive(Debug, Clone)]
pub struct Route {
    /// The method.
    pub method: ::http::Method,
    /// The path, with its parameters in braces.
    pub path: String,
    /// The action.
    pub action: Action,
}

/// Every route of the API, in the order of paths.
///
/// # Panics
/// If a route has no action: nobody could take it.
pub fn routes() -> Vec<Route> {
    let (_, document) = http::document_of(http::api());
    let mut routes: Vec<Route> = Vec::new();
    for (path, item) in &document.paths.paths {
        for (method, operation) in operations(item) {
            let action = action_of(operation).unwrap_or_else(|| panic!("{method} {path} has no action"));
            routes.push(Route { method, path: path.clone(), action });
        }
    }
    routes.sort_by(|one, other| (&one.path, one.method.as_str()).cmp(&(&other.path, other.method.as_str())));
    routes
}

/// What somebody with the role and nothing narrower may do: administrators and support of the platform, resellers and owners of
/// another tenant.
pub fn allowance(role: AccessRole) -> Allowance {
    Allowance {
        role: Some(role),
        actions: vec![ActionPattern::everything()],
        narrowed_to: None,
        is_platform: matches!(role, AccessRole::Administrator | AccessRole::Support),
        is_confined: role == AccessRole::Owner,
        only_looks: false,
    }
}

fn realm(realm: Realm) -> &'static str {
    match realm {
        Realm::Public => "everyone's",
        Realm::Own => "one's own",
        Realm::Account => "an account's",
        Realm::Tenant => "a tenant's",
        Realm::Platform => "the platform's",
    }
}

fn deed(deed: Deed) -> &'static str {
    match deed {
        Deed::Look => "looks",
        Deed::Reveal => "reveals",
        Deed::Change => "changes",
    }
}

/// The table as Markdown.
pub fn document() -> String {
    let mut text = String::from(
        "# Who may do what\n\n\
         Made of the routes by `npanel-controller permissions`; a test fails while it differs, and another one calls every route as \
         every role.\n\n\
         An API key without a role may do what a reseller may, or an administrator if it is the platform's, as far as its patterns go. \
         Support of a tenant does not see the platform's. What reveals a secret or a customer's content is support's only if its \
         patterns name it. Who is confined to accounts sees nothing outside of them; another tenant's objects are not found (404). \
         Every route may also be forbidden by a narrower pattern, and nobody hands on more than they have.\n\n\
         | action | route | whose | it | administrator | reseller | owner | support |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    for route in routes() {
        let (action, path) = (route.action, format!("{} {}", route.method, route.path));
        let may = |role| if allowance(role).covers(action) { "yes" } else { "–" };
        // Writing to a text does not fail.
        let _ = writeln!(
            text,
            "| `{action}` | `{path}` | {} | {} | {} | {} | {} | {} |",
            realm(action.realm()),
            deed(action.deed()),
            may(AccessRole::Administrator),
            may(AccessRole::Reseller),
            may(AccessRole::Owner),
            may(AccessRole::Support),
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_table_is_the_routes_own() {
        let package = env!("CARGO_MANIFEST_DIR");
        let committed = std::fs::read_to_string(format!("{package}/../../docs/permissions.md"));
        assert!(
            committed.expect("docs/permissions.md") == document(),
            "docs/permissions.md is out of date: npanel-controller permissions > docs/permissions.md"
        );
    }
}
