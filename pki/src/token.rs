//! Bootstrap tokens and API keys as their owners see them.

use std::str::FromStr;

use npanel_model::{ApiKeyId, DeviceLoginId, Secret, SessionId, TokenId};

use crate::{ApiKeySecret, DeviceSecret, KeyFingerprint, SessionSecret, TokenSecret};

/// Text that is not a bootstrap token. It is not repeated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not three parts, or a part is not of its form.
    #[error("a bootstrap token is <id>.<secret>.<CA pin>")]
    Form,
    /// Not two parts, or a part is not of its form.
    #[error("a token's credential is <id>.<secret>")]
    CredentialForm,
}

/// What is shown to become part of the fleet, once the authority's key was checked: `<id>.<secret>`.
#[derive(Debug, Clone)]
pub struct TokenCredential {
    /// Which token.
    pub id: TokenId,
    /// Its secret.
    pub secret: TokenSecret,
}

impl TokenCredential {
    /// The text `<id>.<secret>`.
    pub fn reveal(&self) -> Secret {
        Secret::new(format!("{}.{}", self.id, self.secret.expose()))
    }
}

impl FromStr for TokenCredential {
    type Err = TokenError;
    fn from_str(text: &str) -> Result<Self, TokenError> {
        let (id, secret) = text.split_once('.').ok_or(TokenError::CredentialForm)?;
        Ok(Self {
            id: id.parse().map_err(|_| TokenError::CredentialForm)?,
            secret: secret.parse().map_err(|_| TokenError::CredentialForm)?,
        })
    }
}

/// A bootstrap token: what a new machine is given, `<id>.<secret>.<CA pin>`.
#[derive(Debug, Clone)]
pub struct BootstrapToken {
    /// What is shown to the controller.
    pub credential: TokenCredential,
    /// Which authority may see it.
    pub pin: KeyFingerprint,
}

impl BootstrapToken {
    /// A new token for the cluster whose authority has this key.
    pub fn generate(pin: KeyFingerprint) -> Self {
        Self { credential: TokenCredential { id: TokenId::generate(), secret: TokenSecret::generate() }, pin }
    }

    /// The text `<id>.<secret>.<CA pin>`.
    pub fn reveal(&self) -> Secret {
        Secret::new(format!("{}.{}", self.credential.reveal().expose(), self.pin))
    }
}

impl FromStr for BootstrapToken {
    type Err = TokenError;
    fn from_str(text: &str) -> Result<Self, TokenError> {
        let (credential, pin) = text.trim().rsplit_once('.').ok_or(TokenError::Form)?;
        Ok(Self {
            credential: credential.parse().map_err(|_| TokenError::Form)?,
            pin: pin.parse().map_err(|_| TokenError::Form)?,
        })
    }
}

const API_KEY_PREFIX: &str = "npk_";

/// Text that is not an API key. It is not repeated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an API key is npk_<id>.<secret>")]
pub struct ApiKeyTextError;

/// An API key: `npk_<id>.<secret>`.
#[derive(Debug, Clone)]
pub struct ApiKeyText {
    /// Which key.
    pub id: ApiKeyId,
    /// Its secret.
    pub secret: ApiKeySecret,
}

impl ApiKeyText {
    /// A new key.
    pub fn generate() -> Self {
        Self { id: ApiKeyId::generate(), secret: ApiKeySecret::generate() }
    }

    /// The text `npk_<id>.<secret>`.
    pub fn reveal(&self) -> Secret {
        Secret::new(format!("{API_KEY_PREFIX}{}.{}", self.id, self.secret.expose()))
    }
}

impl FromStr for ApiKeyText {
    type Err = ApiKeyTextError;
    fn from_str(text: &str) -> Result<Self, ApiKeyTextError> {
        let (id, secret) =
            text.strip_prefix(API_KEY_PREFIX).and_then(|rest| rest.split_once('.')).ok_or(ApiKeyTextError)?;
        Ok(Self {
            id: id.parse().map_err(|_| ApiKeyTextError)?,
            secret: secret.parse().map_err(|_| ApiKeyTextError)?,
        })
    }
}

const SESSION_PREFIX: &str = "nps_";

/// Text that is not a session's token. It is not repeated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a session's token is nps_<id>.<secret>")]
pub struct SessionTextError;

/// What a session, or an API key's access token, is shown by: `nps_<id>.<secret>`.
#[derive(Debug, Clone)]
pub struct SessionText {
    /// Which session.
    pub id: SessionId,
    /// Its secret.
    pub secret: SessionSecret,
}

impl SessionText {
    /// A new session's.
    pub fn generate() -> Self {
        Self { id: SessionId::generate(), secret: SessionSecret::generate() }
    }

    /// The text `nps_<id>.<secret>`.
    pub fn reveal(&self) -> Secret {
        Secret::new(format!("{SESSION_PREFIX}{}.{}", self.id, self.secret.expose()))
    }
}

impl FromStr for SessionText {
    type Err = SessionTextError;
    fn from_str(text: &str) -> Result<Self, SessionTextError> {
        let (id, secret) = text
            .strip_prefix(SESSION_PREFIX)
            .and_then(|rest| rest.split_once('.'))
            .ok_or(SessionTextError)?;
        Ok(Self {
            id: id.parse().map_err(|_| SessionTextError)?,
            secret: secret.parse().map_err(|_| SessionTextError)?,
        })
    }
}

const DEVICE_PREFIX: &str = "npd_";

/// Text that is not what a program asks by. It is not repeated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a device code is npd_<id>.<secret>")]
pub struct DeviceTextError;

/// What a program asks by whose sign-in somebody confirms elsewhere: `npd_<id>.<secret>`. It opens nothing itself.
#[derive(Debug, Clone)]
pub struct DeviceText {
    /// Which sign-in.
    pub id: DeviceLoginId,
    /// Its secret.
    pub secret: DeviceSecret,
}

impl DeviceText {
    /// A new sign-in's.
    pub fn generate() -> Self {
        Self { id: DeviceLoginId::generate(), secret: DeviceSecret::generate() }
    }

    /// The text `npd_<id>.<secret>`.
    pub fn reveal(&self) -> Secret {
        Secret::new(format!("{DEVICE_PREFIX}{}.{}", self.id, self.secret.expose()))
    }
}

impl FromStr for DeviceText {
    type Err = DeviceTextError;
    fn from_str(text: &str) -> Result<Self, DeviceTextError> {
        let (id, secret) =
            text.strip_prefix(DEVICE_PREFIX).and_then(|rest| rest.split_once('.')).ok_or(DeviceTextError)?;
        Ok(Self {
            id: id.parse().map_err(|_| DeviceTextError)?,
            secret: secret.parse().map_err(|_| DeviceTextError)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_goes_to_text_and_back() {
        let token = BootstrapToken::generate(KeyFingerprint::of_spki(b"ca"));
        let text = token.reveal();
        let read: BootstrapToken = text.expose().parse().expect("a token");
        assert_eq!(read.reveal(), text);
        assert_eq!(text.expose().split('.').count(), 3);
    }

    #[test]
    fn one_kind_of_credential_is_not_read_as_another() {
        let token = BootstrapToken::generate(KeyFingerprint::of_spki(b"ca")).reveal();
        let key = ApiKeyText::generate().reveal();
        let session = SessionText::generate().reveal();
        assert!(
            session.expose().parse::<ApiKeyText>().is_err() && key.expose().parse::<SessionText>().is_err()
        );
        assert!(
            token.expose().parse::<SessionText>().is_err()
                && session.expose().parse::<BootstrapToken>().is_err()
        );
        assert!(token.expose().parse::<ApiKeyText>().is_err());
        let device = DeviceText::generate().reveal();
        assert!(device.expose().parse::<DeviceText>().is_ok());
        assert!(
            device.expose().parse::<ApiKeyText>().is_err() && device.expose().parse::<SessionText>().is_err()
        );
        assert!(
            session.expose().parse::<DeviceText>().is_err() && key.expose().parse::<DeviceText>().is_err()
        );
        assert!(token.expose().parse::<TokenCredential>().is_err());
        assert!(key.expose().parse::<BootstrapToken>().is_err());
        assert!(key.expose().parse::<TokenCredential>().is_err());
    }

    #[test]
    fn neither_is_ever_printed() {
        let (token, key) = (BootstrapToken::generate(KeyFingerprint::of_spki(b"ca")), ApiKeyText::generate());
        let shown = format!("{token:?} {key:?}");
        assert!(!shown.contains(token.credential.secret.expose()) && !shown.contains(key.secret.expose()));
    }

    #[test]
    fn malformed_keys_are_refused() {
        let good = ApiKeyText::generate().reveal().expose().to_owned();
        for bad in ["", "npk_", "npk_.", "npk_x.y", &good[1..], &format!("{good} "), &good.to_uppercase()] {
            assert!(bad.parse::<ApiKeyText>().is_err());
        }
    }
}
