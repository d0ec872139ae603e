//! Ports on loopback that nobody else takes while their server is down.
//!
//! A server that is stopped for a while leaves its port free. Ports are therefore taken from outside the
//! range that the kernel hands to outgoing connections, where even a client that keeps trying to reach the
//! stopped server could be given that very port; and each is claimed by a lock on a file, so that no other
//! test bed of this user takes it meanwhile. The kernel releases the lock however its holder ends.

use std::fs::{File, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, TcpListener};
use std::ops::RangeInclusive;

use crate::error::Error;
use crate::tools;

/// Below are the ports of well-known services.
const LOWEST: u16 = 10_000;
/// Where outgoing connections begin on Linux unless configured otherwise (ip-sysctl, `ip_local_port_range`).
const DEFAULT_EPHEMERAL: RangeInclusive<u16> = 32_768..=60_999;
/// How many ports are tried before giving up.
const ATTEMPTS: u16 = 500;

/// A port on 127.0.0.1, claimed until dropped.
#[derive(Debug)]
pub(crate) struct Port {
    number: u16,
    _claim: File,
}

impl Port {
    pub(crate) fn claim() -> Result<Self, Error> {
        let folder = tools::cache_folder()?.join("ports");
        std::fs::create_dir_all(&folder).map_err(Error::file("create", &folder))?;
        let range = range_outside(&ephemeral_range());
        let width = range.end() - range.start() + 1;
        // Starting anywhere keeps processes that start together from trying the same ports in the same order.
        let seed = RandomState::new().hash_one(std::process::id());
        let first = u16::try_from(seed % u64::from(width)).unwrap_or_default();
        for attempt in 0..ATTEMPTS.min(width) {
            let offset = (u32::from(first) + u32::from(attempt)) % u32::from(width);
            let number = range.start() + u16::try_from(offset).unwrap_or_default();
            let path = folder.join(number.to_string());
            let claim = OpenOptions::new()
                .create(true)
                .truncate(false)
                .write(true)
                .open(&path)
                .map_err(Error::file("open", &path))?;
            if claim.try_lock().is_ok() && TcpListener::bind((Ipv4Addr::LOCALHOST, number)).is_ok() {
                return Ok(Self { number, _claim: claim });
            }
        }
        Err(Error::NoPort { first: *range.start(), last: *range.end() })
    }

    pub(crate) fn number(&self) -> u16 {
        self.number
    }
}

fn ephemeral_range() -> RangeInclusive<u16> {
    let text = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let mut bounds = text.split_whitespace().map_while(|bound| bound.parse().ok());
    match (bounds.next(), bounds.next()) {
        (Some(first), Some(last)) => first..=last,
        _ => DEFAULT_EPHEMERAL,
    }
}

/// The wider of the two ranges below and above `ephemeral`; all of them when that leaves next to nothing.
fn range_outside(ephemeral: &RangeInclusive<u16>) -> RangeInclusive<u16> {
    let below = LOWEST..=ephemeral.start().saturating_sub(1);
    let above = ephemeral.end().saturating_add(1)..=u16::MAX;
    let wider = if below.len() >= above.len() { below } else { above };
    if wider.len() < usize::from(ATTEMPTS) { LOWEST..=u16::MAX } else { wider }
}
