//! What stands between the component and the cloud on real networks: TLS under the cloud's own names, and a proxy.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// Hosts and where each is led to.
type Ways = BTreeMap<String, SocketAddr>;

/// A proxy by CONNECT, and the TLS of the hosts behind it. Dropping it ends it.
pub(crate) struct Front {
    /// The URL of the proxy.
    pub(crate) proxy: String,
    /// The certificate of all the hosts, as PEM.
    pub(crate) authority: String,
    acceptor: TlsAcceptor,
    asked: Arc<Mutex<Vec<String>>>,
    tasks: Vec<JoinHandle<()>>,
}

impl Front {
    /// A proxy that reaches these hosts, and no other one.
    pub(crate) async fn before(ways: Ways) -> Self {
        let names = ways.keys().cloned().chain(["127.0.0.1".to_owned()]);
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(names.collect::<Vec<_>>()).unwrap();
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (tls, log) = (acceptor.clone(), asked.clone());
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(tunnel(stream, ways.clone(), tls.clone(), log.clone()));
            }
        });
        Self { proxy, authority: cert.pem(), acceptor, asked, tasks: vec![task] }
    }

    /// Serves TLS for `way` without a proxy, and gives its URL.
    pub(crate) async fn straight(&mut self, way: SocketAddr) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let acceptor = self.acceptor.clone();
        self.tasks.push(tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(unwrapped(stream, way, acceptor.clone()));
            }
        }));
        url
    }

    /// What the proxy was asked for since the last time: `host:port`, in order.
    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// Takes connections on the loopback address of IPv6 and leads them to `way`. Gives its URL.
pub(crate) async fn on_ipv6(way: SocketAddr) -> (String, JoinHandle<()>) {
    // Without IPv6 on loopback this fails, and says so.
    let listener = TcpListener::bind("[::1]:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let task = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(joined(stream, way));
        }
    });
    (url, task)
}

/// One connection to the proxy. Whatever goes wrong ends it, as it does with a real one.
async fn tunnel(mut stream: TcpStream, ways: Ways, acceptor: TlsAcceptor, asked: Arc<Mutex<Vec<String>>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else { return };
        head.push(byte);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let Some(target) = head.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next()) else { return };
    asked.lock().unwrap().push(target.to_owned());
    let way = target.strip_suffix(":443").and_then(|host| ways.get(host));
    let Some(way) = way else {
        let _ = stream.write_all(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n").await;
        return;
    };
    if stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.is_ok() {
        unwrapped(stream, *way, acceptor).await;
    }
}

async fn unwrapped(stream: TcpStream, way: SocketAddr, acceptor: TlsAcceptor) {
    // A client that does not trust us hangs up.
    if let Ok(stream) = acceptor.accept(stream).await {
        joined(stream, way).await;
    }
}

async fn joined(mut stream: impl AsyncRead + AsyncWrite + Unpin, way: SocketAddr) {
    if let Ok(mut onward) = TcpStream::connect(way).await {
        let _ = copy_bidirectional(&mut stream, &mut onward).await;
    }
}
