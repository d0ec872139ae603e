//! TLS for a listener: handshakes side by side, each bounded in time, with the certificate of the moment.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::serve::Listener;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tracing::debug;

/// How long a handshake may take. An API server that is further away than that has given the call up.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(5);
/// Connections that are no more than begun, or wait for their turn: whoever only connects must not take more than a few
/// MiB, of which a handshake takes up to 64 KiB.
const HANDSHAKES: usize = 32;
/// What of answers TLS holds back for a peer that does not read; rustls has 64 KiB.
const HELD_BACK: usize = 16 << 10;
/// What the kernel holds of a connection in each direction. It counts as memory of the pod, grows to some MiB where nobody
/// says so, and the kernel doubles what is said.
const KERNEL_BUFFER: usize = 32 << 10;
/// The pause after a connection could not be accepted, which is so when file descriptors run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Why a certificate cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// The certificate is not PEM, or there is none.
    #[error("the certificate is not PEM")]
    Chain,
    /// The private key is not PEM, or there is none.
    #[error("the private key is not PEM")]
    Key,
    /// The key is of another certificate, or of a kind that is not known.
    #[error("the private key does not fit the certificate: {0}")]
    Pair(rustls::Error),
}

/// The certificate that is served. Connections that are open go on with the one that they began with.
#[derive(Clone, Debug, Default)]
pub struct ServedCertificate {
    current: Arc<RwLock<Option<Arc<CertifiedKey>>>>,
}

impl ServedCertificate {
    /// Serves this one from now on; both are PEM. Where they cannot be used, what was served before stays.
    pub fn replace(&self, chain: &[u8], key: &[u8]) -> Result<(), CertificateError> {
        let chain = CertificateDer::pem_slice_iter(chain)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| CertificateError::Chain)?;
        if chain.is_empty() {
            return Err(CertificateError::Chain);
        }
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| CertificateError::Key)?;
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let certified = CertifiedKey::from_der(chain, key, &provider).map_err(CertificateError::Pair)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(certified));
        Ok(())
    }
}

impl ResolvesServerCert for ServedCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A listener whose connections speak TLS. Dropping it ends the handshakes under way.
#[derive(Debug)]
pub struct TlsListener {
    connections: mpsc::Receiver<(TlsStream<TcpStream>, SocketAddr)>,
    address: SocketAddr,
    _accepting: JoinSet<()>,
}

impl TlsListener {
    /// Serves `certificate` on the connections of `listener`.
    pub fn new(listener: TcpListener, certificate: ServedCertificate) -> io::Result<Self> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let versions = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?;
        let mut config = versions.with_no_client_auth().with_cert_resolver(Arc::new(certificate));
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let address = listener.local_addr()?;
        // Connections take this over from their listener.
        let socket = SockRef::from(&listener);
        socket.set_recv_buffer_size(KERNEL_BUFFER)?;
        socket.set_send_buffer_size(KERNEL_BUFFER)?;
        // Those that wait keep their slots.
        let (ready, connections) = mpsc::channel(1);
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, acceptor, ready));
        Ok(Self { connections, address, _accepting: accepting })
    }
}

async fn accept(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    ready: mpsc::Sender<(TlsStream<TcpStream>, SocketAddr)>,
) {
    let slots = Arc::new(Semaphore::new(HANDSHAKES));
    let mut handshakes = JoinSet::new();
    loop {
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
        let (connection, address) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                debug!("a connection was not accepted: {error}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        while handshakes.try_join_next().is_some() {}
        let (acceptor, ready) = (acceptor.clone(), ready.clone());
        handshakes.spawn(async move {
            // Answers are small and awaited: none of them is held back to be sent with a later one.
            let _ = connection.set_nodelay(true);
            match tokio::time::timeout(HANDSHAKE_LIMIT, acceptor.accept(connection)).await {
                Ok(Ok(mut stream)) => {
                    stream.get_mut().1.set_buffer_limit(Some(HELD_BACK));
                    // Nobody listens any more: the connection ends.
                    let _ = ready.send((stream, address)).await;
                }
                Ok(Err(error)) => debug!(%address, "the TLS handshake failed: {error}"),
                Err(_) => debug!(%address, "the TLS handshake took too long"),
            }
            drop(slot);
        });
    }
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.connections.recv().await {
            Some(connection) => connection,
            // The task that accepts ends with this listener, never before.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}
