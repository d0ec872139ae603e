//! The root file system of the image: two layers, of which the lower one changes seldom.

use std::io;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::layer::{File, Layer};

/// Where the program is, without the leading `/`.
pub(super) const PROGRAM: &str = "usr/bin/acr-credential-helper";
/// Who the program runs as, where nobody says otherwise: a number, which `runAsNonRoot` can judge.
pub(super) const USER: u32 = 65532;
/// Characters of a line of PEM (RFC 7468).
const PEM_COLUMNS: usize = 64;

/// What the image has besides the program.
pub(super) fn base() -> io::Result<Layer> {
    let user = format!("root:x:0:0:root:/:/nowhere\nnonroot:x:{USER}:{USER}:nonroot:/:/nowhere\n");
    let group = format!("root:x:0:\nnonroot:x:{USER}:\n");
    let files = [
        File::folder("etc/"),
        File::text("etc/group", group),
        // Both are part of the static C library; a service that is not would have to be loaded.
        File::text("etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n"),
        File::text("etc/passwd", user),
        File::folder("etc/ssl/"),
        File::folder("etc/ssl/certs/"),
        File::text("etc/ssl/certs/ca-certificates.crt", authorities()),
    ];
    Layer::of("certificates", &files)
}

/// The program with the licences that it comes under.
pub(super) fn program(program: Vec<u8>, licences: String) -> io::Result<Layer> {
    let files = [
        File::folder("usr/"),
        File::folder("usr/bin/"),
        File { path: PROGRAM, mode: 0o755, content: program },
        File::folder("usr/share/"),
        File::folder("usr/share/doc/"),
        File::folder("usr/share/doc/acr-credential-helper/"),
        File::text("usr/share/doc/acr-credential-helper/LICENSES", licences),
    ];
    Layer::of("program", &files)
}

/// The authorities that Mozilla trusts for servers, as PEM, one after the other.
///
/// From a crate that Cargo.lock pins by checksum: the same on every machine, where a package of the distribution is
/// whatever was installed last.
fn authorities() -> String {
    let mut text = String::new();
    for certificate in webpki_root_certs::TLS_SERVER_ROOT_CERTS {
        text.push_str("-----BEGIN CERTIFICATE-----\n");
        let encoded = STANDARD.encode(certificate);
        let mut rest = encoded.as_str();
        while !rest.is_empty() {
            // Base64 is ASCII: every place is a boundary.
            let (line, more) = rest.split_at_checked(PEM_COLUMNS).unwrap_or((rest, ""));
            text.push_str(line);
            text.push('\n');
            rest = more;
        }
        text.push_str("-----END CERTIFICATE-----\n");
    }
    text
}
