//! Layers: files as compressed tar archives, with equal bytes for equal files.

use std::io::{self, Write};

use aws_lc_rs::digest::{SHA256, digest};
use flate2::{Compression, GzBuilder};

/// A file or, where the path ends with `/`, a folder of the image.
#[derive(Clone, Debug)]
pub(super) struct File {
    /// Below the root, without a leading `/`.
    pub(super) path: &'static str,
    pub(super) mode: u32,
    pub(super) content: Vec<u8>,
}

impl File {
    pub(super) fn folder(path: &'static str) -> Self {
        Self { path, mode: 0o755, content: Vec::new() }
    }

    pub(super) fn text(path: &'static str, content: impl Into<Vec<u8>>) -> Self {
        Self { path, mode: 0o644, content: content.into() }
    }
}

/// A layer of an image.
#[derive(Clone, Debug)]
pub(super) struct Layer {
    /// What is in it, in a few words.
    pub(super) title: &'static str,
    /// The archive, compressed.
    pub(super) compressed: Vec<u8>,
    /// The digest of the archive before it was compressed (`diff_id` of the image configuration).
    pub(super) difference: String,
}

impl Layer {
    /// Packs files, which belong to root and are of the time 0: nothing of this machine gets in.
    pub(super) fn of(title: &'static str, files: &[File]) -> io::Result<Self> {
        let mut archive = tar::Builder::new(Vec::new());
        for file in files {
            let mut header = tar::Header::new_ustar();
            let folder = file.path.ends_with('/');
            header.set_entry_type(if folder { tar::EntryType::Directory } else { tar::EntryType::Regular });
            header.set_mode(file.mode);
            header.set_uid(0);
            header.set_gid(0);
            header.set_mtime(0);
            header.set_size(u64::try_from(file.content.len()).unwrap_or(u64::MAX));
            archive.append_data(&mut header, file.path, file.content.as_slice())?;
        }
        let archive = archive.into_inner()?;
        // Without a name and a time in its header.
        let mut compressor = GzBuilder::new().write(Vec::new(), Compression::best());
        compressor.write_all(&archive)?;
        Ok(Self { title, difference: digest_of(&archive), compressed: compressor.finish()? })
    }
}

/// The digest of a blob as OCI writes it.
pub(super) fn digest_of(bytes: &[u8]) -> String {
    let digits: Vec<String> =
        digest(&SHA256, bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{}", digits.concat())
}
