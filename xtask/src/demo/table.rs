//! The live table: one line for each ServiceAccount, redrawn in place on a terminal.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, IsTerminal, Write};
use std::time::Instant;

use acr_end_to_end::{AccountView, Component, Served, Stage};
use comfy_table::presets::UTF8_BORDERS_ONLY;
use comfy_table::{ContentArrangement, Table as Drawing};

use super::cast::NOT_SERVED;
use super::{LOOK, PATIENCE, Result};

/// What the table shows of a ServiceAccount.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Row {
    namespace: String,
    account: String,
    attached: bool,
    /// The version of the ServiceAccount, which every write of it changes.
    version: String,
    /// The hosts of the namespace's Secret; empty without one.
    hosts: Vec<String>,
    /// When its first login ends, in seconds of Unix time.
    pub(super) expires: Option<i64>,
}

impl Row {
    /// Whether an image can be pulled with the ServiceAccount.
    pub(super) fn is_served(&self) -> bool {
        self.attached && !self.hosts.is_empty()
    }

    fn cells(&self) -> [String; 5] {
        let hosts = if self.hosts.is_empty() { "-".to_owned() } else { self.hosts.len().to_string() };
        let expires = self.expires.and_then(|end| jiff::Timestamp::from_second(end).ok());
        let expires = expires.map_or_else(|| "-".to_owned(), |end| end.strftime("%H:%M:%SZ").to_string());
        let attached = if self.attached { "yes" } else { "no" };
        [self.namespace.clone(), self.account.clone(), attached.to_owned(), hosts, expires]
    }
}

/// A table on the screen.
pub(super) struct Table<'a> {
    stage: &'a Stage<'a>,
    rows: Vec<Row>,
    terminal: bool,
    /// Lines that stand on the screen and are drawn over next time, and what they say.
    drawn: usize,
    text: String,
    started: Instant,
}

impl<'a> Table<'a> {
    pub(super) fn begin(stage: &'a Stage<'a>) -> Self {
        Self {
            stage,
            rows: Vec::new(),
            terminal: io::stdout().is_terminal(),
            drawn: 0,
            text: String::new(),
            started: Instant::now(),
        }
    }

    /// What is shown next stands below what is on the screen now.
    pub(super) fn move_on(&mut self) {
        self.drawn = 0;
        self.started = Instant::now();
    }

    /// Keeps the table up to date until `wanted` holds.
    pub(super) async fn watch(
        &mut self,
        what: &str,
        component: &mut Component,
        wanted: impl Fn(&[Row]) -> bool,
    ) -> Result {
        loop {
            self.look(component).await?;
            if wanted(&self.rows) {
                return Ok(());
            }
            if self.started.elapsed() > PATIENCE {
                let (log, tail) = (component.log_path().display(), component.log_tail());
                return Err(format!("not within {PATIENCE:?}: {what}; the log of the component is {log}, and ends with:\n{tail}").into());
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Looks at the cluster once, and shows what it has come to.
    pub(super) async fn look(&mut self, component: &mut Component) -> Result {
        component.check_alive()?;
        let mut rows = Vec::new();
        for namespace in self.stage.namespaces().await? {
            if NOT_SERVED.iter().any(|prefix| namespace.starts_with(prefix)) {
                continue;
            }
            let served = self.stage.served(&namespace).await?;
            for account in self.stage.account_views(&namespace).await? {
                rows.push(row(account, served.as_ref()));
            }
        }
        rows.sort();
        if self.terminal {
            self.rows = rows;
            self.redraw();
        } else {
            self.print_changes(&rows);
            self.rows = rows;
        }
        Ok(())
    }

    /// The hosts that any namespace is served with.
    pub(super) fn hosts(&self) -> BTreeSet<&str> {
        self.rows.iter().flat_map(|row| &row.hosts).map(String::as_str).collect()
    }

    /// The versions of the ServiceAccounts.
    pub(super) fn versions(&self) -> Vec<String> {
        self.rows.iter().map(|row| row.version.clone()).collect()
    }

    /// The latest end of any login that was seen, in seconds of Unix time.
    pub(super) fn latest_expiry(&self) -> Option<i64> {
        self.rows.iter().filter_map(|row| row.expires).max()
    }

    fn redraw(&mut self) {
        let text = self.text();
        if self.drawn > 0 && text == self.text {
            return;
        }
        let up = if self.drawn > 0 { format!("\x1b[{}A\x1b[J", self.drawn) } else { String::new() };
        self.drawn = text.lines().count();
        write(&format!("{up}{text}\n"));
        self.text = text;
    }

    fn text(&self) -> String {
        let now = jiff::Timestamp::now().as_second();
        let mut drawing = Drawing::new();
        drawing
            .load_style(UTF8_BORDERS_ONLY)
            .set_content_arrangement(ContentArrangement::Disabled)
            .set_header(["namespace", "ServiceAccount", "attached", "hosts", "first login ends"]);
        for row in &self.rows {
            let [namespace, account, attached, hosts, expires] = row.cells();
            let minutes = row.expires.map(|end| format!(", in {} min", (end - now).max(0) / 60));
            let expires = format!("{expires}{}", minutes.unwrap_or_default());
            drawing.add_row([namespace, account, attached, hosts, expires]);
        }
        drawing.to_string()
    }

    /// Where there is no terminal: a line for each ServiceAccount that is not as it was.
    fn print_changes(&self, rows: &[Row]) {
        let key = |row: &Row| (row.namespace.clone(), row.account.clone());
        let known: BTreeMap<_, _> = self.rows.iter().map(|row| (key(row), row)).collect();
        for row in rows.iter().filter(|row| known.get(&key(row)) != Some(row)) {
            let [namespace, account, attached, hosts, expires] = row.cells();
            let seconds = self.started.elapsed().as_secs_f64();
            write(&format!(
                "   {seconds:5.1} s  {namespace:<11} {account:<8} attached: {attached:<3}  hosts: {hosts}  first login ends: {expires}\n"
            ));
        }
    }
}

fn row(account: AccountView, served: Option<&Served>) -> Row {
    Row {
        namespace: account.namespace,
        account: account.name,
        attached: account.attached,
        version: account.resource_version,
        hosts: served.map(|served| served.hosts.clone()).unwrap_or_default(),
        expires: served.and_then(|served| served.expires).map(jiff::Timestamp::as_second),
    }
}

fn write(text: &str) {
    // A closed standard output is no reason to stop.
    let mut stdout = io::stdout().lock();
    let _ignored = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}
