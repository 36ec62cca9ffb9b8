//! Encrypted connections to a real server, as strict as the address asks for.
#![expect(
    clippy::unwrap_used,
    reason = "a test ends where something is not as expected"
)]

mod support;

use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use saldo_store::{Store, StoreError};
use saldo_store_postgres::PostgresStore;
use support::{Cluster, rules, unsafe_options};

/// A server with a certificate for `localhost`, who vouches for it, and who vouches for others.
struct Encrypted {
    cluster: Cluster,
    folder: tempfile::TempDir,
}

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

impl Encrypted {
    fn start() -> Self {
        let (trusted, other) = (authority(), authority());
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &trusted).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("trusted.pem"), trusted.pem()).unwrap();
        std::fs::write(folder.path().join("other.pem"), other.pem()).unwrap();
        let files = [
            ("certificate.pem", certificate.pem()),
            ("key.pem", key.serialize_pem()),
        ];
        let files = files.each_ref().map(|(name, content)| (*name, content.as_str()));
        let settings = [
            "fsync = off",
            "ssl = on",
            "ssl_cert_file = '../certificate.pem'",
            "ssl_key_file = '../key.pem'",
        ];
        Self {
            cluster: Cluster::start_listening(&files, &settings),
            folder,
        }
    }

    fn authority(&self, name: &str) -> String {
        let path: PathBuf = self.folder.path().join(name);
        format!("sslrootcert={}", path.display().to_string().replace('/', "%2F"))
    }

    /// The protocol that a store speaks with the server, or why there is none.
    async fn spoken(&self, host: &str, query: &str) -> Result<String, String> {
        let url = format!(
            "postgresql://saldo@{host}:{}/postgres?{query}",
            self.cluster.port()
        );
        let opened: Result<PostgresStore, StoreError> =
            PostgresStore::open(&url, rules(), unsafe_options()).await;
        let store = opened.map_err(|error| error.to_string())?;
        let facts = store.describe().await.unwrap();
        store.close().await.unwrap();
        let tls = facts.into_iter().find(|(name, _)| name == "tls");
        Ok(tls.unwrap().1)
    }
}

#[tokio::test]
async fn a_connection_is_as_strict_about_its_server_as_its_address_asks_for() {
    let server = Encrypted::start();
    let (trusted, other) = (server.authority("trusted.pem"), server.authority("other.pem"));
    let encrypted = Ok("TLSv1.3".to_owned());
    assert_eq!(
        server.spoken("localhost", "sslmode=disable").await,
        Ok("none".to_owned())
    );
    for query in ["", "sslmode=prefer", "sslmode=require"] {
        assert_eq!(server.spoken("127.0.0.1", query).await, encrypted, "{query}");
    }
    for mode in ["require", "verify-ca"] {
        let query = format!("sslmode={mode}&{trusted}");
        assert_eq!(server.spoken("127.0.0.1", &query).await, encrypted, "{query}");
    }
    let query = format!("sslmode=verify-full&{trusted}");
    assert_eq!(server.spoken("localhost", &query).await, encrypted);

    let refused = server.spoken("127.0.0.1", &query).await.unwrap_err();
    assert!(refused.contains("not valid for name"), "{refused}");
    for mode in ["require", "verify-ca", "verify-full"] {
        let query = format!("sslmode={mode}&{other}");
        let refused = server.spoken("localhost", &query).await.unwrap_err();
        assert!(refused.contains("certificate"), "{refused}");
    }
    let missing = server.authority("nothing.pem");
    let refused = server
        .spoken("localhost", &format!("sslmode=verify-full&{missing}"))
        .await;
    let refused = refused.unwrap_err();
    assert!(refused.contains("nothing.pem"), "{refused}");
}

#[tokio::test]
async fn a_server_without_tls_is_refused_where_it_is_asked_for() {
    let cluster = Cluster::start_listening(&[], &["fsync = off"]);
    let url = |mode: &str| {
        format!(
            "postgresql://saldo@127.0.0.1:{}/postgres?sslmode={mode}",
            cluster.port()
        )
    };
    let opened = PostgresStore::open(&url("require"), rules(), unsafe_options()).await;
    let refused = opened.err().map(|error| error.to_string()).unwrap_or_default();
    assert!(refused.contains("TLS"), "{refused}");
    support::open(&url("prefer"), unsafe_options())
        .await
        .close()
        .await
        .unwrap();
}
