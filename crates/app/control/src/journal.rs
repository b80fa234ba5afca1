//! What happened lately: a bounded list of events.

use std::collections::VecDeque;
use std::time::{SystemTime, UNIX_EPOCH};

use evergate_core::model::event::{Event, Happening};

/// The last events, oldest first; when full, the oldest makes room.
#[derive(Debug)]
pub struct Journal {
    events: VecDeque<Event>,
    capacity: usize,
    next_id: u64,
}

impl Journal {
    /// A journal that keeps the last `capacity` events.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { events: VecDeque::new(), capacity: capacity.max(1), next_id: 1 }
    }

    /// Notes that something happened just now.
    pub fn record(&mut self, what: Happening) -> &Event {
        if self.events.len() == self.capacity {
            self.events.pop_front();
        }
        let id = self.next_id;
        self.next_id += 1;
        self.events.push_back(Event { id, time_ms: unix_millis(), what });
        self.events.back().expect("pushed above: the list is not empty")
    }

    /// Events with a serial number above `id`, oldest first.
    pub fn after(&self, id: u64) -> impl Iterator<Item = &Event> {
        let first = self.events.front().map_or(self.next_id, |event| event.id);
        let skip = usize::try_from((id + 1).saturating_sub(first)).unwrap_or(usize::MAX);
        self.events.iter().skip(skip)
    }

    /// The serial number of the newest event; 0 if there was none yet.
    #[must_use]
    pub const fn last_id(&self) -> u64 {
        self.next_id - 1
    }
}

/// Unix time in milliseconds.
fn unix_millis() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use evergate_core::model::event::Happening;

    use super::Journal;

    fn note(text: &str) -> Happening {
        Happening::Note { role: "test".into(), text: text.into() }
    }

    #[test]
    fn the_oldest_events_make_room_and_numbers_go_on() {
        let mut journal = Journal::new(3);
        for text in ["a", "b", "c", "d", "e"] {
            journal.record(note(text));
        }
        let ids: Vec<u64> = journal.after(0).map(|event| event.id).collect();
        assert_eq!(ids, [3, 4, 5]);
        assert_eq!(journal.last_id(), 5);
    }

    #[test]
    fn a_reader_gets_only_what_is_new_to_it() {
        let mut journal = Journal::new(10);
        assert_eq!(journal.after(0).count(), 0);
        for text in ["a", "b", "c"] {
            journal.record(note(text));
        }
        for (seen, fresh) in [(0, 3), (1, 2), (3, 0), (99, 0), (u64::MAX - 1, 0)] {
            assert_eq!(journal.after(seen).count(), fresh, "after {seen}");
        }
    }
}
