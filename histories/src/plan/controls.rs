//! What users ask for by annotations, put into plans that are made without.

use super::{Action, Moment, Round};
use crate::estate::INSTANCES;
use crate::random::Random;

const SECOND: Moment = 1_000;
const MINUTE: Moment = 60 * SECOND;

/// Puts a few of them into rounds, in a quarter of all histories. They are drawn from a stream of their own: what else
/// happens is the same with and without.
pub(super) fn put_into(seed: u64, rounds: &mut [Round]) {
    let mut random = Random::stream(seed, 4);
    if !random.chance(25) {
        return;
    }
    for round in rounds {
        for _ in 0..random.between(1, 3) {
            let place = random.index(round.actions.len() + 1);
            let action = if random.chance(40) {
                Action::Pause(random.spread(SECOND, 20 * MINUTE))
            } else {
                let [acme, shanghai, tools, lost] = INSTANCES.map(|instance| Some(instance.id));
                Action::Rotate(random.one_of([None, None, acme, shanghai, tools, lost, Some("personal")]))
            };
            round.actions.insert(place, (0, action));
        }
    }
}
