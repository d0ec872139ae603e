//! A name server that knows one name, and a way to the cloud under that name.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::PrivateKeyDer;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// Where the name server answers: port 53 of a loopback address that nobody else takes.
pub(crate) const SERVER: Ipv4Addr = Ipv4Addr::new(127, 88, 53, 1);
/// The name that it knows, for 127.0.0.1.
pub(crate) const NAME: &str = "cr.cloud.example";
/// Kinds of records (RFC 1035): an IPv4 address.
const A: u8 = 1;

/// A name server. Dropping it ends it.
pub(crate) struct Names {
    asked: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Names {
    pub(crate) async fn serve() -> Self {
        let socket = UdpSocket::bind((SERVER, 53)).await.unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = asked.clone();
        let task = tokio::spawn(async move {
            let mut query = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut query).await {
                let (answer, name) = answer(&query[..length]);
                log.lock().unwrap().push(name);
                let _ = socket.send_to(&answer, from).await;
            }
        });
        Self { asked, task }
    }

    /// The names that it was asked for.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Names {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The answer to a query with one question, and the name in it.
fn answer(query: &[u8]) -> (Vec<u8>, String) {
    let mut labels = Vec::new();
    let mut place = 12;
    while query[place] != 0 {
        let end = place + 1 + usize::from(query[place]);
        labels.push(String::from_utf8_lossy(&query[place + 1..end]).into_owned());
        place = end;
    }
    let (name, end) = (labels.join("."), place + 5);
    let known = name == NAME;
    let has_address = known && query[place + 2] == A;
    // Id; an answer, with recursion; no such name (3) where it is another one; counts.
    let mut answer = vec![query[0], query[1], 0x81, if known { 0x80 } else { 0x83 }];
    answer.extend([0, 1, 0, u8::from(has_address), 0, 0, 0, 0]);
    answer.extend(&query[12..end]);
    if has_address {
        // The name of the question; A, Internet; for a second; four bytes.
        answer.extend([0xc0, 12, 0, A, 0, 1, 0, 0, 0, 1, 0, 4, 127, 0, 0, 1]);
    }
    (answer, name)
}

/// TLS under [`NAME`] in front of `way`: its port and its certificate as PEM.
pub(crate) async fn front(way: SocketAddr) -> (u16, String) {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed([NAME.to_owned()]).unwrap();
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
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                // A client that does not trust us hangs up.
                if let Ok(mut stream) = acceptor.accept(stream).await
                    && let Ok(mut onward) = TcpStream::connect(way).await
                {
                    let _ = copy_bidirectional(&mut stream, &mut onward).await;
                }
            });
        }
    });
    (port, cert.pem())
}
