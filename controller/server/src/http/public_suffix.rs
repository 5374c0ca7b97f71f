//! Names that are a registry's, not a customer's: `co.uk`.

use npanel_model::Fqdn;
use psl::{List, Psl, Type};

use super::problem::Failure;

/// Refuses a name under which registries register. Whoever had it here would take, on this fleet, the names of
/// everybody beneath it. Only the list's part for registries counts: what companies have put on it (such as
/// `github.io`) is theirs to host, and a name under an unknown end (such as `test`) is nobody's.
pub(super) fn refuse(field: &str, name: &Fqdn) -> Result<(), Failure> {
    if !is_registrys(name) {
        return Ok(());
    }
    let detail =
        format!("{name} is a public suffix: names are registered beneath it, and nobody has it itself");
    Err(Failure::invalid(field, detail))
}

fn is_registrys(name: &Fqdn) -> bool {
    let name = name.as_str().as_bytes();
    List.suffix(name)
        .is_some_and(|suffix| suffix.as_bytes().len() == name.len() && suffix.typ() == Some(Type::Icann))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(name: &str) -> bool {
        refuse("name", &name.parse().expect("a name")).is_err()
    }

    #[test]
    fn a_name_that_registries_register_under_is_refused() {
        for name in ["co.uk", "CO.UK.", "com.au", "公司.cn", "xn--55qx5d.cn", "anything.ck", "tokyo.jp"] {
            assert!(refused(name), "{name}");
        }
    }

    #[test]
    fn a_name_that_somebody_may_have_is_taken() {
        let names = ["example.com", "example.co.uk", "www.ck", "github.io", "blogspot.com", "shop.example"];
        for name in names.into_iter().chain(["a.test", "nodes.npanel.internal", "internal.test"]) {
            assert!(!refused(name), "{name}");
        }
    }
}
