//! Which fields of the API are secret, by its own document.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use npanel_e2e::World;
use serde_json::Value;

/// The fields that hold a secret, each as the schema and its property. `plant` puts a secret into each of them, or has one come out.
const SECRET: &[&str] = &[
    "AccessToken.access_token",
    "ApiKey.key",
    "ChangePassword.current",
    "ChangePassword.new",
    "ConfirmTotp.code",
    "CreateDatabaseUser.password",
    "CreateIdentityProvider.client_secret",
    "CreateSession.code",
    "CreateSession.password",
    "CreateUser.password",
    "DatabaseUser.password",
    "DeviceAuthorization.device_code",
    "Session.token",
    "SetPassword.password",
    "SetUserPassword.password",
    "ShowAgain.code",
    "ShowAgain.password",
    "Token.token",
    "TokenRequest.client_secret",
    "TokenRequest.device_code",
    "TotpOffer.key",
    "TotpOffer.uri",
    "UpdateIdentityProvider.client_secret",
    "Webhook.secret",
];

/// Those that only sound like it: public halves, ids, times, and fields that say of keys how many there are.
const SOUNDING: &[&str] = &[
    "AccessToken.token_type",
    "ApiKey.former_secret_until",
    "AuditKey.key",
    "ClusterStatus.recovery_key",
    "IdentityProvider.secret_set_at",
    "RotateSecrets.cluster_key",
    "RotateSecrets.data_keys",
    "SecretsRotation.cluster_key",
    "SecretsRotation.data_keys",
    "SecretsStatus.cluster_keys",
    "SecretsStatus.data_keys",
    "Session.api_key_id",
    "UpdateCluster.recovery_key",
    "User.has_password",
];

/// Fails when the API has a secret field that is not planted, or one that sounds like it and does not say which it is.
pub(super) fn are_all_known(world: &World) -> Result<()> {
    let document = world.raw("c1", "GET", "/v1/openapi.json", None, None)?.body;
    let schemas = document["components"]["schemas"].as_object().context("schemas")?;
    let (mut secret, mut sounding) = (BTreeSet::new(), BTreeSet::new());
    for (name, schema) in schemas {
        let parts = schema["allOf"].as_array().into_iter().flatten().chain([schema]);
        for (property, of) in parts.filter_map(|part| part["properties"].as_object()).flatten() {
            let field = format!("{name}.{property}");
            if of["format"] == "password" || of["writeOnly"] == true {
                secret.insert(field);
            } else if sounds_secret(property) {
                sounding.insert(field);
            }
        }
    }
    let known = |fields: &[&str]| fields.iter().map(|field| (*field).to_owned()).collect::<BTreeSet<_>>();
    ensure!(secret == known(SECRET), "the API has the secret fields {secret:?}: plant each, and list it here");
    ensure!(
        sounding == known(SOUNDING),
        "these sound secret and have no format: password: {sounding:?}; give it to them, or list them here"
    );
    no_query_is_secret(&document)
}

fn sounds_secret(name: &str) -> bool {
    ["password", "secret", "token", "private", "key", "credential"].iter().any(|word| name.contains(word))
}

/// What is in an address is in everybody's logs.
fn no_query_is_secret(document: &Value) -> Result<()> {
    let operations = document["paths"].as_object().into_iter().flat_map(|paths| paths.values());
    for parameter in operations.filter_map(Value::as_object).flatten().flat_map(|(_, of)| of["parameters"].as_array()) {
        for parameter in parameter.iter().filter(|one| one["in"] == "query" || one["in"] == "path") {
            let name = parameter["name"].as_str().unwrap_or_default();
            ensure!(!sounds_secret(name) || name.ends_with("_id") || name == "id", "{name} is in an address");
        }
    }
    Ok(())
}
