//! Moving the key, with a service that is there, is away, or comes back.

use std::path::PathBuf;

use npanel_model::Timestamp;
use npanel_moto::{KEYS, Moto, SECRET};
use npanel_pki::{CertificateAuthority, ClusterId, ClusterKey};
use tokio::net::{TcpListener, TcpStream};

use super::*;

/// A controller's directory, as far as its keys go.
struct Machine {
    directory: tempfile::TempDir,
    secrets: ClusterSecrets,
}

impl Machine {
    /// One that became a controller so.
    async fn made(place: impl Fn(&Path) -> KeyPlace) -> Self {
        npanel_pki::tls::install_provider();
        let directory = tempfile::tempdir().expect("a directory");
        fs::write(directory.path().join("keys"), KEYS).expect("written");
        let authority = CertificateAuthority::create(ClusterId::generate(), Timestamp::now());
        let secrets = ClusterSecrets::new(&authority.expect("an authority"), ClusterKey::generate());
        let key = NewKey::make(&place(directory.path())).await.expect("a key");
        let key = key.save(directory.path()).expect("saved");
        secrets.save(&secrets_path(directory.path()), &key).expect("saved");
        Self { directory, secrets }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn root(&self) -> &Path {
        self.directory.path()
    }

    fn has(&self) -> (bool, bool) {
        (self.path(KEY).exists(), self.path(SEALED_KEY).exists())
    }

    /// The secrets are what they were.
    fn is_opened_by(&self, key: &MachineKey) -> bool {
        let found = ClusterSecrets::load(&secrets_path(self.root()), key);
        found.is_ok_and(|found| found.as_ref() == Some(&self.secrets))
    }
}

const IN_FILE: (bool, bool) = (true, false);
const IN_KMS: (bool, bool) = (false, true);

fn kms(endpoint: &str, root: &Path) -> Kms {
    Kms::new(endpoint, "eu-central-1", "alias/aws/ebs", root.join("keys")).expect("a service")
}

#[tokio::test]
async fn the_key_moves_into_the_service_and_back_and_opens_what_it_did() {
    let Some(moto) = Moto::start() else { return };
    let machine = Machine::made(|_| KeyPlace::File).await;
    let in_kms = || KeyPlace::Kms(kms(&moto.endpoint(), machine.root()));
    let first = open(machine.root(), &KeyPlace::File).await.expect("opened");
    assert!(machine.is_opened_by(&first) && machine.has() == IN_FILE);

    let second = open(machine.root(), &in_kms()).await.expect("moved");
    assert!(machine.is_opened_by(&second) && machine.has() == IN_KMS);
    assert_ne!(first.expose(), second.expose(), "the first was on the disk");
    let again = open(machine.root(), &in_kms()).await.expect("opened");
    assert_eq!(again.expose(), second.expose());
    for entry in fs::read_dir(machine.root()).expect("a directory") {
        let bytes = fs::read(entry.expect("an entry").path()).expect("a file");
        assert!(!bytes.windows(32).any(|part| part == second.expose()), "the key is on the disk");
    }
    let refused = open(machine.root(), &KeyPlace::File).await.expect_err("it cannot be opened so");
    assert!(refused.to_string().contains("[keys]"), "{refused:#}");
    assert!(machine.has() == IN_KMS);

    let back = KeyPlace::BackToFile(kms(&moto.endpoint(), machine.root()));
    let third = open(machine.root(), &back).await.expect("moved");
    assert!(machine.is_opened_by(&third) && machine.has() == IN_FILE);
    assert_ne!(second.expose(), third.expose());
    // Nobody has to be asked from then on, whether the section is still there or not.
    let nobody = KeyPlace::BackToFile(kms("http://127.0.0.1:1", machine.root()));
    for place in [nobody, KeyPlace::File] {
        assert!(machine.is_opened_by(&open(machine.root(), &place).await.expect("opened")));
    }
}

#[tokio::test]
async fn a_move_that_was_cut_short_is_gone_on_with_in_either_direction() {
    let Some(moto) = Moto::start() else { return };
    let service = |root: &Path| kms(&moto.endpoint(), root);
    for to_kms in [true, false] {
        for is_sealed_anew in [true, false] {
            let machine = Machine::made(|root| match to_kms {
                true => KeyPlace::File,
                false => KeyPlace::Kms(service(root)),
            })
            .await;
            let root = machine.root();
            let place =
                if to_kms { KeyPlace::Kms(service(root)) } else { KeyPlace::BackToFile(service(root)) };
            let next = NewKey::make(&place).await.expect("a key").save(root).expect("saved");
            if is_sealed_anew {
                machine.secrets.save(&secrets_path(root), &next).expect("saved");
            }
            assert_eq!(machine.has(), (true, true));
            let key = open(root, &place).await.expect("gone on with");
            assert!(machine.is_opened_by(&key), "{to_kms} {is_sealed_anew}");
            assert_eq!(key.expose(), next.expose());
            assert_eq!(machine.has(), if to_kms { IN_KMS } else { IN_FILE });
        }
    }
}

#[tokio::test]
async fn a_start_waits_for_a_service_that_is_away_and_goes_on_when_it_is_back() {
    let Some(moto) = Moto::start() else { return };
    let port =
        TcpListener::bind("127.0.0.1:0").await.and_then(|one| one.local_addr()).expect("a port").port();
    let address = format!("127.0.0.1:{port}");
    let machine = Machine::made(|root| KeyPlace::Kms(kms(&moto.endpoint(), root))).await;
    let place = KeyPlace::Kms(kms(&format!("http://{address}"), machine.root()));
    let error = open(machine.root(), &place).await.expect_err("nobody is there");
    let text = format!("{error:#} {error:?}");
    assert!(text.contains(&address) && !text.contains(SECRET), "{text}");

    let opening = open_patiently(machine.root(), &place);
    let coming_back = async {
        // The first try has failed when somebody listens: it is the second that is taken.
        tokio::time::sleep(FIRST_PAUSE / 2).await;
        let listener = TcpListener::bind(&address).await.expect("the port");
        loop {
            let (mut from, _) = listener.accept().await.expect("a connection");
            let mut to = TcpStream::connect(moto.address()).await.expect("the service");
            let _ = tokio::io::copy_bidirectional(&mut from, &mut to).await;
        }
    };
    let key = tokio::select! {
        key = opening => key.expect("opened"),
        () = coming_back => unreachable!("it accepts for ever"),
    };
    assert!(machine.is_opened_by(&key));
}

#[tokio::test]
async fn what_no_service_can_help_with_ends_the_start() {
    let machine = Machine::made(|_| KeyPlace::File).await;
    fs::remove_file(machine.path(KEY)).expect("removed");
    let nobody = KeyPlace::Kms(kms("http://127.0.0.1:1", machine.root()));
    for place in [KeyPlace::File, nobody] {
        let error = open_patiently(machine.root(), &place).await.expect_err("the key is gone");
        assert!(error.to_string().contains("join anew"), "{error:#}");
    }
    assert_eq!(machine.has(), (false, false), "no other key is made in its place");
}
