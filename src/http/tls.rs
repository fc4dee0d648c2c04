//! The certificate and the key that the API proves with who it is.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, pem};
use tokio_rustls::rustls::{self, ServerConfig};

use crate::config::{HttpTls, SecretFileError, read_secret};

/// Why TLS cannot be spoken.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file holds something else.
    #[error("{} holds no {wanted} in PEM: {source}", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        wanted: &'static str,
        /// Why it does not.
        source: pem::Error,
    },
    /// The key cannot be read, or others may read it.
    #[error("{refused}; {remedy}", refused = .0, remedy = .0.remedy())]
    Key(#[from] SecretFileError),
    /// Certificate and key do not go together, or cannot be used.
    #[error("the certificate in {} cannot be used with that key: {source}", path.display())]
    Unusable {
        /// The file of the certificate.
        path: PathBuf,
        /// Why.
        source: rustls::Error,
    },
}

/// Reads certificate and key. Blocks.
///
/// # Errors
/// Why TLS cannot be spoken with them.
pub fn load(files: &HttpTls) -> Result<Arc<ServerConfig>, TlsError> {
    let unusable = |source| TlsError::Unusable {
        path: files.certificate.clone(),
        source,
    };
    let (certificates, key) = (certificates(&files.certificate)?, key(&files.key)?);
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(rustls::ALL_VERSIONS)
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(certificates, key))
        .map_err(unusable)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = fs::read(path).map_err(unread(path))?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match certificates {
        Ok(certificates) if certificates.is_empty() => Err(pem::Error::NoItemsFound),
        certificates => certificates,
    }
    .map_err(|source| TlsError::Pem {
        path: path.to_owned(),
        wanted: "certificate",
        source,
    })
}

fn key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let text = read_secret(path)?;
    PrivateKeyDer::from_pem_slice(text.as_bytes()).map_err(|source| TlsError::Pem {
        path: path.to_owned(),
        wanted: "private key",
        source,
    })
}

fn unread(path: &Path) -> impl FnOnce(io::Error) -> TlsError + '_ {
    |source| TlsError::Read {
        path: path.to_owned(),
        source,
    }
}
