//! Tar archives of a few files, with equal bytes for equal content.

/// Size of a block of a tar archive; two empty ones end it (POSIX ustar).
const BLOCK: usize = 512;

/// A regular file of an archive.
pub(super) struct Entry<'a> {
    pub(super) name: &'a str,
    pub(super) executable: bool,
    pub(super) content: &'a [u8],
}

/// A tar archive of files that everybody may read, with the time 0.
pub(super) fn archive(entries: &[Entry<'_>]) -> Vec<u8> {
    let mut archive = Vec::new();
    for entry in entries {
        archive.extend(header(entry));
        archive.extend_from_slice(entry.content);
        archive.resize(archive.len().next_multiple_of(BLOCK), 0);
    }
    archive.resize(archive.len() + 2 * BLOCK, 0);
    archive
}

fn header(entry: &Entry<'_>) -> Vec<u8> {
    let mut header = Vec::with_capacity(BLOCK);
    // Fields in their order, padded to their length: name, mode, owner, group, size, time (octal).
    field(&mut header, entry.name, 100);
    for number in [if entry.executable { "0000755" } else { "0000644" }, "0000000", "0000000"] {
        field(&mut header, number, 8);
    }
    field(&mut header, &format!("{:011o}", entry.content.len()), 12);
    field(&mut header, "00000000000", 12);
    // The checksum is taken with spaces in its own place.
    let before_checksum = header.len();
    field(&mut header, "        ", 8);
    // A regular file; no link name; magic and version.
    field(&mut header, "0", 1);
    field(&mut header, "", 100);
    field(&mut header, "ustar\x0000", 8);
    header.resize(BLOCK, 0);
    let checksum: u32 = header.iter().copied().map(u32::from).sum();
    for (place, byte) in header.iter_mut().skip(before_checksum).zip(format!("{checksum:06o}\0 ").bytes()) {
        *place = byte;
    }
    header
}

fn field(header: &mut Vec<u8>, text: &str, length: usize) {
    let end = header.len() + length;
    header.extend(text.bytes().take(length));
    header.resize(end, 0);
}
