//! One watch of one process: a list, then events, each stream at its own pace.

use std::collections::VecDeque;

use acr_controller::observation::Watch;

use crate::api_server::ApiServer;
use crate::contract::Delivery;
use crate::plan::Moment;

/// A watch as a process sees it.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) watch: Watch,
    state: State,
    /// Nothing is delivered before.
    pub(super) not_before: Moment,
    /// Whether a delivery is in the queue.
    pub(super) scheduled: bool,
    /// The list breaks off after so many deliveries.
    break_after: Option<usize>,
}

#[derive(Debug)]
enum State {
    /// A list is to be asked for.
    Idle,
    /// A list is being delivered; the events after it start here.
    Listing(VecDeque<Delivery>, usize),
    /// Events are delivered; the next one is here.
    Following(usize),
}

impl Stream {
    pub(super) fn new(watch: Watch) -> Self {
        Self { watch, state: State::Idle, not_before: 0, scheduled: false, break_after: None }
    }

    /// The next delivery.
    pub(super) fn next(&mut self, server: &ApiServer) -> Option<Delivery> {
        if self.break_after.is_some_and(|left| left == 0) {
            self.break_after = None;
            self.state = State::Idle;
        }
        if matches!(self.state, State::Idle) {
            let mut list = VecDeque::from([Delivery::ListStarted(self.watch)]);
            list.extend(server.list(self.watch).into_iter().map(Delivery::Sight));
            list.push_back(Delivery::ListCompleted(self.watch, server.version()));
            self.state = State::Listing(list, server.log_end(self.watch));
        }
        match &mut self.state {
            State::Idle => None,
            State::Listing(list, after) => {
                let delivery = list.pop_front();
                if let Some(left) = &mut self.break_after {
                    *left = left.saturating_sub(1);
                }
                if list.is_empty() {
                    self.state = State::Following(*after);
                }
                delivery
            }
            State::Following(place) => {
                let sight = server.logged(self.watch, *place)?.clone();
                *place += 1;
                Some(Delivery::Sight(sight))
            }
        }
    }

    /// Whether there is something to deliver.
    pub(super) fn has_more(&self, server: &ApiServer) -> bool {
        match &self.state {
            State::Idle | State::Listing(..) => true,
            State::Following(place) => *place < server.log_end(self.watch),
        }
    }

    /// Whether a list is to be asked for.
    pub(super) fn is_idle(&self) -> bool {
        matches!(self.state, State::Idle)
    }

    /// 410: everything is listed anew.
    pub(super) fn expire(&mut self) {
        self.state = State::Idle;
    }

    /// Everything is listed anew, and the list breaks off after so many deliveries.
    pub(super) fn expire_and_break(&mut self, after: usize) {
        self.state = State::Idle;
        self.break_after = Some(after.max(1));
    }
}

#[cfg(test)]
mod tests {
    use acr_credentials::UnixMillis;

    use super::*;
    use crate::wanted::Labels;

    fn words(stream: &mut Stream, server: &ApiServer) -> String {
        let mut words = String::new();
        while let Some(delivery) = stream.next(server) {
            words.push_str(match delivery {
                Delivery::ListStarted(_) => "<",
                Delivery::ListCompleted(..) => ">",
                Delivery::Sight(_) => "o",
            });
        }
        words
    }

    #[test]
    fn a_list_comes_first_and_events_after_it() {
        let mut server = ApiServer::new(UnixMillis(0));
        let mut stream = Stream::new(Watch::Namespaces);
        assert_eq!(words(&mut stream, &server), "<oo>");
        server.create_namespace("a", Labels::new(), UnixMillis(0));
        assert!(stream.has_more(&server));
        assert_eq!(words(&mut stream, &server), "o");
        assert!(!stream.has_more(&server));
    }

    #[test]
    fn what_happens_between_list_and_watch_is_not_lost_and_not_twice() {
        let mut server = ApiServer::new(UnixMillis(0));
        let mut stream = Stream::new(Watch::Namespaces);
        stream.next(&server);
        server.create_namespace("a", Labels::new(), UnixMillis(0));
        assert_eq!(words(&mut stream, &server), "oo>o");
    }

    #[test]
    fn a_broken_list_starts_over() {
        let server = ApiServer::new(UnixMillis(0));
        let mut stream = Stream::new(Watch::Namespaces);
        stream.expire_and_break(2);
        assert_eq!(words(&mut stream, &server), "<o<oo>");
    }
}
