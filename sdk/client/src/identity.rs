//! Who one is: signing in, one's own password and second factor, and those of others.

use npanel_model::{ApiKeyId, Secret, UserId};
use npanel_sdk_types::{
    AccessToken, ApiKey, ChangePassword, ConfirmTotp, CreateSession, DeviceAuthorization, Impersonate, Me,
    RecoveryCodes, RotateApiKey, Session, SetUserPassword, ShowAgain, TotpOffer, User,
};
use reqwest::Method;

use crate::{Client, Error, Wait, client::json, transport::Call};

impl Client {
    /// Who one is, and what one may do.
    ///
    /// # Errors
    /// If the credential is not good or no controller can be reached.
    pub async fn me(&self) -> Result<Me, Error> {
        self.read("/v1/me".to_owned(), &[]).await
    }

    /// Signs in. The client's own credential is not used for it.
    ///
    /// # Errors
    /// If login, password or code are wrong, a code is needed and was not given, or no controller can be reached.
    pub async fn sign_in(&self, request: &CreateSession) -> Result<Session, Error> {
        let call = Call::new(Method::POST, "/v1/sessions".to_owned()).with_body(json(request)?);
        self.transport.send(call.anonymous()).await?.json()
    }

    /// Gets an access token for an API key. A scope is patterns of actions, separated by spaces; all that the key has if absent.
    ///
    /// # Errors
    /// If the key is not good or no controller can be reached.
    pub async fn access_token(
        &self,
        key: ApiKeyId,
        secret: &Secret,
        scope: Option<&str>,
    ) -> Result<AccessToken, Error> {
        let (id, secret) = (key.to_string(), secret.expose());
        let mut form =
            vec![("grant_type", "client_credentials"), ("client_id", id.as_str()), ("client_secret", secret)];
        form.extend(scope.map(|scope| ("scope", scope)));
        let call = Call::new(Method::POST, "/v1/oauth/token".to_owned()).with_form(&form).anonymous();
        self.transport.send(call).await?.json()
    }

    /// Begins a sign-in that somebody confirms in a browser. `program` is what they are shown of who asks.
    ///
    /// # Errors
    /// If too many were begun, or no controller can be reached.
    pub async fn begin_device_login(&self, program: &str) -> Result<DeviceAuthorization, Error> {
        let form = [("client_id", program)];
        let call = Call::new(Method::POST, "/v1/oauth/device".to_owned()).with_form(&form).anonymous();
        self.transport.send(call).await?.json()
    }

    /// Asks once whether it was confirmed: then this is the session's token, and the sign-in is over.
    ///
    /// # Errors
    /// `authorization_pending` if nobody has decided yet; other codes if it was refused or has taken too long.
    pub async fn collect_device_login(&self, asked: &DeviceAuthorization) -> Result<AccessToken, Error> {
        let form = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
            ("device_code", asked.device_code.expose()),
        ];
        let call = Call::new(Method::POST, "/v1/oauth/token".to_owned()).with_form(&form).anonymous();
        self.transport.send(call).await?.json()
    }

    /// Changes one's own password; one's other sessions end.
    ///
    /// # Errors
    /// If it is refused or no controller can be reached.
    pub async fn set_own_password(&self, change: &ChangePassword) -> Result<User, Error> {
        self.put("/v1/me/password".to_owned(), change).await
    }

    /// Begins with a second factor. The password is shown again.
    ///
    /// # Errors
    /// If it is refused or no controller can be reached.
    pub async fn begin_totp(&self, shown: &ShowAgain) -> Result<TotpOffer, Error> {
        self.post("/v1/me/totp".to_owned(), Some(shown)).await
    }

    /// Shows that the authenticator has the key.
    ///
    /// # Errors
    /// If the code is wrong, or no controller can be reached.
    pub async fn confirm_totp(&self, code: Secret) -> Result<RecoveryCodes, Error> {
        self.post("/v1/me/totp/confirm".to_owned(), Some(&ConfirmTotp { code })).await
    }

    /// Does without a second factor. The password or a code is shown again.
    ///
    /// # Errors
    /// If it is refused or no controller can be reached.
    pub async fn remove_totp(&self, shown: &ShowAgain) -> Result<(), Error> {
        let call = Call::new(Method::POST, "/v1/me/totp/remove".to_owned()).with_body(json(shown)?);
        self.transport.send(call).await.map(drop)
    }

    /// Sets another user's password, and ends its sessions.
    ///
    /// # Errors
    /// If it is refused or no controller can be reached.
    pub async fn set_user_password(&self, user: UserId, password: Secret) -> Result<User, Error> {
        self.put(format!("/v1/users/{user}/password"), &SetUserPassword { password }).await
    }

    /// Takes another user's second factor away.
    ///
    /// # Errors
    /// If it is refused or no controller can be reached.
    pub async fn remove_user_totp(&self, user: UserId) -> Result<(), Error> {
        self.discard(format!("/v1/users/{user}/totp")).await
    }

    /// Acts as another user for a while.
    ///
    /// # Errors
    /// If it is refused or no controller can be reached.
    pub async fn impersonate(&self, user: UserId, request: &Impersonate) -> Result<Session, Error> {
        self.post(format!("/v1/users/{user}/impersonate"), Some(request)).await
    }

    /// Puts a new secret in the place of an API key's; the one before counts so long, or a day.
    ///
    /// # Errors
    /// If it is refused or no controller can be reached.
    pub async fn rotate_api_key(&self, key: ApiKeyId, overlap_seconds: Option<u32>) -> Result<ApiKey, Error> {
        self.post(format!("/v1/api-keys/{key}/rotate"), Some(&RotateApiKey { overlap_seconds })).await
    }

    async fn post<T: serde::de::DeserializeOwned>(
        &self,
        path: String,
        body: Option<&impl serde::Serialize>,
    ) -> Result<T, Error> {
        Ok(self.write(Method::POST, path, body, Wait::No.into()).await?.object)
    }

    async fn put<T: serde::de::DeserializeOwned>(
        &self,
        path: String,
        body: &impl serde::Serialize,
    ) -> Result<T, Error> {
        Ok(self.write(Method::PUT, path, Some(body), Wait::No.into()).await?.object)
    }

    async fn discard(&self, path: String) -> Result<(), Error> {
        self.transport.send(Call::new(Method::DELETE, path)).await.map(drop)
    }
}
