//! Database users' passwords: they exist in the clear in one request only.

use std::fmt::Write;

use aws_lc_rs::{digest, rand};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use npanel_model::{MysqlPasswordHash, Secret};
use zeroize::Zeroizing;

use super::problem::Failure;

/// 144 random bits, as 24 characters.
const GENERATED_BYTES: usize = 18;

/// A password that nobody can guess.
pub(super) fn generate() -> Result<Secret, Failure> {
    let mut bytes = Zeroizing::new([0; GENERATED_BYTES]);
    rand::fill(bytes.as_mut_slice())
        .map_err(|_| Failure::internal(&"the system's random generator failed"))?;
    Ok(Secret::new(URL_SAFE_NO_PAD.encode(bytes.as_slice())))
}

/// Refuses a password that is too short, or that clients would send in different bytes.
pub(super) fn check(password: &Secret) -> Result<(), Failure> {
    let text = password.expose();
    let printable = text.bytes().all(|byte| (0x20..0x7f).contains(&byte));
    if (8..=128).contains(&text.len()) && printable {
        Ok(())
    } else {
        Err(Failure::invalid("password", "a password is 8 to 128 printable ASCII characters"))
    }
}

/// The password as MariaDB's `mysql_native_password` keeps it: `*` and SHA-1 of SHA-1. It is unsalted, which
/// is why it is sealed before it leaves this process.
pub(super) fn native_hash(password: &Secret) -> MysqlPasswordHash {
    let once = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, password.expose().as_bytes());
    let twice = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, once.as_ref());
    let mut text = String::with_capacity(41);
    text.push('*');
    for byte in twice.as_ref() {
        write!(text, "{byte:02X}").expect("a string takes every write");
    }
    text.parse().expect("a SHA-1 digest is forty hexadecimal digits")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_what_mariadb_computes() {
        // SELECT PASSWORD('password')
        let hash = native_hash(&Secret::new("password"));
        assert_eq!(hash.expose(), "*2470C0C06DEE42FD1618BB99005ADCA2EC9D1E19");
    }

    #[test]
    fn a_generated_password_is_accepted_and_new() {
        let (one, other) = (generate().expect("random"), generate().expect("random"));
        assert!(check(&one).is_ok() && one != other);
    }

    #[test]
    fn a_refused_password_is_not_repeated() {
        for text in ["hunter2", "hunter2\nhunter2", "höhöhöhöhö", &"x".repeat(129)] {
            let failure = check(&Secret::new(text)).expect_err("not allowed");
            assert!(!format!("{failure:?}").contains(text), "{failure:?}");
        }
    }
}
