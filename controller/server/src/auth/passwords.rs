//! Users' passwords: argon2id, on threads of its own, so many at a time. Hashing is meant to be slow and takes 19 MiB; nobody
//! else waits for it.

use std::sync::Arc;

use argon2::{
    Argon2, PasswordHash, PasswordHasher, PasswordVerifier,
    password_hash::{Salt, SaltString},
};
use npanel_model::Secret;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::http::Failure;

/// So many may wait for their turn: with some 50 ms each, for a few seconds.
const WAITING: usize = 64;

/// Characters of a password. Longer ones say no more than a digest of them would.
const LENGTHS: std::ops::RangeInclusive<usize> = 12..=128;

/// Where passwords are hashed and compared.
#[derive(Debug, Clone)]
pub(crate) struct Passwords {
    waiting: Arc<Semaphore>,
    at_work: Arc<Semaphore>,
    /// What nobody's password is: compared where there is none, so that the time does not tell who is a user.
    nobodys: Arc<str>,
}

impl Default for Passwords {
    fn default() -> Self {
        // Half of the processors: requests are answered by the others.
        let at_work = std::thread::available_parallelism().map_or(1, |count| (count.get() / 2).max(1));
        let nobodys = hash(&Secret::new(uuid::Uuid::now_v7().to_string())).unwrap_or_default();
        Self {
            waiting: Arc::new(Semaphore::new(WAITING)),
            at_work: Arc::new(Semaphore::new(at_work)),
            nobodys: nobodys.into(),
        }
    }
}

/// Refuses what is too short to be a password, or too long to be typed.
pub(crate) fn require_good(field: &str, password: &Secret) -> Result<(), Failure> {
    let text = password.expose();
    let length = text.chars().count();
    if !LENGTHS.contains(&length) || text.chars().any(char::is_control) {
        let detail = format!("a password has {} to {} characters", LENGTHS.start(), LENGTHS.end());
        return Err(Failure::invalid(field, detail));
    }
    let first = text.chars().next();
    if text.chars().all(|character| Some(character) == first) {
        return Err(Failure::invalid(field, "one character again and again is no password"));
    }
    Ok(())
}

impl Passwords {
    /// The password's hash in the PHC string format.
    pub(crate) async fn hash(&self, password: Secret) -> Result<String, Failure> {
        self.at_turn(move || hash(&password))
            .await?
            .ok_or_else(|| Failure::internal(&"a password cannot be hashed"))
    }

    /// Whether the password is the one that was hashed. Takes as long where nothing was.
    pub(crate) async fn matches(&self, password: Secret, stored: Option<String>) -> Result<bool, Failure> {
        let is_somebodys = stored.as_ref().is_some_and(|hash| !hash.is_empty());
        let stored = stored.filter(|_| is_somebodys).unwrap_or_else(|| self.nobodys.to_string());
        Ok(self.at_turn(move || matches(&password, &stored)).await? && is_somebodys)
    }

    async fn at_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Failure> {
        let _waits = self.waiting.try_acquire().map_err(|_| Failure::too_many_sign_ins())?;
        let turn =
            Arc::clone(&self.at_work).acquire_owned().await.map_err(|error| Failure::internal(&error))?;
        tokio::task::spawn_blocking(move || done(turn, work)).await.map_err(|error| Failure::internal(&error))
    }
}

/// Keeps the turn until the work is done, also when nobody waits for it any more.
fn done<T>(_turn: OwnedSemaphorePermit, work: impl FnOnce() -> T) -> T {
    work()
}

/// With the parameters that the library has from OWASP: 19 MiB, two passes, one lane.
fn hash(password: &Secret) -> Option<String> {
    let mut random = [0; Salt::RECOMMENDED_LENGTH];
    aws_lc_rs::rand::fill(&mut random).ok()?;
    let salt = SaltString::encode_b64(&random).ok()?;
    Some(Argon2::default().hash_password(password.expose().as_bytes(), &salt).ok()?.to_string())
}

fn matches(password: &Secret, stored: &str) -> bool {
    PasswordHash::new(stored)
        .is_ok_and(|hash| Argon2::default().verify_password(password.expose().as_bytes(), &hash).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_matches_its_own_hash_only() {
        let passwords = Passwords::default();
        let secret = |text: &str| Secret::new(text);
        let hash = passwords.hash(secret("correct horse battery")).await.expect("hashed");
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        let matches = async |text: &str, stored: Option<&str>| {
            passwords.matches(secret(text), stored.map(str::to_owned)).await.expect("compared")
        };
        assert!(matches("correct horse battery", Some(&hash)).await);
        assert!(!matches("correct horse batterz", Some(&hash)).await);
        assert!(!matches("correct horse battery", None).await);
        assert!(!matches("", Some("")).await);
        assert_ne!(passwords.hash(secret("correct horse battery")).await.expect("hashed"), hash, "no salt");
    }

    #[test]
    fn what_is_no_password_is_refused_and_not_repeated() {
        for text in
            ["", "short", "elevenchars", &"x".repeat(129), "aaaaaaaaaaaaaaaa", "with\na newline in it"]
        {
            let failure = require_good("password", &Secret::new(text)).expect_err("refused");
            assert!(text.is_empty() || !format!("{failure:?}").contains(text), "{failure:?}");
        }
        assert!(require_good("password", &Secret::new("zwölf Zeichen")).is_ok());
    }
}
