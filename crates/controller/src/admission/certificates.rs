//! The certificates of the webhook, and when they change places.
//!
//! Each generation has an authority of its own, whose key is thrown away as soon as it has signed: there is nothing to
//! steal. Order of a renewal: the next generation is made and remembered; the registration trusts both authorities;
//! some minutes later everyone serves the next one; after the same time again the former authority is trusted no more.
//! Where there was none before, nobody can answer at first: for a while no answer may be relied on.

use std::time::Duration;

use acr_credentials::UnixMillis;
use secrecy::SecretString;

/// How long everyone who serves or trusts certificates may take to hear of a change: a kubelet looks at a mounted Secret
/// within about two minutes, an API server within seconds.
const LONGEST_SETTLING: Duration = Duration::from_mins(10);
/// How long replicas take to serve a certificate that was just made: they see the journal at once, and a pod that was not
/// ready meanwhile is found so by a probe every 5 s.
const ARRIVES_HERE: Duration = Duration::from_secs(10);
/// The same for another program: the kubelet takes up to two minutes to bring it a changed Secret, which it reads every 5 s.
const ARRIVES_ELSEWHERE: Duration = Duration::from_mins(3);

/// The present generation, and the one before or after it during a change.
#[derive(Clone, Debug)]
pub struct Certificates {
    /// What is served.
    pub serving: Generation,
    /// What is served next, trusted already.
    pub next: Option<Generation>,
    /// The authority, PEM, of what was served before, still trusted.
    pub former: Option<String>,
    /// When the present stage began.
    pub since: UnixMillis,
    /// Whether some of those who answer may not have what is served yet, so that they cannot be relied on.
    pub fresh: bool,
}

/// One authority with the one certificate that it has signed.
#[derive(Clone, Debug)]
pub struct Generation {
    /// The host that the certificate is for.
    pub host: String,
    /// The certificate of the authority, PEM.
    pub authority: String,
    /// The certificate that is served, PEM.
    pub chain: String,
    /// Its private key, PEM.
    pub key: SecretString,
    /// From when on it is valid.
    pub begins: UnixMillis,
    /// When it ends.
    pub ends: UnixMillis,
}

/// What is to be done about the certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Make a generation that is served at once: there is none, or it serves no purpose.
    Begin,
    /// Rely on answers from now on: whoever answers has what is served.
    Rely,
    /// Make the next generation.
    Prepare,
    /// Serve the next generation.
    Promote,
    /// Trust the former authority no more.
    Forget,
    /// Nothing, before this time.
    Wait(UnixMillis),
}

impl Certificates {
    /// A first generation.
    pub fn new(serving: Generation, now: UnixMillis) -> Self {
        Self { serving, next: None, former: None, since: now, fresh: true }
    }

    /// The authorities to trust, PEM.
    pub fn authorities(&self) -> String {
        let next = self.next.iter().map(|next| next.authority.as_str());
        let all = std::iter::once(self.serving.authority.as_str()).chain(next).chain(self.former.as_deref());
        all.collect()
    }

    /// What is due for `host` at `now`. `answers`: whether this process answers the API server, or another program does.
    pub fn step(certificates: Option<&Self>, host: &str, answers: bool, now: UnixMillis) -> Step {
        let Some(Self { serving, next, former, since, fresh }) = certificates else { return Step::Begin };
        if serving.host != host || serving.ends <= now && next.is_none() {
            return Step::Begin;
        }
        let stage = if *fresh { arrives_within(answers) } else { LONGEST_SETTLING };
        // A twentieth of a short life, so that all stages of a change end well before its last third does.
        let settled = since.plus(stage.min(life(serving) / 20));
        // A clock that was set back must not keep a stage for ever.
        let is_settled = now >= settled || now < *since;
        match (next, former) {
            _ if *fresh && is_settled => Step::Rely,
            _ if *fresh => Step::Wait(settled),
            (Some(_), _) if is_settled || serving.ends <= now => Step::Promote,
            (None, Some(_)) if is_settled => Step::Forget,
            (Some(_), _) => Step::Wait(settled.min(serving.ends)),
            (None, Some(_)) => Step::Wait(settled),
            (None, None) if now >= renewal(serving) || now < serving.begins => Step::Prepare,
            (None, None) => Step::Wait(renewal(serving)),
        }
    }

    /// Takes a generation that was made for [`Step::Begin`] or [`Step::Prepare`].
    pub fn take(certificates: Option<Self>, made: Generation, now: UnixMillis) -> Self {
        match certificates {
            Some(present) if present.serving.host == made.host && present.serving.ends > now => {
                Self { next: Some(made), since: now, ..present }
            }
            // Whoever has not heard of the change still serves the former one.
            Some(present) => Self { former: Some(present.serving.authority), ..Self::new(made, now) },
            None => Self::new(made, now),
        }
    }

    /// Whoever answers has what is served.
    pub fn rely(&mut self) {
        self.fresh = false;
    }

    /// The next generation becomes the one that is served.
    pub fn promote(&mut self, now: UnixMillis) {
        if let Some(next) = self.next.take() {
            self.former = Some(std::mem::replace(&mut self.serving, next).authority);
            self.since = now;
        }
    }

    /// The former authority is trusted no more.
    pub fn forget(&mut self, now: UnixMillis) {
        self.former = None;
        self.since = now;
    }
}

/// When the next generation is made: at two thirds of the life of the present one.
fn renewal(generation: &Generation) -> UnixMillis {
    generation.begins.plus(life(generation) / 3 * 2)
}

/// How long it may take until whoever answers serves a certificate that was just made. `answers`: whether this process does.
pub fn arrives_within(answers: bool) -> Duration {
    if answers { ARRIVES_HERE } else { ARRIVES_ELSEWHERE }
}

fn life(generation: &Generation) -> Duration {
    let millis = generation.ends.0.saturating_sub(generation.begins.0);
    Duration::from_millis(u64::try_from(millis).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400_000;

    fn generation(name: &str, begins: i64) -> Generation {
        Generation {
            host: "front.kube-system.svc".to_owned(),
            authority: format!("[{name}]"),
            chain: String::new(),
            key: SecretString::default(),
            begins: UnixMillis(begins),
            ends: UnixMillis(begins + 90 * DAY),
        }
    }

    fn step(certificates: &Certificates, now: i64) -> Step {
        Certificates::step(Some(certificates), "front.kube-system.svc", true, UnixMillis(now))
    }

    /// One that everybody serves.
    fn relied_on(serving: Generation, since: i64) -> Certificates {
        Certificates { fresh: false, ..Certificates::new(serving, UnixMillis(since)) }
    }

    #[test]
    fn nothing_is_done_in_the_first_two_thirds_of_a_life() {
        let certificates = relied_on(generation("a", 0), 0);
        assert_eq!(step(&certificates, 1), Step::Wait(UnixMillis(60 * DAY)));
        assert_eq!(step(&certificates, 60 * DAY - 1), Step::Wait(UnixMillis(60 * DAY)));
    }

    #[test]
    fn what_ends_before_its_successor_is_known_everywhere_gives_way_when_it_ends() {
        let mut certificates = relied_on(generation("a", 0), 0);
        let late = 90 * DAY - 1;
        certificates = Certificates::take(Some(certificates), generation("b", late), UnixMillis(late));
        assert_eq!(step(&certificates, late), Step::Wait(UnixMillis(90 * DAY)));
        assert_eq!(step(&certificates, 90 * DAY), Step::Promote);
    }

    #[test]
    fn what_is_served_is_trusted_before_and_after() {
        let mut certificates = relied_on(generation("a", 0), 0);
        let mut now = 60 * DAY;
        assert_eq!(step(&certificates, now), Step::Prepare);
        certificates = Certificates::take(Some(certificates), generation("b", now), UnixMillis(now));
        assert_eq!(
            (certificates.authorities().as_str(), certificates.serving.authority.as_str()),
            ("[a][b]", "[a]")
        );

        assert_eq!(step(&certificates, now + 1), Step::Wait(UnixMillis(now + 600_000)));
        now += 600_000;
        assert_eq!(step(&certificates, now), Step::Promote);
        certificates.promote(UnixMillis(now));
        assert_eq!(
            (certificates.authorities().as_str(), certificates.serving.authority.as_str()),
            ("[b][a]", "[b]")
        );

        assert_eq!(step(&certificates, now + 1), Step::Wait(UnixMillis(now + 600_000)));
        now += 600_000;
        assert_eq!(step(&certificates, now), Step::Forget);
        certificates.forget(UnixMillis(now));
        assert_eq!(certificates.authorities(), "[b]");
        assert!(matches!(step(&certificates, now), Step::Wait(_)));
    }

    #[test]
    fn what_has_ended_or_is_for_another_host_is_replaced_at_once() {
        assert_eq!(Certificates::step(None, "front.kube-system.svc", true, UnixMillis(0)), Step::Begin);
        let certificates = relied_on(generation("a", 0), 0);
        assert_eq!(step(&certificates, 90 * DAY), Step::Begin);
        assert_eq!(Certificates::step(Some(&certificates), "elsewhere", true, UnixMillis(1)), Step::Begin);
        let other = Generation { host: "elsewhere".to_owned(), ..generation("b", 1) };
        let replaced = Certificates::take(Some(certificates), other, UnixMillis(1));
        assert_eq!(
            (replaced.authorities().as_str(), replaced.serving.host.as_str()),
            ("[b][a]", "elsewhere")
        );
    }

    #[test]
    fn what_nobody_may_have_yet_is_relied_on_after_the_time_that_it_takes_to_arrive() {
        let other = Generation { host: "elsewhere".to_owned(), ..generation("b", 0) };
        let replaced = Certificates::take(Some(relied_on(other, 0)), generation("a", 1), UnixMillis(0));
        for mut certificates in [Certificates::new(generation("a", 0), UnixMillis(0)), replaced] {
            for (answers, arrives) in [(true, 10_000), (false, 180_000)] {
                let step = |now| {
                    Certificates::step(Some(&certificates), "front.kube-system.svc", answers, UnixMillis(now))
                };
                assert_eq!(step(arrives - 1), Step::Wait(UnixMillis(arrives)));
                assert_eq!(step(arrives), Step::Rely);
            }
            certificates.rely();
            assert!(matches!(step(&certificates, 180_000), Step::Wait(_)));
        }
    }

    #[test]
    fn a_next_generation_is_served_at_once_where_the_present_one_has_ended() {
        let certificates = relied_on(generation("a", 0), 0);
        let certificates =
            Certificates::take(Some(certificates), generation("b", 90 * DAY - 1), UnixMillis(90 * DAY - 1));
        assert_eq!(step(&certificates, 90 * DAY), Step::Promote);
    }

    #[test]
    fn a_clock_that_was_set_back_keeps_no_stage_for_ever() {
        let mut certificates = relied_on(generation("a", 0), 10 * DAY);
        certificates.former = Some("[0]".to_owned());
        assert_eq!(step(&certificates, 9 * DAY), Step::Forget);
    }

    #[test]
    fn a_short_life_has_short_stages() {
        let short = Generation { ends: UnixMillis(60_000), ..generation("a", 0) };
        let mut certificates = relied_on(short, 0);
        certificates.former = Some("[0]".to_owned());
        assert_eq!(step(&certificates, 1), Step::Wait(UnixMillis(3_000)));
    }
}
