//! What a process has used, as the kernel tells it.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Error;

/// Ticks of processor time in a second: `USER_HZ`, which is 100 wherever Linux shows times to programs (proc(5)).
const TICKS_PER_SECOND: f64 = 100.0;

/// Memory and processor time of a process since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Usage {
    /// The most memory that it held at once (`VmHWM`), in KiB.
    pub(super) peak_rss_kib: u32,
    /// Processor time, its own and the kernel's for it.
    pub(super) cpu_seconds: f64,
}

impl Usage {
    /// Of a process that runs.
    pub(super) fn of(process_id: u32) -> Result<Self, Error> {
        Self::read(&PathBuf::from(format!("/proc/{process_id}")))
    }

    /// Of this process.
    pub(super) fn own() -> Result<Self, Error> {
        Self::read(Path::new("/proc/self"))
    }

    fn read(folder: &Path) -> Result<Self, Error> {
        let read = |name: &str| {
            let path = folder.join(name);
            std::fs::read_to_string(&path).map_err(|source| Error::File { action: "read", path, source })
        };
        let malformed =
            || Error::Process { who: "the kernel", reason: format!("{} is malformed", folder.display()) };
        Ok(Self {
            peak_rss_kib: peak_rss_kib(&read("status")?).ok_or_else(malformed)?,
            cpu_seconds: cpu_seconds(&read("stat")?).ok_or_else(malformed)?,
        })
    }

    /// In MiB.
    pub(super) fn peak_rss_mib(self) -> f64 {
        f64::from(self.peak_rss_kib) / 1024.0
    }
}

/// `VmHWM` of `/proc/PID/status`.
fn peak_rss_kib(status: &str) -> Option<u32> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

/// `utime` and `stime` of `/proc/PID/stat`. The name before them is in parentheses and may hold anything.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut times = fields.split(' ').skip(11).map(str::parse::<u32>);
    let ticks = times.next()?.ok()?.checked_add(times.next()?.ok()?)?;
    Some(f64::from(ticks) / TICKS_PER_SECOND)
}

/// A processor for a server, and those for its clients: the same where there is only one.
pub(super) fn processors() -> Result<(String, String), Error> {
    let path = PathBuf::from("/proc/self/status");
    let failed = |source| Error::File { action: "read", path: path.clone(), source };
    let status = std::fs::read_to_string(&path).map_err(failed)?;
    let allowed = allowed_processors(&status);
    match allowed.split_last() {
        Some((server, [])) => Ok((server.to_string(), server.to_string())),
        Some((server, clients)) => {
            let clients: Vec<String> = clients.iter().map(u32::to_string).collect();
            Ok((server.to_string(), clients.join(",")))
        }
        None => Err(Error::Process { who: "the kernel", reason: "it names no processor".to_owned() }),
    }
}

/// `Cpus_allowed_list` of `/proc/PID/status`: numbers and ranges.
fn allowed_processors(status: &str) -> Vec<u32> {
    let line = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap_or_default();
    let ranges = line.trim().split(',').filter_map(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        Some(first.parse::<u32>().ok()?..=last.parse().ok()?)
    });
    ranges.flatten().collect()
}

/// How busy the machine was of late: the load average of the last minute.
pub(super) fn load() -> Option<f64> {
    std::fs::read_to_string("/proc/loadavg").ok()?.split(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_behind_any_name() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 100 0 0 0 123 45 0 0 20 0 4 0 100 1000 10";
        assert_eq!(cpu_seconds(stat), Some(1.68));
        assert_eq!(cpu_seconds("7 (a) S 1"), None);
    }

    #[test]
    fn processors_are_numbers_and_ranges() {
        let of = |list: &str| allowed_processors(&format!("Name:\tx\nCpus_allowed_list:\t{list}\n"));
        assert_eq!(of("0-1"), [0, 1]);
        assert_eq!(of("1,4-6,9"), [1, 4, 5, 6, 9]);
        assert!(of("").is_empty());
    }

    #[test]
    fn the_peak_is_read_and_not_the_present() {
        let status = "Name:\tx\nVmPeak:\t 99 kB\nVmHWM:\t   2048 kB\nVmRSS:\t    1024 kB\n";
        assert_eq!(peak_rss_kib(status), Some(2048));
        assert_eq!(peak_rss_kib("VmRSS:\t 1 kB\n"), None);
    }

    #[test]
    fn a_process_can_read_its_own_usage() {
        let usage = Usage::own().unwrap();
        assert!(usage.peak_rss_kib > 100 && usage.cpu_seconds >= 0.0, "{usage:?}");
    }
}
