//! Codes of authenticators (RFC 6238: SHA-1, six digits, thirty seconds, as all authenticators have it), and the codes that stand
//! for them once.

use aws_lc_rs::rand;
use npanel_model::{LoginName, Secret, Timestamp};
use npanel_pki::SecretHash;
use totp_rs::{Algorithm, Secret as Base32, TOTP};
use zeroize::Zeroizing;

use crate::http::Failure;

const DIGITS: usize = 6;
const STEP_SECONDS: u64 = 30;
/// A code counts for one step before and after its own: clocks differ, and people type.
const SKEW: u64 = 1;
/// 160 bits, as RFC 4226 recommends.
const KEY_BYTES: usize = 20;
const RECOVERY_CODES: usize = 10;
/// 80 bits each.
const RECOVERY_BYTES: usize = 10;

/// A key that an authenticator and the fleet share.
pub(crate) struct TotpKey(Zeroizing<Vec<u8>>);

impl TotpKey {
    /// A new one.
    pub(crate) fn generate() -> Result<Self, Failure> {
        let mut bytes = Zeroizing::new(vec![0; KEY_BYTES]);
        rand::fill(&mut bytes).map_err(|error| Failure::internal(&error))?;
        Ok(Self(bytes))
    }

    /// One that was kept.
    pub(crate) fn of_bytes(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self(bytes)
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    fn totp(&self, account: String) -> Result<TOTP, Failure> {
        let issuer = Some("nPanel".to_owned());
        TOTP::new(Algorithm::SHA1, DIGITS, 1, STEP_SECONDS, self.0.to_vec(), issuer, account)
            .map_err(|error| Failure::internal(&error))
    }

    /// As people type it, and as authenticators read it.
    pub(crate) fn shown(&self, login: &LoginName) -> Result<(Secret, Secret), Failure> {
        let uri = self.totp(login.as_str().to_owned())?.get_url();
        let key = Base32::Raw(self.0.to_vec()).to_encoded().to_string();
        Ok((Secret::new(key), Secret::new(uri)))
    }

    /// The time step of which this is the code, if it is of one around this time.
    pub(crate) fn step_of(&self, code: &Secret, now: Timestamp) -> Result<Option<u64>, Failure> {
        let totp = self.totp(String::new())?;
        let step = u64::try_from(now.as_millis()).unwrap_or(0) / 1000 / STEP_SECONDS;
        let is_of = |step: &u64| {
            let expected = totp.generate(step * STEP_SECONDS);
            SecretHash::of(&Secret::new(expected)).matches(&SecretHash::of(code).to_bytes())
        };
        Ok((step.saturating_sub(SKEW)..=step + SKEW).find(is_of))
    }
}

/// Whether this is the form of an authenticator's code, rather than a recovery code's.
pub(crate) fn is_code(code: &Secret) -> bool {
    code.expose().len() == DIGITS && code.expose().bytes().all(|byte| byte.is_ascii_digit())
}

/// New recovery codes: `xxxxx-xxxxx-xxxxx-xxxxx`.
pub(crate) fn recovery_codes() -> Result<Vec<Secret>, Failure> {
    (0..RECOVERY_CODES)
        .map(|_| {
            let mut bytes = Zeroizing::new([0; RECOVERY_BYTES]);
            rand::fill(bytes.as_mut_slice()).map_err(|error| Failure::internal(&error))?;
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            let parts: Vec<&str> = (0..4).map(|part| &hex[part * 5..][..5]).collect();
            Ok(Secret::new(parts.join("-")))
        })
        .collect()
}

/// The hash of a recovery code, however it was typed. It has 80 random bits, so a fast hash serves.
pub(crate) fn recovery_hash(code: &Secret) -> Vec<u8> {
    let plain: String =
        code.expose().chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    SecretHash::of(&Secret::new(plain)).to_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238, appendix B, cut to six digits.
    #[test]
    fn codes_are_those_of_the_rfc() {
        let key = TotpKey::of_bytes(Zeroizing::new(b"12345678901234567890".to_vec()));
        for (seconds, code) in [(59, "287082"), (1_111_111_109, "081804"), (20_000_000_000, "353130")] {
            let now = Timestamp::from_millis(seconds * 1000);
            let step = key.step_of(&Secret::new(code), now).expect("looked at");
            assert_eq!(step, Some(u64::try_from(seconds).expect("a time") / 30), "{code}");
        }
        let later = Timestamp::from_millis((59 + 61) * 1000);
        assert_eq!(key.step_of(&Secret::new("287082"), later).expect("looked at"), None);
    }

    #[test]
    fn a_recovery_code_is_the_same_however_it_is_typed() {
        let codes = recovery_codes().expect("codes");
        assert_eq!(codes.len(), 10);
        let code = codes.first().expect("a code").expose().to_owned();
        let typed = Secret::new(code.to_uppercase().replace('-', " "));
        assert_eq!(recovery_hash(&typed), recovery_hash(&Secret::new(code)));
        assert!(!is_code(&typed) && is_code(&Secret::new("081804")));
    }
}
