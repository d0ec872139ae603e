//! The audit log of the API server, as tests and benchmarks count calls with it.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use jiff::Timestamp;
use serde::Deserialize;

use crate::error::Error;

/// Reads audit logs in the JSON format of `audit.k8s.io/v1`.
#[derive(Debug)]
pub struct AuditLog;

/// How far a request had come when its event was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Stage {
    /// It has arrived. Not logged by the control planes of this crate.
    RequestReceived,
    /// The head of the answer is sent and the body goes on: a watch has begun.
    ResponseStarted,
    /// The answer is complete.
    ResponseComplete,
    /// The handler of the API server panicked.
    Panic,
}

/// A request to the API server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEvent {
    /// Who asked: `admin`, `system:serviceaccount:NAMESPACE:NAME`, ...
    pub user: String,
    /// `get`, `list`, `watch`, `create`, `update`, `patch` (server-side apply is one), `delete`,
    /// `deletecollection`; for requests without a resource the HTTP method in lower case.
    pub verb: String,
    /// The plural of the resource, such as `serviceaccounts`; empty for paths like `/readyz`.
    pub resource: String,
    /// The subresource, such as `token`; else empty.
    pub subresource: String,
    /// The namespace; empty for none or all.
    pub namespace: String,
    /// The object's name; empty where the request names none.
    pub name: String,
    /// Path and query, as requested.
    pub uri: String,
    /// The HTTP status; `None` when the connection ended without one.
    pub code: Option<u16>,
    /// How far the request had come.
    pub stage: Stage,
    /// When it came there.
    pub at: Timestamp,
    /// The program that asked, as it calls itself.
    pub user_agent: String,
}

impl AuditLog {
    /// Reads a log: one event per request, in the order in which the first events of the requests were
    /// written. A watch counts from its start, also while it goes on. A last line that is still being
    /// written is left out.
    pub fn read(path: &Path) -> Result<Vec<AuditEvent>, Error> {
        let text = std::fs::read_to_string(path).map_err(Error::file("read", path))?;
        Self::parse(&text).map_err(|(line, source)| Error::Audit { path: path.to_owned(), line, source })
    }

    /// The same, from a length that the log had once.
    ///
    /// The line that was being written then is left out, and so are the first events of requests from before.
    pub fn read_from(path: &Path, length: u64) -> Result<Vec<AuditEvent>, Error> {
        let Some(before) = length.checked_sub(1) else { return Self::read(path) };
        let mut text = String::new();
        File::open(path)
            .and_then(|mut file| {
                file.seek(SeekFrom::Start(before))?;
                file.read_to_string(&mut text)
            })
            .map_err(Error::file("read", path))?;
        let text = text.split_once('\n').map_or("", |(_, text)| text);
        Self::parse(text).map_err(|(line, source)| Error::Audit { path: path.to_owned(), line, source })
    }

    fn parse(text: &str) -> Result<Vec<AuditEvent>, (usize, serde_json::Error)> {
        let complete = text.rsplit_once('\n').map_or("", |(complete, _)| complete);
        let mut seen = std::collections::HashSet::new();
        let mut events = Vec::new();
        for (index, line) in complete.lines().enumerate() {
            let line: Line = serde_json::from_str(line).map_err(|error| (index + 1, error))?;
            if seen.insert(line.audit_id.clone()) {
                events.push(line.into());
            }
        }
        Ok(events)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    #[serde(rename = "auditID")]
    audit_id: String,
    stage: Stage,
    #[serde(rename = "requestURI")]
    request_uri: String,
    verb: String,
    user: User,
    #[serde(default)]
    user_agent: String,
    #[serde(default)]
    object_ref: ObjectReference,
    response_status: Option<ResponseStatus>,
    stage_timestamp: Timestamp,
}

#[derive(Deserialize)]
struct User {
    #[serde(default)]
    username: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ObjectReference {
    resource: String,
    subresource: String,
    namespace: String,
    name: String,
}

#[derive(Deserialize)]
struct ResponseStatus {
    code: Option<u16>,
}

impl From<Line> for AuditEvent {
    fn from(line: Line) -> Self {
        Self {
            user: line.user.username,
            verb: line.verb,
            resource: line.object_ref.resource,
            subresource: line.object_ref.subresource,
            namespace: line.object_ref.namespace,
            name: line.object_ref.name,
            uri: line.request_uri,
            code: line.response_status.and_then(|status| status.code),
            stage: line.stage,
            at: line.stage_timestamp,
            user_agent: line.user_agent,
        }
    }
}
