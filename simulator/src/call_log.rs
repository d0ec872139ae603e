//! The record of every call: who asked for what and how it went, never a secret.

use std::collections::VecDeque;

use jiff::Timestamp;
use serde::Serialize;

use crate::hosts::Product;

/// One call, as the log keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CallRecord {
    /// When it arrived, by the true clock (no skew).
    pub time: Timestamp,
    /// The product asked.
    pub product: Product,
    /// The region of the host, where it has one.
    pub region: Option<String>,
    /// The API action; the path for the metadata service (`meta-data/region-id`), `auth` for the token service.
    pub action: String,
    /// ARN of the identity that proved itself.
    pub caller: Option<String>,
    /// The registry instance that the call is about.
    pub instance: Option<String>,
    /// `OK`, the error code, or `Cut`.
    pub code: String,
    /// The HTTP status; `None` when no answer was sent.
    pub status: Option<u16>,
    /// The id in the answer.
    pub request_id: String,
}

/// The most recent calls, oldest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct CallLog(VecDeque<CallRecord>);

impl CallLog {
    /// How many calls are kept.
    const LIMIT: usize = 20_000;

    pub(crate) fn push(&mut self, record: CallRecord) {
        if self.0.len() >= Self::LIMIT {
            self.0.pop_front();
        }
        self.0.push_back(record);
    }

    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = &CallRecord> {
        self.0.iter()
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}
